"""Where includes are found, and what names resolve to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lbproxy.config.model import Address
from lbproxy.errors import Source
from lbproxy.process.configfile import FileIncluder, read_source, resolve


@pytest.fixture
def main(tmp_path: Path) -> Source:
    """A configuration in conf/ under the prefix *tmp_path*."""
    (tmp_path / "conf").mkdir()
    return Source(str(tmp_path / "conf" / "site.conf"), "")


def write(directory: Path, **files: str) -> None:
    for name, text in files.items():
        (directory / name).write_text(text)


def texts(tmp_path: Path, pattern: str, main: Source) -> list[str]:
    return [source.text for source in FileIncluder(tmp_path)(pattern, main)]


def test_beside_the_including_file_before_the_prefix(tmp_path: Path, main: Source) -> None:
    write(tmp_path / "conf", both="conf")
    write(tmp_path, both="prefix", other="prefix")
    assert texts(tmp_path, "both", main) == ["conf"]
    assert texts(tmp_path, "other", main) == ["prefix"]


def test_own_files_before_the_packaged_ones(tmp_path: Path, main: Source) -> None:
    assert "REQUEST_METHOD" in texts(tmp_path, "uwsgi_params", main)[0]
    write(tmp_path, uwsgi_params="mine")
    assert texts(tmp_path, "uwsgi_params", main) == ["mine"]


@pytest.mark.parametrize("name", ["uwsgi_params", "proxy_params", "mime.types"])
def test_packaged_files_are_there(tmp_path: Path, main: Source, name: str) -> None:
    source, = FileIncluder(tmp_path)(name, main)
    assert source.name.endswith(f"params/{name}")


def test_absolute_names(tmp_path: Path, main: Source) -> None:
    write(tmp_path, a="x")
    assert texts(Path("/"), str(tmp_path / "a"), main) == ["x"]
    assert texts(Path("/"), str(tmp_path / "?"), main) == ["x"]


def test_globs_are_sorted_and_come_from_the_first_place_that_has_any(tmp_path: Path, main: Source) -> None:
    (tmp_path / "conf" / "d").mkdir()
    (tmp_path / "d").mkdir()
    write(tmp_path / "conf" / "d", **{"b.conf": "b", "a.conf": "a", ".hidden.conf": "no", "c.txt": "no"})
    write(tmp_path / "d", **{"z.conf": "z", "z.txt": "txt"})
    assert texts(tmp_path, "d/*.conf", main) == ["a", "b"]
    assert texts(tmp_path, "d/z.*", main) == ["z", "txt"]
    assert texts(tmp_path, "d/*.nothing", main) == []


def test_missing_file_is_named_as_under_the_prefix(tmp_path: Path, main: Source) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        FileIncluder(tmp_path)("no/such", main)
    assert caught.value.filename == str(tmp_path / "no" / "such")


@pytest.mark.parametrize(
    ("octets", "text"), [(b"\xef\xbb\xbfa", "a"), (b"\xff", "\udcff"), (b"a\r\nb", "a\nb"), ("é".encode(), "é")]
)
def test_octets_to_text(tmp_path: Path, octets: bytes, text: str) -> None:
    (tmp_path / "f").write_bytes(octets)
    assert read_source(tmp_path / "f") == Source(str(tmp_path / "f"), text)


def test_undecodable_octets_survive(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"/caf\xe9")
    assert os.fsencode(read_source(tmp_path / "f").text) == b"/caf\xe9"


def test_literal_addresses_resolve_to_themselves() -> None:
    assert resolve("127.0.0.1", 80) == [Address("127.0.0.1", 80)]
    assert resolve("::1", 0) == [Address("::1", 0)]


def test_each_address_of_a_name_once() -> None:
    found = resolve("localhost", 8000)
    assert Address("127.0.0.1", 8000) in found
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", ["a" * 300, "..", "\udcff"])
def test_names_that_no_resolver_need_be_asked_for(name: str) -> None:
    with pytest.raises(LookupError):
        resolve(name, 80)
