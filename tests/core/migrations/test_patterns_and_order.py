"""Patterns that take files away, an order that is written down, and forms for several servers."""

from __future__ import annotations

import pytest

from templedb_nb.core.config import document, globs, groups
from templedb_nb.core.migrations.layouts.arrange import Arranged, arrange
from templedb_nb.core.migrations.layouts.placing import FolderView
from templedb_nb.core.migrations.layouts.recognise import marks
from templedb_nb.model.config import Group, GroupKind
from tests.conftest import Shop


def arranged(names: str, *patterns: str, known: str = "", order: str = "") -> Arranged:
    group = Group(
        name="m", order=1, kind=GroupKind.MIGRATIONS, file_patterns=patterns or ("m/**/*.sql",),
        order_file="m/order.txt" if order else "",
    )  # fmt: skip
    look = FolderView(beside={"m/order.txt": "\n".join(order.split())} if order else {})
    return arrange(group, sorted(names.split()), look, frozenset(known.split()))


def errors(found: Arranged) -> list[str]:
    return [f"{each}; {each.mend}" for each in found.findings if each.severity == "error"]


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (("m/*.sql", "!m/*.sqlite.sql"), ["m/1_a.sql", "m/schema.sql"]),
        (("!m/schema.sql", "m/*.sql"), ["m/1_a.sql", "m/1_a.sqlite.sql"]),
        (("m/*.sql", "!**/*.sql"), []),
        (("!m/schema.sql",), []),
    ],
)
def test_pattern_takes_files_away_when_it_begins_with_an_exclamation_mark(
    patterns: tuple[str, ...], left: list[str]
) -> None:
    paths = ["m/1_a.sql", "m/1_a.sqlite.sql", "m/schema.sql"]
    assert [path for _, own in globs.taken(patterns, paths) for path in own] == left


def test_config_is_refused_when_its_patterns_only_take_away() -> None:
    config, findings = document.parse(
        {"groups": [{"name": "migrations", "file_patterns": ["!a.sql"]}]}
    )
    said = [str(each) for each in (*findings, *groups.check(config, ["a.sql"]))]
    assert any("a group of migrations needs patterns" in each for each in said)


def test_pattern_without_files_is_a_warning_when_it_takes_away() -> None:
    config, _ = document.parse(
        {"groups": [{"name": "migrations", "file_patterns": ["*.sql", "!b.sql", "!/c"]}]}
    )
    told = {each.message: str(each.severity) for each in groups.check(config, ["a.sql"])}
    assert told["'!b.sql' matches no file of the project"] == "warning"
    assert told["'!/c' is absolute; patterns begin at the project's root"] == "error"


def test_excluded_file_does_not_run_when_a_pattern_takes_it_away(shop: Shop) -> None:
    shop.terminal.file("app/migrations/schema.sql", "CREATE TABLE snapshot (id int);")
    shop.config(
        {"name": "migrations", "file_patterns": ["migrations/*.sql", "!migrations/schema.sql"]}
    )
    shop.run()
    assert "snapshot" not in shop.pg.tables()
    assert "users" in shop.pg.tables()


@pytest.mark.parametrize("names", ["m/1_a.sql m/2_b.sql m/10_c.sql", "m/9/a.sql m/10/a.sql"])
def test_order_file_settles_the_order_when_letters_and_numbers_disagree(names: str) -> None:
    (said,) = errors(arranged(names))
    assert "order_file" in said
    found = arranged(names, order=names)
    assert errors(found) == []
    assert " ".join(found.paths) == names


def test_advice_works_for_an_applied_file_when_two_files_have_one_key() -> None:
    (said,) = errors(arranged("m/1_a.up.sql m/01_b.up.sql"))
    assert "no database has applied" in said
    assert errors(arranged("m/1_a.up.sql m/01_b.up.sql", "m/*.sql", "!m/01_b.up.sql")) == []


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ("m/1_a.sql m/1_a.sqlite.sql", "m/1_a.sqlite.sql: is for sqlite"),
        ("m/1_a.mysql.up.sql m/1_a.mysql.down.sql", "m/1_a.mysql.up.sql: is for mysql"),
        ("m/1_a.sql m/1_a.postgres.sql", "m/1_a.sql: has a form for PostgreSQL"),
        ("m/1_a.pg.up.sql m/1_a.up.sql", "m/1_a.up.sql: has a form for PostgreSQL"),
    ],
)
def test_file_is_refused_when_its_name_says_that_it_is_for_another_server(
    names: str, shown: str
) -> None:
    assert any(shown in each for each in errors(arranged(names)))
    assert not any(shown in each for each in errors(arranged(names, known=names)))


@pytest.mark.parametrize(
    "name", ["m/1_oracle.sql", "m/1_price.v2.sql", "m/mysql.sql", "m/1_a.pg.sql"]
)
def test_file_is_accepted_when_a_word_in_its_name_is_no_server_suffix(name: str) -> None:
    assert errors(arranged(name)) == []


def test_comment_names_no_tool_when_nothing_below_it_rolls_back() -> None:
    assert marks("-- +migrate Up\nSELECT 1;") == ()
    assert marks("-- +migrate Up\nSELECT 1;\n-- +migrate Down\nSELECT 2;")[0].tool == "sql-migrate"
