"""The YAML form: one rule from mappings to directives."""

from __future__ import annotations

import pytest

from lbproxy.config import forms
from lbproxy.config.dump import dump
from lbproxy.config.parser import Directive, parse
from lbproxy.errors import ConfigErrors, Source
from tests.support.configs import NO_FILES, load, mistakes

YAML = r"""
worker_processes: auto
daemon: false
upstream backend:
  ip_hash:
  server: ["10.0.0.1:8000 weight=2", 10.0.0.2:8000]
server:
  - listen: [80, "[::]:80"]
    server_name: a.test "b.test"
    chunked_transfer_encoding: true
    location /:
      proxy_pass: http://backend
      proxy_set_header:
        - Host $host
        - [X-Note, "two words"]
        - X-Other 'three or more words'
      proxy_set_header X-Fourth: "$a;{b}"
    location ~ \.(png|jpg)$: {}
    location /old: {return: 301 /new}
  - listen: 81
"""
NGINX = r"""
worker_processes auto;
daemon off;
upstream backend { ip_hash; server 10.0.0.1:8000 weight=2; server 10.0.0.2:8000; }
server {
    listen 80; listen [::]:80; server_name a.test "b.test"; chunked_transfer_encoding on;
    location / {
        proxy_pass http://backend;
        proxy_set_header Host $host;
        proxy_set_header X-Note "two words";
        proxy_set_header X-Other 'three or more words';
        proxy_set_header X-Fourth "$a;{b}";
    }
    location ~ \.(png|jpg)$ { }
    location /old { return 301 /new; }
}
server { listen 81; }
"""


def read(text: str) -> tuple[Directive, ...]:
    """Return the directives of the YAML *text*."""
    return forms.parse(Source("t.yaml", text), NO_FILES.include)


def test_both_forms_say_the_same() -> None:
    """Every directive works in both."""
    nginx = dump(parse(Source("t", NGINX), NO_FILES.include)).splitlines()
    assert dump(read(YAML)).splitlines()[1:] == nginx[1:]
    assert len(load(YAML, name="t.yml").servers) == 2


def test_every_word_knows_its_place() -> None:
    """Also inside of scalars, quoted ones included."""
    found = read("a: b 'c d'\nb:\n  - \"c dd\"\n  - >-\n    e\n    f\n")
    places = {(one.name, arg.text): (arg.position.line, arg.position.column) for one in found for arg in one.args}
    assert places == {
        ("a", "b"): (1, 4), ("a", "c d"): (1, 6), ("b", "c"): (3, 6), ("b", "dd"): (3, 8), ("b", "e"): (4, 5),
        ("b", "f"): (4, 5),
    }  # fmt: skip
    assert [(one.position.line, one.position.column) for one in found] == [(1, 1), (2, 1), (2, 1)]


def test_words_are_split_as_in_nginx_syntax() -> None:
    """Quotes and escapes mean the same; what ends directives there means nothing here."""
    (found,) = read(r"""a: "b\\ 'c;' d;e{2} #f 'g'h" """)
    assert found.texts == (r"b\ 'c;'", "d;e{2}", "#f", "'g'h")
    (none,) = read("a:")
    assert none.texts == ()
    (empty,) = read("a: \"''\"")
    assert empty.texts == ("",)


def test_an_empty_document_says_nothing() -> None:
    """Nor does one of comments."""
    assert read("") == read("# x\n") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2", 'duplicate key "a" in t.yaml:2:1 (to repeat a directive, give it a list)'),
        ("location /a: {}\nlocation  /a: {}",
         'duplicate key "location /a" in t.yaml:2:1 (to repeat a directive, give it a list)'),
        ("- a", "a mapping of directives is expected here in t.yaml:1:1"),
        ("just text", "a mapping of directives is expected here in t.yaml:1:1"),
        ("a: [[b, [c]]]", "an argument is expected here in t.yaml:1:9"),
        ("[a]: b", "a name or arguments are expected here in t.yaml:1:1"),
        ("~: b", "a directive needs a name in t.yaml:1:1"),
        ("a: &x {b: *x}", "a YAML anchor contains itself in t.yaml:1:4"),
        ("a: {b: c", "expected ',' or '}', but got '<stream end>' in t.yaml:1:9 (while parsing a flow mapping)"),
        ("a: \x01", "not YAML: unacceptable character #x0001: special characters are not allowed in t.yaml:1:1"),
        ("a: 1\n---\nb: 2", "but found another document in t.yaml:2:1 (expected a single document in the stream)"),
        ("include: x", 'open() "x" failed (2: No such file or directory) in t.yaml:1:10'),
    ],
)  # fmt: skip
def test_mistakes_of_form(text: str, expected: str) -> None:
    """With the place, as in the other form."""
    with pytest.raises(ConfigErrors) as caught:
        read(text)
    assert str(caught.value.errors[0]).splitlines()[0] == expected


@pytest.mark.parametrize("text", ["[" * 1000, "{a: " * 900 + "}" * 900, "{a: " * 100 + "}" * 100])
def test_nesting_has_a_limit(text: str) -> None:
    """As in nginx's syntax; what is too deep even for YAML's own parser has no better place than the beginning."""
    with pytest.raises(ConfigErrors) as caught:
        read(text)
    assert str(caught.value).startswith("more than 64 blocks stand in each other in t.yaml:1:")


def test_anchors_cannot_stand_for_any_number_of_directives() -> None:
    """Each level of this text doubles the one before: 2^40 in all."""
    levels = [f"s{n}: &a{n} {{a: *a{n - 1}, b: *a{n - 1}}}" for n in range(1, 40)]
    with pytest.raises(ConfigErrors, match="too many directives"):
        forms.parse(Source("t.yaml", "\n".join(["s0: &a0 {x: 1}", *levels])), NO_FILES.include)


def test_the_other_half_of_a_mapping_is_still_read() -> None:
    """So that one run tells every mistake, of form and of meaning."""
    found = mistakes("a: 1\nserver:\n  lisen: 80\nkeepalive_timeout: [1, 2]\na: 2\n", name="t.yaml")
    assert [line.split(" in t.yaml:")[1] for line in found] == [
        "1:1",
        '3:3 (did you mean "listen"?)',
        "4:1 (a list repeats the directive: write its arguments in one line)",
        "5:1 (to repeat a directive, give it a list)",
    ]
