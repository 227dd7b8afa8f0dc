"""What squawk says, with its subject, once, and silent of what nobody can use."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import pytest

from templedb_nb.core.lint.linter import Pending
from templedb_nb.core.lint.subjects import about, names_of
from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.lint import SQUAWK, Complaint
from tests.conftest import Shop


def told(
    sql: str, *lines: int, there: AbstractSet[str] | None, rule: str = "ban-drop-function"
) -> list[str]:
    pending = [Pending(file="a.sql", database="D", script=read_script(sql.encode()))]
    said = [
        Complaint(rule=rule, file="a.sql", line=n, column=1, message="It breaks.", source=SQUAWK)
        for n in lines
    ]
    return [f"{e.line} {e.message}" for e in about(pending, said, lambda _: there)]


def test_complaint_names_the_statement_that_it_is_about() -> None:
    sql = "SELECT 1;\nDROP FUNCTION\n  f(int);\n"
    assert told(sql, 2, there={"f"}) == ["2 DROP FUNCTION f(int): It breaks."]


def test_complaint_about_the_same_subject_stands_once_with_its_other_lines() -> None:
    sql = "DROP FUNCTION f();\nDROP FUNCTION g();\nDROP FUNCTION f();\nDROP FUNCTION f();\n"
    assert told(sql, 1, 2, 3, 4, there={"f", "g"}) == [
        "1 DROP FUNCTION f(): It breaks. (also lines 3, 4)",
        "2 DROP FUNCTION g(): It breaks.",
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "DROP FUNCTION f(int);",
        "DROP FUNCTION IF EXISTS app.f(numeric(10, 2)) CASCADE;",
        "DROP /* all */ FUNCTION f, g;",
        'drop procedure if exists "F G"();',
        "DROP TYPE mood;",
    ],
)
def test_drop_of_what_is_not_there_is_no_risk(sql: str) -> None:
    assert told(sql, 1, there=frozenset({"users"})) == []


@pytest.mark.parametrize(
    ("sql", "there"),
    [
        ("DROP FUNCTION f(int);", {"f"}),
        ("DROP FUNCTION g, F;", {"f"}),
        ('DROP FUNCTION "my fn"();', {"my fn"}),
        ("DROP FUNCTION f;", None),
        ("DO $$ BEGIN END $$;", set()),
    ],
)
def test_drop_stays_a_risk_when_the_object_is_there_or_nobody_knows(
    sql: str, there: AbstractSet[str] | None
) -> None:
    assert len(told(sql, 1, there=there)) == 1


def test_other_rules_are_told_whatever_is_there() -> None:
    assert len(told("ALTER TABLE t ADD c int;", 1, there=set(), rule="adding-field")) == 1


def test_names_of_a_catalog_are_without_schemas_and_arguments() -> None:
    found = names_of(["function public.add_one(integer)", 'view app."my view"', "type s.mood"])
    assert {"add_one", "my view", "mood"} <= found
    assert "integer" not in found


def test_lint_is_silent_of_functions_that_an_empty_database_does_not_have(shop: Shop) -> None:
    sql = "DROP FUNCTION IF EXISTS f(int);\nCREATE FUNCTION f(i int) RETURNS int LANGUAGE sql AS 'SELECT i';\n"
    shop.migration("003_f.sql", f"{sql}DROP FUNCTION f(int);\n")
    assert "ban-drop" not in shop.run("--dry-run").out
    shop.migration("003_f.sql", sql)
    shop.run()
    shop.migration("004_f.sql", "DROP FUNCTION f(int);\nDROP FUNCTION IF EXISTS f(int);\n")
    said = shop.run("--dry-run").out
    assert "DROP FUNCTION f(int): Dropping a function" in said
