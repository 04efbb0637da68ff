"""What the README shows is true: its configurations load, its commands and directives exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lbproxy.errors import ConfigErrors
from tests.support.loading import load_text

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def examples(kind: str) -> list[str]:
    return [text for language, text in BLOCKS if language == kind]


@pytest.mark.parametrize("text", examples("nginx"))
def test_nginx_example_loads(text: str) -> None:
    """A configuration copied from the README is taken as it stands, once there is a server to listen."""
    config = load_text(text if "listen" in text else text + "server { listen 8080; return 204; }").config
    assert config.upstreams
    assert not config.warnings
    assert not config.ignored


@pytest.mark.parametrize("text", examples("yaml"))
def test_yaml_example_loads(text: str) -> None:
    assert load_text(text, name="site.yaml").config.upstreams


def test_mistakes_are_reported_as_shown() -> None:
    """The file with mistakes brings the very messages that the README shows for it."""
    (wrong,) = examples("text")
    with pytest.raises(ConfigErrors) as caught:
        load_text(wrong, name="/etc/lbproxy/site.conf")
    shown = next(text for text in examples("console") if "[emerg]" in text)
    assert "".join(f"lbproxy: [emerg] {error}\n" for error in caught.value.errors) in shown


def test_site_conf_is_the_one_in_conf() -> None:
    """conf/site.conf is the README's first configuration, below a line or two of comment."""
    assert (ROOT / "conf/site.conf").read_text().endswith("\n\n" + examples("nginx")[0])


def test_make_targets_exist() -> None:
    """Every `make X` of the documents is a target of the Makefile."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = README + (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"(?:`|^)make (\w+)", text, re.MULTILINE)) <= targets


def test_command_line_options_exist() -> None:
    """Every option that the README gives to lbproxy is in its usage."""
    help_command = [sys.executable, "-m", "lbproxy", "-h"]
    usage = subprocess.run(help_command, capture_output=True, text=True, check=True)
    known = set(re.findall(r"(?<![\w-])--?\w[\w-]*", usage.stdout))
    lines = "".join(examples("sh") + examples("console")).splitlines()
    shown = [line.split("#")[0] for line in lines if line.startswith("lbproxy ")]
    assert shown
    assert {option for line in shown for option in re.findall(r" (--?\w[\w-]*)", line)} <= known


def test_links_lead_somewhere() -> None:
    """Relative links name files of the repository."""
    for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"):
        links = re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / name).read_text())
        assert [link for link in links if not (ROOT / link).exists()] == []
