"""Where temporary files lie."""

from __future__ import annotations

import pytest

from lbproxy.config.temporary import TempPlace, parse_temp_place
from lbproxy.config.values import Misfit
from tests.support.exchanges import directive


@pytest.mark.parametrize(("levels", "name"), [
    ((), "/tmp/x/0000012345"), ((1,), "/tmp/x/5/0000012345"), ((1, 2), "/tmp/x/5/34/0000012345"),
    ((2, 1, 3), "/tmp/x/45/3/012/0000012345"),
])
def test_names(levels: tuple[int, ...], name: str) -> None:
    """The last digits come first, as in nginx."""
    assert TempPlace("/tmp/x", levels).name(12345) == name


@pytest.mark.parametrize(("args", "place"), [
    (["a"], TempPlace("a")), (["/a/b/", "1", "2"], TempPlace("/a/b", (1, 2))), (["/"], TempPlace("/")),
])
def test_directive(args: list[str], place: TempPlace) -> None:
    """A path, and perhaps levels."""
    assert parse_temp_place(directive("proxy_temp_path", *args)) == place


@pytest.mark.parametrize("level", ["0", "x", "-1", "10", ""])
def test_mistakes(level: str) -> None:
    """A level is a number of digits."""
    with pytest.raises(Misfit, match=f'invalid value "{level}"'):
        parse_temp_place(directive("proxy_temp_path", "a", level))
