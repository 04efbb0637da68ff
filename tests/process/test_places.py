"""The directories of temporary files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lbproxy.process.places import check_places, make_places, temporary_places
from lbproxy.process.privileges import Identity
from tests.support.loading import load_text

CONF = """
client_body_temp_path a 1 2;
server { listen 80;
    proxy_temp_path /b;
    location /x { client_body_temp_path c; uwsgi_temp_path d; proxy_pass http://127.0.0.1; }
}
"""


@pytest.mark.parametrize(("conf", "places"), [
    ("server { listen 80; }", []),
    (CONF, ["a", "/b", "c", "d"]),
    ("server { listen 80; client_body_in_file_only on; }", ["client_body_temp"]),
    ("server { listen 80; client_body_in_file_only clean; client_body_temp_path x; }", ["x"]),
])
def test_which_are_needed(conf: str, places: list[str]) -> None:
    """What is named, and a place for bodies that others are to read."""
    assert [str(place) for place in temporary_places(load_text(conf))] == places


def test_missing_ones_are_made(tmp_path: Path) -> None:
    """For nobody else to look into; those that are there stay as they are."""
    here, new = tmp_path / "here", tmp_path / "new"
    here.mkdir(0o755)
    (here / "file").write_text("x")
    check_places([here, new])
    make_places([here, new], None)
    assert (here / "file").exists()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (here, new)] == [0o755, 0o700]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give directories away")
def test_they_belong_to_whom_the_workers_become(tmp_path: Path) -> None:
    """Who must be able to write there."""
    here, new = tmp_path / "here", tmp_path / "new"
    here.mkdir(0o555)
    make_places([here, new], Identity("somebody", 12345, 12345))
    assert [(path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) for path in (here, new)] == [
        (12345, 0o755), (12345, 0o700)
    ]


@pytest.mark.parametrize(("place", "words"), [("file", "Not a directory"), ("no/such", "No such file or directory")])
def test_what_can_not_be_made(tmp_path: Path, place: str, words: str) -> None:
    """Is found before the start, and told with its name."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=words) as caught:
        check_places([tmp_path / place])
    assert caught.value.filename == str(tmp_path / place)
