"""The packaged include files."""

from __future__ import annotations

from pathlib import Path

import pytest

import lbproxy.config
from lbproxy.config.core import TypeSettings
from lbproxy.config.parser import parse
from lbproxy.errors import Source
from tests.support.configs import NO_FILES, load

PARAMS = Path(lbproxy.config.__file__).parent / "params"


@pytest.mark.parametrize("path", sorted(PARAMS.iterdir()), ids=lambda path: path.name)
def test_they_parse(path: Path) -> None:
    """Without mistakes."""
    assert parse(Source(path.name, path.read_text()), NO_FILES.include)


def test_uwsgi_params_are_those_that_wsgi_needs() -> None:
    """Semantics 2.14: nginx's list, and no SCRIPT_NAME."""
    found = parse(Source("uwsgi_params", (PARAMS / "uwsgi_params").read_text()), NO_FILES.include)
    assert [one.args[0].text for one in found] == [
        "QUERY_STRING", "REQUEST_METHOD", "CONTENT_TYPE", "CONTENT_LENGTH", "REQUEST_URI", "PATH_INFO",
        "DOCUMENT_ROOT", "SERVER_PROTOCOL", "REQUEST_SCHEME", "HTTPS", "REMOTE_ADDR", "REMOTE_PORT", "SERVER_PORT",
        "SERVER_NAME",
    ]  # fmt: skip
    assert [one.args[0].text for one in found if "if_not_empty" in one.texts] == ["HTTPS"]


def test_media_types() -> None:
    """Each extension has one type."""
    types = load((PARAMS / "mime.types").read_text()).settings(TypeSettings)
    assert types.media_type(b"/a.JPEG") == b"image/jpeg"
    (block,) = parse(Source("mime.types", (PARAMS / "mime.types").read_text()), NO_FILES.include)
    extensions = [extension for line in block.block or () for extension in line.texts]
    assert len(extensions) == len(set(extensions))
