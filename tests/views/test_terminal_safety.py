"""Nothing that a command, a file's name or a server writes controls the reader's terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.model.result import Result
from templedb_nb.views.ansi import safe
from templedb_nb.views.html.live import live_bundle
from tests.conftest import MIGRATIONS, Shop

EVIL = [
    "\x1b]52;c;aGFybWxlc3M=\x07",  # the clipboard
    "\x1b]0;a title\x07",
    "\x1b]2;a title\x1b\\",
    "\x1b[2J\x1b[H",  # clear
    "\x1b[?1049h",  # the alternate screen
    "\x1b[6n\x1b[c\x1b[0c\x1b[>q",  # queries that a terminal answers
    "\x1bP+q544e\x1b\\",
    "\x1b_graphics\x1b\\",
    "\x1b^private\x1b\\",
    "\x9b2J",
    "\x9d0;a title\x9c",
    "\x90query\x9c",
    "\x1bc",
    "\x1b(0",
    "\x00\x07\x08\x0e\x7f",
    "\x1b]8;;file:///etc/hosts\x07",
    "\x1b]8;;javascript:alert(1)\x07",
    "\x1b[1A\x1b[2K",
    "\x1b]1337;File=:AAAA\x07",
    "\x1b[\n",
    "\x1b]0;never ended",
]
LINK = "\x1b]8;;https://example.com/a?b=c\x07text\x1b]8;;\x07"
OBEYED = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]|\x1b(?!\[[0-9;:]*m|\]8;[^;\x1b]*;(?:https?://[!-~]*)?(?:\x07|\x1b\\))"
)


def without_links(text: str) -> str:
    return re.sub(r"\x1b\]8;[^;\x1b]*;(?:https?://[!-~]*?)?(?:\x07|\x1b\\)", "", text)


@pytest.mark.parametrize("evil", EVIL)
def test_text_loses_what_a_terminal_obeys_when_made_safe(evil: str) -> None:
    out = safe(f"before {evil} after")
    assert out.startswith("before ")
    assert out.endswith(" after")
    assert not OBEYED.search(out)


def test_text_keeps_colours_links_and_lines_when_made_safe() -> None:
    text = f"\x1b[1;31mred\x1b[0m\ttab\n{LINK}\r\n"
    assert safe(text) == text.replace("\r\n", "\n")
    assert safe("10%\r20%\r\n", progress=True) == "10%\r20%\r\n"
    assert safe("name\rfalse") == "name\\rfalse"


def test_direction_marks_are_shown_when_a_text_is_made_safe() -> None:
    assert safe("a\u202egnp.exe\u2066b") == "a<U+202E>gnp.exe<U+2066>b"
    assert safe("שלום") == "שלום"


PARTS = st.sampled_from(
    [
        *EVIL,
        LINK,
        "\x1b",
        "[",
        "]",
        "8;;",
        "https://x",
        "\x07",
        "m",
        "31",
        "\\",
        "a",
        "\n",
        "\u202e",
    ]
)


@given(st.lists(PARTS))
def test_text_holds_nothing_to_obey_when_any_mixture_is_made_safe(parts: list[str]) -> None:
    assert not OBEYED.search(without_links(safe("".join(parts))))


PRINTS = (
    "printf '\\033]0;title\\007\\033[2J\\033[?1049h\\033[32mgreen\\033[0m \\302\\2332J\\000 end\\n'"
)


def test_command_output_controls_no_terminal_when_shown_live_or_later(shop: Shop) -> None:
    shop.config(MIGRATIONS | {"pre_deploy": [f"{PRINTS}; exit 3"]})
    live = shop.run(code=10)
    run = re.search(r"run ([0-9a-f-]{13})", live.all)
    assert run is not None
    later = shop.terminal("deploy", "logs", run[1])
    history = shop.terminal("deploy", "show", run[1], code=None)
    for said in (live.all, later.all, history.all):
        assert not OBEYED.search(said), repr(OBEYED.search(said))
    assert "green  end" in later.out


def test_server_message_and_file_name_control_no_terminal_when_hostile(shop: Shop) -> None:
    shop.migration("003_\x1b]0;x\x07\u202e.sql", "SELECT 1;")
    shop.migration(
        "004_bad.sql", "DO $$ BEGIN RAISE EXCEPTION E'\x1b]0;title\x07 \u009b2J no'; END $$;"
    )
    for said in (shop.run("--dry-run", code=None), shop.run(code=None), shop.terminal("status"),
                 shop.terminal("migration", "status"), shop.terminal("deploy", "history")):  # fmt: skip
        assert not OBEYED.search(said.all), repr(said.all)
        assert "\u202e" not in said.all


def test_notebook_output_controls_no_terminal_when_names_and_commands_are_hostile(
    shop: Shop, tmp_path: Path
) -> None:
    shop.migration("003_\x1b]0;x\x07\u009b2J\u202e.sql", "SELECT 1;")
    shop.config(MIGRATIONS | {"pre_deploy": [f"{PRINTS}; exit 3 # \x1b]0;x\x07\u009b2J\u202e"]})
    shop.run(code=10)
    script = tmp_path / "cells.py"
    lines = ["deploy plan", "migration status", "deploy history", "deploy status", "project files app",
             "deploy run", "status"]  # fmt: skip
    cells = "\n".join(f"shell.run_cell('%templedb {each}')" for each in lines)
    script.write_text(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_cell('%load_ext templedb_nb')\n"
        "shell.run_cell('%templedb use app --target staging')\n" + cells
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, cwd=shop.terminal.home,
    )  # fmt: skip
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    assert "003_" in said
    assert "green  end" in said
    assert not OBEYED.search(said), repr(OBEYED.search(said))
    assert "\u202e" not in said


@pytest.mark.parametrize("evil", EVIL)
def test_live_run_lines_control_no_terminal_when_the_output_is_hostile(evil: str) -> None:
    told = live_bundle(Result(), [f"before {evil}\u202e after"])["text/plain"]
    assert not OBEYED.search(told), repr(told)
    assert "\u202e" not in told


def test_github_annotation_controls_no_terminal_when_its_text_is_hostile(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    shop.migration("003_bad.sql", "SELECT '\x1b]0;x\x07' FROM nope\x1b[2J\u202e;")
    said = [shop.run(code=None), shop.terminal("status", "\x1b]0;x\x07\u009b2J", code=None),
            shop.terminal("runbook", "run", "\x1b]0;x\x07.ipynb", code=None)]  # fmt: skip
    for each in said:
        assert "::error" in each.all
        assert not OBEYED.search(each.all), repr(each.all)
        assert "\u202e" not in each.all


def test_line_is_written_in_parts_when_it_has_no_end(shop: Shop) -> None:
    bar = "head -c 400000 /dev/zero | tr '\\0' x; for n in 1 2 3; do printf '\\r%s0%%' $n; done"
    shop.config(MIGRATIONS | {"pre_deploy": [bar]})
    out = shop.run().out
    assert max(map(len, out.splitlines())) < 20_000
    assert "30%" in out


def test_json_is_ascii_and_says_the_same_when_a_command_holds_control_characters(
    shop: Shop,
) -> None:
    evil = "\x1b]0;x\x07\u009b2J\u202e\u2028\x7f"
    shop.config(MIGRATIONS | {"pre_deploy": [f"true '{evil}'"]})
    for words in (("--dry-run", "--json"), ("--json",)):
        out = shop.run(*words).out
        assert out.isascii()
        told = [json.loads(line) for line in out.split("\n") if line]
        assert any(evil in text for each in told for text in _texts(each))


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)
