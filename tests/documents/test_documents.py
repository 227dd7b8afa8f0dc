"""The documents are true: their blocks run, their references are current, nothing is missing."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest
import yaml

from templedb_nb import errors
from templedb_nb.app.deploy import bundles, signatures
from templedb_nb.commands.tree import tree
from templedb_nb.core.config import project_file
from templedb_nb.core.migrations.script import read_script
from templedb_nb.exit_code import ExitCode
from templedb_nb.model import ledger, plan
from templedb_nb.model.event import Event
from templedb_nb.model.project import Slug
from templedb_nb.store import journal
from templedb_nb.views import json_value
from tests import postgres
from tests.documents.commands import calls, commands_in, texts, unknown
from tests.documents.links import broken
from tests.documents.page import (
    NO_RUN,
    READ,
    ROOT,
    RUN,
    SHOWN,
    SITE,
    Block,
    before,
    blocks,
    pages,
    spoken,
)
from tests.documents.place import place

PAGES = pages()
BLOCKS = [each for page in PAGES for each in blocks(page)]
LIVELY = [
    page
    for page in PAGES
    if any(each.language in RUN and each.left_out is None for each in blocks(page))
]
A_COMMAND = re.compile(
    r"^\s*(?:[$%] ?)?(?:%{0,2}templedb [a-z]|scripts/|make |pip |export |python )", re.MULTILINE
)


@pytest.mark.parametrize("page", LIVELY, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_a_page_runs_in_its_order(
    page: Path, tmp_path: Path, server: postgres.Server
) -> None:
    with place(tmp_path, server) as there:
        for each in (*before(page), page):
            for block in blocks(each):
                there.take(block)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block_says_why_when_it_is_left_out(block: Block) -> None:
    assert block.language in RUN | READ | SHOWN | SITE, f"{block}: a fence wants a known language"
    if block.left_out is not None:
        assert block.language in RUN
        assert len(block.left_out.split()) >= 3, f"{block}: {NO_RUN} wants a reason"
    if block.language in SHOWN and block.words != ("output",):
        assert not A_COMMAND.search(block.code), f"{block}: commands belong in a block that runs"
    if block.language not in SITE:
        assert set(block.words) <= {"output", "bad", "good"}, f"{block}: {block.words} is not known"
    assert set(block.named) <= {"exit", "stdin", "file"}, f"{block}: {block.named} is not known"


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language in READ], ids=str)
def test_block_can_be_read_when_it_is_not_run(block: Block) -> None:
    match block.language:
        case "json" | "yaml":
            document = (
                json.loads(block.code) if block.language == "json" else yaml.safe_load(block.code)
            )
            if isinstance(document, dict) and "groups" in document:
                assert project_file.parse(document, Slug("shop")).findings == ()
        case "toml":
            tomllib.loads(block.code)
        case "sql":
            assert read_script(block.code.encode()).problems == ()


# --- references -------------------------------------------------------------------------------


def test_generated_references_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "docs/references.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_reference_is_found_out_when_it_is_stale(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    page = tmp_path / "docs" / "reference" / "commands.md"
    text = page.read_text()
    page.write_text(text.replace("### deploy plan", "### deploy scheme"))
    words = [sys.executable, str(tmp_path / "docs" / "references.py")]
    told = subprocess.run([*words, "--check"], capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "-### deploy scheme" in told.stdout
    subprocess.run(words, check=True, capture_output=True)
    assert page.read_text() == text


def test_examples_in_help_parse_against_the_command_tree() -> None:
    examples = [
        line.strip()
        for command in _commands(tree)
        for line in (command.help or "").splitlines()
        if line.strip().startswith("templedb ")
    ]
    assert len(examples) > 10
    for line in examples:
        _, *words = shlex.split(line.partition(" < ")[0].partition(" | ")[0])
        _parse(tree, words)


def _commands(group: click.Group) -> Iterator[click.Command]:
    yield group
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from _commands(command)
        else:
            yield command


def _parse(command: click.Command, words: list[str]) -> None:
    """Read the words as the command would, and run nothing."""
    context = command.make_context("templedb", words, resilient_parsing=False)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        _, inner, others = command.resolve_command(context, rest)
        assert inner is not None
        _parse(inner, others)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_command_exists_when_a_sentence_names_it(page: Path) -> None:
    scripts = [each.code for each in blocks(page) if each.language == "yaml"]
    lines = [line.strip(" -") for code in scripts for line in code.splitlines()]
    told = [*spoken(page), *(line.removeprefix("run: ") for line in lines)]
    for command in told:
        if command.startswith("templedb "):
            assert unknown(command) == "", f"`{command}`"


@pytest.mark.parametrize(
    "block", [each for each in BLOCKS if each.language == "bash" and each.left_out], ids=str
)
def test_commands_of_a_block_parse_against_the_tree_when_the_block_is_not_run(block: Block) -> None:
    for words in calls(block.code):
        try:
            _parse(tree, words)
        except click.ClickException as error:
            pytest.fail(f"{block}: {shlex.join(words)}: {error.format_message()}")


def test_templedb_calls_are_found_when_they_stand_among_others_in_a_shell_script() -> None:
    code = """\
cd shop && A=1 templedb deploy run shop \\
    --target 'pro d' > log 2>&1 || templedb health   # templedb not this
printf %s "$X" | templedb env set shop X
ssh-keygen -n templedb -s file; echo templedb
"""
    assert list(calls(code)) == [
        ["deploy", "run", "shop", "--target", "pro d"],
        ["health"],
        ["env", "set", "shop", "X"],
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert broken(page) == []


def test_link_is_broken_when_its_file_or_its_heading_is_missing(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# One\n\n## A `word`, two\n\n## One\n")
    page = tmp_path / "a.md"
    page.write_text(
        "# A\n\n[1](b.md#a-word-two) [2](b.md#one-1) [3](#a) [4](https://example.com/#x)\n"
    )
    assert broken(page) == []
    page.write_text("[1](c.md) [2](b.md#two) [3](#b) ![4](d.png)\n")
    assert broken(page) == ["c.md", "b.md#two", "#b", "d.png"]


A_TEST = re.compile(r"`(?:tests/)?((?:\w+/)*test_\w+\.py)(?:::(\w+))?`")


def test_tests_exist_when_a_page_names_them() -> None:
    named = {found for page in PAGES for found in A_TEST.findall(page.read_text())}
    assert len(named) > 40
    sources = {
        name: "".join(path.read_text() for path in (ROOT / "tests").rglob(name))
        for name, _ in named
    }
    missing = [each for each in named if f"def {each[1]}" not in sources[each[0]]]
    assert not missing


def test_command_exists_when_a_message_names_it() -> None:
    """A mend that does not work is worse than none."""
    for path in (ROOT / "templedb_nb").rglob("*.py"):
        for text in texts(ast.parse(path.read_text(encoding="utf-8"))):
            for found in commands_in(text):
                assert unknown(found) == "", f"{path.relative_to(ROOT)}: {found!r} in {text!r}"


def test_command_is_found_out_when_it_does_not_exist() -> None:
    assert unknown("templedb lock shwo") == "shwo"
    assert unknown("templedb deploy run --plam") == "--plam"
    assert unknown("templedb deploy shop --dry-run") == ""


# --- nothing is missing -----------------------------------------------------------------------


def text_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_every_error_has_its_place_in_troubleshooting() -> None:
    found = dict(_sections(text_of("troubleshooting.md")))
    classes = [each for each in vars(errors).values() if _is_error(each)]
    assert set(found) == {each.__name__ for each in classes}
    for each in classes:
        if each is not errors.RunFailed:
            assert re.match(rf"Exit code {each.exit_code}\b", found[each.__name__]), each
        assert each is errors.TempleError or re.search(r"Fix|`templedb", found[each.__name__]), each


def _sections(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        yield title.strip(), body.strip()


def test_every_exit_code_has_its_row() -> None:
    rows = {
        int(code)
        for code in re.findall(r"^\| (\d+) \|", text_of("reference/exit-codes.md"), re.MULTILINE)
    }
    assert rows == set(ExitCode)


def _is_error(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, errors.TempleError)


def test_every_kind_of_event_stands_in_one_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:yes|no) \|", text_of("formats.md"), re.MULTILINE)
    assert rows == [each.kind for each in get_args(Event)]


def test_every_format_has_its_version() -> None:
    found = re.findall(
        r"^\| (?:\[([^]]+)\]\S+|\w+) \|.*\| (\S+) \|$", text_of("formats.md"), re.MULTILINE
    )
    assert {name: int(number) for name, number in found if name} == {
        "events as lines": json_value.FORMAT,
        "plan bundle": bundles.FORMAT,
        "approval": signatures.FORMAT,
        "journal": journal.FORMAT,
        "plan": plan.FORMAT,
        "ledger": ledger.FORMAT,
    }


def test_every_environment_variable_is_documented_when_the_code_reads_it() -> None:
    code = "".join(path.read_text() for path in (ROOT / "templedb_nb").rglob("*.py"))
    names = set(re.findall(r"\b(?:TEMPLEDB_[A-Z_]+|NO_COLOR)\b", code))
    told = text_of("reference/environment.md")
    assert {name for name in names if f"`{name}" not in told} == set()


def test_architecture_page_names_every_part_of_the_package() -> None:
    parts = {path.name for path in (ROOT / "templedb_nb").iterdir()} - {"__pycache__", "py.typed"}
    told = text_of("architecture.md")
    assert {name for name in parts if not re.search(rf"\b{re.escape(name)}", told)} == set()
