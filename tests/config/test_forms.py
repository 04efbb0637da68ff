"""Both forms in one configuration."""

from __future__ import annotations

import pytest

from lbproxy.config.forms import parse, read_tree
from lbproxy.errors import ConfigErrors, Source
from tests.support.configs import NO_FILES, files

FILES = files({"a.yaml": "x: 1\ninclude: params", "b.yml": "z:", "params": "y 2; include b.yml;"})


@pytest.mark.parametrize(
    ("name", "text"), [("site.yaml", "include: [a.yaml, b.yml]"), ("site.conf", "include a.yaml; include b.yml;")]
)
def test_each_form_includes_the_other(name: str, text: str) -> None:
    """By the end of the file's name."""
    found = parse(Source(name, text), FILES.include)
    assert [str(one.position) for one in found] == ["a.yaml:1:1", "params:1:1", "b.yml:1:1", "b.yml:1:1"]


def test_files_may_not_include_themselves_through_the_other_form() -> None:
    """Or directly."""
    environment = files({"a.yaml": "include: a", "a": "include a.yaml;"})
    with pytest.raises(ConfigErrors, match=r'"a\.yaml" includes itself in a:1:9'):
        parse(Source("t", "include a.yaml;"), environment.include)


def test_what_could_be_understood_is_there_beside_the_mistakes() -> None:
    """For those who go on to look for further ones."""
    directives, reading = read_tree(Source("t", "a; ; b;"), NO_FILES.include)
    assert [one.name for one in directives] == ["a", "b"]
    assert len(reading.errors) == 1
