"""Every example in conf/ is a configuration that lbproxy takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lbproxy import cli
from lbproxy.config.model import Config
from tests.support.loading import load_text

CONF = Path(__file__).parent.parent / "conf"
EXAMPLES = sorted(path for path in CONF.rglob("*") if path.suffix in (".conf", ".yaml"))


def load(path: Path) -> Config:
    return load_text(path.read_text(), name=str(path)).config


def shape(config: Config) -> object:
    """What the upstreams and servers of *config* come to, without the places they were written in."""
    upstreams = {
        name: [(s.name, s.weight, s.backup, s.down) for s in upstream.servers]
        for name, upstream in config.upstreams.items()
    }
    servers = [
        ([str(address) for address, _ in server.listens], [name.text for name in server.names],
         [(location.kind, location.pattern) for location in server.root.locations])
        for server in config.servers
    ]
    return upstreams, servers


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(CONF)))
def test_example_loads_without_warnings(path: Path) -> None:
    """A file that users copy is right to the last line."""
    config = load(path)
    assert config.servers
    assert not config.warnings


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(CONF)))
def test_command_finds_nothing_wrong(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONF)  # put back at the end: the command enters the prefix
    assert cli.main(["-t", "-q", "-c", str(path)]) == 0


def test_yaml_twin_means_the_same() -> None:
    """site.yaml and site.conf are one configuration."""
    assert shape(load(CONF / "site.yaml")) == shape(load(CONF / "site.conf"))


def test_unit_file_starts_what_stands_beside_it() -> None:
    """lbproxy.service names the whole-file example and options that the command line has."""
    unit = (CONF / "lbproxy.service").read_text()
    commands = [line.partition("=")[2].split() for line in unit.splitlines() if line.startswith("ExecStart")]
    assert all(Path(words[words.index("-c") + 1]).name == "lbproxy.conf" for words in commands)
    help_command = [sys.executable, "-m", "lbproxy", "-h"]
    usage = subprocess.run(help_command, capture_output=True, text=True, check=True)
    assert all(word in usage.stdout for words in commands for word in words if word.startswith("-"))


