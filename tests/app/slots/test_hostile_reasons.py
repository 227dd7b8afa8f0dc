"""Reasons and names that control a terminal or hold a password do neither, wherever they are shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from templedb_nb import Temple, frame
from tests.conftest import Terminal

EVIL = "\x1b]0;x\x07\x1b[2J\u009b2J\u202e"
REASON = f"as postgres://ann:hidden-word@h/x said {EVIL} end"
OBEYED = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u202e]|\x1b(?!\[[0-9;:]*m|\]8;[^;\x1b]*;(?:https?://[!-~]*)?(?:\x07|\x1b\\))"
)


@dataclass
class Site:
    """A folder behind a link, in two slots; its target has no database."""

    terminal: Terminal

    def write(self, page: str, **changed: object) -> None:
        home = self.terminal.home
        self.terminal.file("app/page", f"{page}\n")
        blue_green = {
            "slots": ["blue", "green"],
            "router": {"type": "symlink", "path": f"{home}/current", "to": "{slot}"},
            "keep_old": "1h",
            "retire_command": "true",
        }
        check = {"type": "command", "command": "true", "failure_threshold": 1}
        group = {
            "name": "web",
            "deploy_command": f"mkdir -p {home}/$TEMPLEDB_SLOT && cp page {home}/$TEMPLEDB_SLOT",
            "health_check": check,
            "blue_green": blue_green | changed,
        }
        document = {"groups": [group], "targets": {"prod": {"type": "static_site"}}}
        self.terminal.file("app/templedb.yaml", json.dumps(document))

    @property
    def python(self) -> Temple:
        return Temple.open(self.terminal.state)

    def shown(self) -> Iterator[str]:
        """Yield what commands, cards and tables show of the project now."""
        for words in (("deploy", "slots", "app"), ("deploy", "history", "app"), ("status", "app"),
                      ("deploy", "show"), ("deploy", "logs"), ("deploy", "stats", "app"),
                      ("sql", "SELECT * FROM events"), ("sql", "SELECT * FROM runs")):  # fmt: skip
            for more in ((), ("--json",)):
                yield self.terminal(*words, *more, code=None).all
        python = self.python
        history = python.history("app")
        for value in (python.slots("app"), python.show(history.rows[0].run), history):
            yield getattr(value, "_repr_html_", str)()
            yield str(value)
            yield frame(value).to_string()

    def kept(self) -> bytes:
        """Return every file of the state."""
        files = sorted(each for each in self.terminal.state.parent.rglob("*") if each.is_file())
        return b"".join(each.read_bytes() for each in files)


@pytest.fixture
def site(terminal: Terminal) -> Site:
    made = Site(terminal)
    made.write("1")
    terminal("project", "import", "app")
    terminal("deploy", "run", "app")
    made.write("2")
    terminal("deploy", "run", "app")
    return made


def check(site: Site) -> None:
    seen = list(site.shown())
    assert any("ann:***@h" in each for each in seen)
    for each in seen:
        assert "hidden-word" not in each
        assert not OBEYED.search(each), repr(OBEYED.search(each))
    assert b"hidden-word" not in site.kept()


def test_reason_of_a_switch_keeps_no_password_when_it_is_given_on_the_command_line(
    site: Site,
) -> None:
    site.terminal("deploy", "switch", "app", "blue", "--reason", REASON)
    check(site)


def test_reason_of_a_switch_keeps_no_password_when_it_is_given_in_python(site: Site) -> None:
    site.python.switch("blue", "app", reason=REASON)
    check(site)


def test_reason_that_lets_a_waiting_run_go_keeps_no_password(site: Site) -> None:
    site.write("3", promote="manual")
    site.terminal("deploy", "run", "app", code=None)
    site.python.switch("blue", "app", reason=REASON)
    check(site)
