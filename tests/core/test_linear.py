"""Input costs what its size says: no text can keep a plan busy for ever."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import templedb_nb
from templedb_nb.core.lint.effects import impact
from templedb_nb.core.sql.lexer import split
from templedb_nb.core.sql.line_index import LineIndex, Spans
from templedb_nb.model.effect import LockMode
from tests.linear import dangers

ROOT = Path(templedb_nb.__file__).parent
SEARCHES = ("search", "finditer", "findall", "split", "sub", "subn")
OURS = {
    "templedb_nb.views.html.card",  # meets a style sheet that the package ships
}
FULL = {"templedb_nb.core.migrations.layouts.recognise._OWN_NAMES"}
"""Collections whose patterns are matched against whole names, never searched for."""


def modules() -> Iterator[tuple[str, str]]:
    for file in sorted(ROOT.rglob("*.py")):
        name = ".".join(["templedb_nb", *file.relative_to(ROOT).with_suffix("").parts])
        if not name.endswith(("__main__", "__init__")):
            yield name, file.read_text()


def patterns(held: Any) -> Iterator[re.Pattern[str]]:
    match held:
        case re.Pattern(pattern=str()):
            yield held
        case tuple() | list() | frozenset():
            for each in held:
                yield from patterns(each)
        case dict():
            yield from patterns(tuple(held.values()))


def constants(source: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield what ``re.sub("…", …)`` and the like compile on the way, and how it is used."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="re"), attr=attr),
                args=[ast.Constant(value=str(text)), *_],
            ) if attr in {*SEARCHES, "match", "fullmatch"}:
                given = [*node.args[2:], *(k.value for k in node.keywords if k.arg == "flags")]
                named = [
                    f for each in given for f in re.findall(r"re\.([A-Z]+)", ast.unparse(each))
                ]
                flags = 0
                for each in named:
                    flags |= getattr(re, each)
                yield attr, re.compile(text, flags)


def every_pattern() -> Iterator[tuple[str, re.Pattern[str], bool]]:
    sources = dict(modules())
    used = re.compile(rf"\b(?:(\w+)\.)?(\w+)\.(?:{'|'.join(SEARCHES)})\(")
    searched = {found for source in sources.values() for found in used.findall(source)}
    for module, source in sources.items():
        inside = {name for owner, name in used.findall(source) if not owner}
        own = set(re.findall(r"^(\w+)\b.*=", source, re.MULTILINE))
        held = vars(importlib.import_module(module))
        for name in own & held.keys():
            plain = isinstance(held[name], re.Pattern)
            begins = name in inside or (module.rsplit(".", 1)[-1], name) in searched
            begins |= not plain and f"{module}.{name}" not in FULL
            for pattern in patterns(held[name]):
                yield f"{module}.{name}", pattern, begins
        for attr, pattern in constants(source):
            yield f"{module}: re.{attr}", pattern, attr in SEARCHES


@pytest.mark.parametrize(
    ("text", "searched", "slow"),
    [
        (r"[ \t]*[-= \t]*x", False, True),
        (r"[ \t]*+[-= \t]*+x", False, False),
        (r"(?:a|b*)*c", False, True),
        (r"a+b+c", False, False),
        (r"a+x?a+c", False, True),
        (r"a+(?:-a+)*c", False, False),
        (r"(?m)^\s*x", True, True),
        (r"(?m)^[ \t]*x", True, False),
        (r"[a-z]+:", True, True),
        (r"[a-z]+:", False, False),
        (r"(?<![a-z])[a-z]+:", True, False),
        (r"/\*.*?\*/", True, True),
        (r"\$\{[^}]{1,200}\}", True, False),
    ],
)
def test_pattern_check_reports_a_danger_only_when_the_pattern_is_slow(
    text: str, *, searched: bool, slow: bool
) -> None:
    assert bool(dangers(re.compile(text), searched=searched)) is slow


def test_no_pattern_takes_more_than_linear_time() -> None:
    found = list(every_pattern())
    assert len(found) > 80  # it sees them
    slow = [
        f"{name}: {pattern.pattern!r}: {', '.join(sorted(set(why)))}"
        for name, pattern, searched in found
        if name.split(":")[0] not in OURS and (why := dangers(pattern, searched=searched))
    ]
    assert slow == []


CLASSES = [
    "-",
    "#",
    "(",
    "[",
    "{",
    " ",
    "\t",
    "\n",
    "'",
    '"',
    ";",
    "a",
    "é",
    "0",
    "_",
    "=",
    "*",
    "\\",
    "$",
    ".",
]
RUNS = ["/*", "--\n", "-- templedb:", "${", "${${\n", "$a$", "'a'\n", ";\n", "\\.", "<script", "\x1b[", "a.", "BEGIN;",
        "-- +goose Up\n", "-- migrate:up\n", "(select ", "--changeset a:", "/*liquibase rollback", ":a ", "password 'x' ", "set token='x' ",
        "ALTER TABLE t ADD a int CHECK (a > 0) DEFAULT 1;", "DROP TABLE t, ", "ADD COLUMN a int, ", "CREATE FUNCTION f(",
        "CHECK (", "format('password=%s',", "password=", "'password ' || ", "x://a?password="]  # fmt: skip
TEXTS = [*((1_000_000, CLASSES[n::10]) for n in range(10)), (100_000, RUNS)]
READ = """
import json, resource, sys, time
from templedb_nb.core.compatibility.migrations import compatibility
from templedb_nb.core.lint import effects
from templedb_nb.core.migrations.layouts.recognise import marks
from templedb_nb.core.migrations.script import read_script
from templedb_nb.core.secrets.sql_passwords import redacted
from templedb_nb.model.layout import Layout, Reading
length, runs = json.loads(sys.argv[1])
for run in runs:  # each has 60 s
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 60, resource.RLIM_INFINITY))
    text = run * (length // len(run))
    script = read_script(text.encode())
    effects.impact(script.statements, together=True, locking=True)
    compatibility(script)
    marks(text)
    redacted(f"password {text}")
    for layout in ("goose", "dbmate", "flyway", "graphile-migrate", "liquibase"):
        if length < 1_000_000:
            read_script(text.encode(), Reading(layout=Layout(layout)))
print("read")
"""


@pytest.mark.parametrize(("length", "runs"), TEXTS, ids=[*"0123456789", "words"])
def test_file_is_read_in_time_when_it_is_one_long_run(length: int, runs: list[str]) -> None:
    """The limit is the processor's time, and a guard against a hang: what is quadratic needs hours."""
    done = subprocess.run(
        [sys.executable, "-c", READ, json.dumps([length, runs])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "read\n"), done.stderr[-2000:]


CHANGESETS = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.layout import Layout, Reading
each = "--changeset me:{0}\\nCREATE TABLE t{0} (id int, name text);\\n--rollback DROP TABLE t{0};\\n\\n"
text = "--liquibase formatted sql\\n" + "".join(each.format(n) for n in range(12_000))
raw = text.encode()
for n in range(12_000):
    script = read_script(raw, Reading(layout=Layout.LIQUIBASE, part=f"{n}::me"))
    assert script.position(script.statements[0].start) == (3 + 4 * n, 1), n
    assert script.down.position(script.down.statements[0].start) == (4 + 4 * n, 12), n
print("read")
"""


def test_changesets_are_read_in_time_and_keep_their_places_when_a_file_has_many() -> None:
    """The limit is the processor's time: what is quadratic needs five times as much and more."""
    done = subprocess.run(
        [sys.executable, "-c", CHANGESETS], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "read\n"), done.stderr[-2000:]


COMPLAINTS = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from templedb_nb.core.lint.linter import Pending, lint, merged
from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.lint import SQUAWK, Complaint
text = "".join(f"CREATE TABLE n{n} (id int);\\nDROP TABLE t{n};\\n" for n in range(60_000))
pending = Pending(file="a.sql", database="D", script=read_script(text.encode()))
linted = lint([pending], {"D": None})
assert len(linted.complaints) >= 60_000
others = [Complaint(rule="r", file="a.sql", line=n, column=1, message="m", mend="", source=SQUAWK) for n in range(1, 120_001)]
assert len(merged(linted, others, {"a.sql": 15})) == len(linted.complaints) + 60_000
print("read")
"""


def test_complaints_are_told_in_time_when_a_file_has_many() -> None:
    """The limit is the processor's time: what looks through all statements for each needs ten times as much."""
    done = subprocess.run(
        [sys.executable, "-c", COMPLAINTS], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "read\n"), done.stderr[-2000:]


@given(st.text(alphabet="ab\n", max_size=40))
def test_line_index_gives_the_line_that_counting_gives(text: str) -> None:
    lines = LineIndex(text)
    assert [lines.line(n) for n in range(len(text) + 1)] == [
        text.count("\n", 0, n) + 1 for n in range(len(text) + 1)
    ]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=6))
def test_offset_is_in_spans_only_when_one_span_holds_the_offset(
    steps: list[tuple[int, int]],
) -> None:
    spans, at = [], 0
    for gap, length in steps:
        spans.append((at + gap, at + gap + length))
        at += gap + length
    held = Spans(reversed(spans))
    for offset in range(at + 3):
        assert (offset in held) is any(start <= offset < end for start, end in spans)


def test_expression_is_read_to_its_bottom_when_deeply_nested() -> None:
    depth = 5_000
    sql = f"SELECT {'(' * depth}SELECT max(id) FROM orders{')' * depth};"
    (effect,) = impact(split(sql).statements, together=True, locking=True).effects
    assert [each.name for each in effect.touched] == ["orders"]


def test_query_effects_are_unknown_when_queries_are_nested_too_deep() -> None:
    depth = 5_000
    sql = f"SELECT * FROM a WHERE x = {'(SELECT 1 FROM b WHERE y = ' * depth}1{')' * depth};"
    (effect,) = impact(split(sql).statements, together=True, locking=True).effects
    assert {each.name for each in effect.touched} == {"a", "b", ""}
    assert LockMode.UNKNOWN in {each.lock for each in effect.touched}


def test_query_effects_are_unknown_when_joins_are_nested_too_deep() -> None:
    sql = f"SELECT * FROM {'(' * 5_000}a JOIN b ON true{')' * 5_000};"
    (effect,) = impact(split(sql).statements, together=True, locking=True).effects
    assert LockMode.UNKNOWN in {each.lock for each in effect.touched}
