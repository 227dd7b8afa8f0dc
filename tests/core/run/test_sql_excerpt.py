"""The line that is shown where a server refused a statement."""

from __future__ import annotations

import pytest

from templedb_nb.core.run.sql_excerpt import excerpt
from templedb_nb.views.messages import excerpt_lines


def drawn(text: str, line: int, column: int, first: int = 1, *secrets: str) -> list[str]:
    def mask(told: str) -> str:
        for each in secrets:
            told = told.replace(each, "***[S]")
        return told

    found = excerpt(text, first, line, column, mask)
    return excerpt_lines(found) if found else []


def pointed(text: str, line: int, column: int, *secrets: str) -> str:
    """Return what stands at the caret and behind it."""
    shown, caret = drawn(text, line, column, 1, *secrets)
    return shown[caret.index("^") :]


def test_caret_is_below_the_column_when_the_line_is_short() -> None:
    lines = drawn("SELECT 1;\n  SELECT nope;\n", 2, 10)
    assert lines == ["    2 |   SELECT nope;", "      |          ^"]


def test_caret_is_below_the_place_when_tabs_stand_before_it() -> None:
    assert pointed("\t\tSELECT\tnope;", 1, 10) == "nope;"


def test_caret_is_moved_by_two_columns_for_each_wide_character() -> None:
    shown, caret = drawn("SELECT '漢字', nope;", 1, 14)
    assert caret.index("^") == shown.index("nope") + 2


def test_line_is_cut_around_the_place_when_it_is_very_long() -> None:
    text = "SELECT " + "1, " * 5000 + "nope, " + "2, " * 5000
    shown, caret = drawn(text, 1, text.index("nope") + 1)
    assert shown[caret.index("^") :].startswith("nope, 2")
    assert len(shown) < 200
    assert shown.count("…") == 2


def test_line_is_one_of_the_file_when_the_migration_begins_in_its_midst() -> None:
    assert drawn("SELECT nope;\n", 7, 8, 7)[0] == "    7 | SELECT nope;"


@pytest.mark.parametrize(("line", "column"), [(0, 0), (9, 1), (1, 0)])
def test_nothing_is_shown_when_the_file_has_no_such_place(line: int, column: int) -> None:
    assert drawn("SELECT 1;", line, column) == []


def test_caret_is_behind_the_line_when_the_statement_ends_too_early() -> None:
    shown, caret = drawn("SELECT (1", 1, 10)
    assert caret.index("^") == len(shown)


def test_password_is_redacted_and_the_caret_stays_right_when_it_stands_before_the_place() -> None:
    sql = "CREATE ROLE app PASSWORD 'correct-horse-battery' NOPE;"
    shown = " ".join(drawn(sql, 1, sql.index("NOPE") + 1))
    assert "correct" not in shown
    assert pointed(sql, 1, sql.index("NOPE") + 1) == "NOPE;"


def test_caret_is_left_out_when_the_place_is_in_what_is_redacted() -> None:
    sql = "SELECT 'a-long-secret-value', 1"
    lines = drawn(sql, 1, sql.index("secret") + 1, 1, "a-long-secret-value")
    assert lines == ["    1 | SELECT '***[S]', 1"]


def test_secret_is_masked_before_the_line_is_cut() -> None:
    secret = "s3cret" * 30
    sql = f"SELECT '{secret}', nope, '{secret}';"
    shown = " ".join(drawn(sql, 1, sql.index("nope") + 1, 1, secret))
    assert "s3cret" not in shown
    assert "nope" in shown


def test_control_characters_are_written_out_when_a_line_has_them() -> None:
    shown, caret = drawn("SELECT '\x1b[2J', nope", 1, 16)
    assert "\x1b" not in shown
    assert shown[caret.index("^") :] == "nope"
