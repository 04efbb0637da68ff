"""Files of users, and passwords that were right before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lbproxy.http.basic import User
from lbproxy.http.passwords import UnknownScheme
from lbproxy.net.readiness import Poller
from lbproxy.proxy import userfiles
from lbproxy.proxy.userfiles import PasswordCheck, UserFiles, system_crypt


class TestFiles:
    """What they say now."""

    def test_a_changed_file_is_read_again(self, tmp_path: Path) -> None:
        """However it was changed."""
        files, path = UserFiles(), tmp_path / "users"
        path.write_text("ann:one\n")
        assert files.find(bytes(path), b"ann") == User(b"one", 1)
        path.write_text("ann:two\n")
        os.utime(path, ns=(1, 1))
        assert files.find(bytes(path), b"ann") == User(b"two", 1)
        (tmp_path / "new").write_text("ann:six\n")
        os.utime(tmp_path / "new", ns=(1, 1))
        (tmp_path / "new").rename(path)
        assert files.find(bytes(path), b"ann") == User(b"six", 1)
        assert files.find(bytes(path), b"bob") is None
        path.unlink()
        with pytest.raises(FileNotFoundError):
            files.find(bytes(path), b"ann")

    def test_an_unchanged_file_is_not(self, tmp_path: Path) -> None:
        """Which costs a look at its times."""
        files, path = UserFiles(), tmp_path / "users"
        path.write_text("ann:one\n")
        first = files.find(bytes(path), b"ann")
        assert files.find(bytes(path), b"ann") is first

    def test_not_all_files_are_kept(self, tmp_path: Path) -> None:
        """Variables in a path can name any number of them."""
        files = UserFiles()
        for number in range(70):
            (tmp_path / str(number)).write_text(f"ann:{number}\n")
            files.find(bytes(tmp_path / str(number)), b"ann")
        assert len(files._files) == 64


class TestPasswords:
    """Slow ones are remembered."""

    def check(self, *knows: bytes) -> tuple[PasswordCheck, list[bytes]]:
        """Return a check with a crypt(3) that takes *knows* for right, and the passwords it was asked about."""
        asked: list[bytes] = []

        def crypt(password: bytes, kept: bytes) -> bytes | None:
            asked.append(password)
            return kept if password in knows else b"$2y$other"

        return PasswordCheck(crypt), asked

    async def test_the_right_one_is_hashed_once(self) -> None:
        """As long as the file says the same; the wrong one each time."""
        check, asked = self.check(b"right")
        poller = Poller()
        for kept, password in [(b"$2y$a", b"right")] * 3 + [(b"$2y$a", b"wrong")] * 2 + [(b"$2y$b", b"right")]:
            assert await check.is_right(poller, password, kept) == (password == b"right")
        assert asked == [b"right", b"wrong", b"wrong", b"right"]
        poller.close()

    async def test_what_is_remembered_is_no_password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """And not too much of it."""
        monkeypatch.setattr(userfiles, "_MOST_REMEMBERED", 3)
        passwords = [b"secret%d" % number for number in range(5)]
        check, _ = self.check(*passwords)
        other, _ = self.check(*passwords)
        poller = Poller()
        for password in passwords:
            assert await check.is_right(poller, password, b"$2y$a")
            assert await other.is_right(poller, password, b"$2y$a")
        assert len(check._right) == 3
        assert not any(b"secret" in digest for digest in check._right)
        assert not set(check._right) & set(other._right)
        poller.close()

    async def test_quick_ones_are_not_remembered(self) -> None:
        """They are as quick as looking them up."""
        check, _ = self.check()
        poller = Poller()
        assert await check.is_right(poller, b"secret", b"{PLAIN}secret")
        assert not check._right
        poller.close()

    async def test_an_unknown_scheme_is_said_to_be_one(self) -> None:
        """From the thread, too."""
        poller = Poller()
        with pytest.raises(UnknownScheme):
            await PasswordCheck(lambda _password, _kept: None).is_right(poller, b"x", b"$2y$a")
        poller.close()


def test_the_system() -> None:
    """Knows DES at least, or knows that it knows nothing."""
    assert system_crypt()(b"secret", b"SN") in (b"SNRVba7YUPvYU", None)
