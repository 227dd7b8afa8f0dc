"""Inline help in a notebook: whole sentences, and examples that a cell takes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import click
import pytest

from templedb_nb.app import Container
from templedb_nb.commands.context import Call
from templedb_nb.commands.examples import leaves
from templedb_nb.commands.likely import FOLLOWS, ORDER, likely_first
from templedb_nb.commands.magic_form import in_magic_form
from templedb_nb.commands.tree import tree
from templedb_nb.notebook.help import manual
from tests.documents.commands import unknown

PATHS = dict(leaves(tree))
MAGIC = re.compile(r"(?m)^ *(?:\w+ = )?%%?(templedb (?:\w+ << )?(?P<words>.*))$")


def helps() -> Iterator[tuple[str, str]]:
    """Yield the help of every command and noun, as a notebook prints it."""
    for path in ["", *{path.rpartition(" ")[0] for path in PATHS}, *PATHS]:
        context = click.Context(tree, info_name="%templedb", obj=call())
        command: click.Command = tree
        for word in path.split():
            assert isinstance(command, click.Group)
            command = command.commands[word]
            context = click.Context(command, parent=context, info_name=word)
        yield path, command.get_help(context)


def call() -> Call:
    return Call(
        open_app=_nothing, stdin=sys.stdin, ask_secret=str, notebook=True, through="notebook"
    )


def _nothing() -> Container:
    raise AssertionError("help opens no state")


def test_manual_cuts_no_summary_and_has_every_command() -> None:
    told = manual()
    assert "..." not in told
    for path, command in PATHS.items():
        assert f"\n  %templedb {path}\n" in told
        first = (command.help or "").partition("\n\n")[0].split()
        assert " ".join(first) in " ".join(told.split())
    assert max(map(len, told.splitlines())) <= 110


def test_examples_are_magics_that_the_tree_knows_when_help_is_asked_in_a_notebook() -> None:
    count = 0
    for path, told in (*helps(), ("manual", manual())):
        assert not re.search(r"(?m)^ +templedb (?:deploy|project|env|status)\b", told), path
        for line in MAGIC.finditer(told):
            words = line["words"]
            assert " # " not in words, f"{path}: {words}"
            assert not re.search(r"[|<>] ", re.sub(r"'[^']*'|\"[^\"]*\"", "", words)), (
                f"{path}: {words}"
            )
            if not words.startswith(("[", "COMMAND")):
                assert unknown(f"templedb {words}") == "", f"{path}: {words}"
                count += 1
    assert count > 150


def test_example_goes_to_a_shell_when_it_needs_one() -> None:
    text = (
        "  templedb deploy logs 01a2 --step 3 | less -R\n  templedb env set A # asks\n  templedb is"
    )
    assert in_magic_form(text, tree.commands).splitlines() == [
        "  !templedb deploy logs 01a2 --step 3 | less -R",
        "  # asks",
        "  %templedb env set A",
        "  templedb is",
    ]


def test_ranks_name_words_that_the_tree_knows() -> None:
    nouns = {
        name: each.commands for name, each in tree.commands.items() if isinstance(each, click.Group)
    }
    for noun, words in ORDER.items():
        assert set(words.split()) <= set(nouns[noun] if noun else tree.commands), noun
    for before, after in FOLLOWS.items():
        known = {*PATHS, *tree.commands}
        assert {before.removesuffix(" failed"), *after} - known - {"health show"} == set(), before
    assert set(ORDER[""].split()) == set(tree.commands)


@pytest.mark.parametrize(
    ("last", "given", "first"),
    [
        ("", [], "status"),
        ("deploy plan", ["deploy"], "run"),
        ("deploy run failed", ["deploy"], "logs"),
        ("deploy plan", [], "deploy"),
        ("approvals", [], "approve"),
        ("deploy history", ["deploy"], "show"),
        ("releases", [], "promote"),
        ("", ["migration"], "status"),
    ],
)
def test_word_comes_first_when_it_is_likely_next(last: str, given: list[str], first: str) -> None:
    group = tree.commands[given[0]] if given else tree
    assert isinstance(group, click.Group)
    words = sorted(group.commands)
    ranked = likely_first(words, given, last)
    assert ranked[0] == first
    assert sorted(ranked) == words
