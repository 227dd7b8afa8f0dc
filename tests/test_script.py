"""A migration's file as it will run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templedb_nb.core.script import read_script
from templedb_nb.model.config import Executor


def problems(sql: str | bytes, executor: Executor = Executor.NATIVE) -> list[str]:
    raw = sql if isinstance(sql, bytes) else sql.encode()
    return [each.message for each in read_script(raw).problems_for(executor)]


def test_line_ends_and_a_bom_make_no_difference() -> None:
    plain = read_script(b"SELECT 1;\nSELECT 2;\n")
    assert read_script(b"\xef\xbb\xbfSELECT 1;\r\nSELECT 2;\r\n").checksums == plain.checksums


def test_comments_and_layout_change_the_text_alone() -> None:
    one, other = read_script(b"SELECT 1;"), read_script(b"-- why\nSELECT\n  1 ;\n")
    assert one.checksums.text != other.checksums.text
    assert one.checksums.tokens == other.checksums.tokens


@pytest.mark.parametrize(
    "edit", ["SELECT 12;", "SELECT '1';", "SELECT 1; SELECT 2;", "SELECT -1;", "SELECT 1 x;"]
)
def test_an_edit_of_what_runs_changes_the_tokens(edit: str) -> None:
    assert read_script(b"SELECT 1;").checksums.tokens != read_script(edit.encode()).checksums.tokens


def test_data_of_a_copy_count_as_what_runs() -> None:
    one = read_script(b"COPY t FROM stdin;\n1\n\\.\n")
    other = read_script(b"COPY t FROM stdin;\n1 \n\\.\n")
    assert one.checksums.tokens != other.checksums.tokens


def test_a_byte_that_is_not_utf8_is_named() -> None:
    assert problems(b"SELECT '\xff'") == ["byte 8 (0xff) is not UTF-8"]


def test_a_nul_byte_is_refused() -> None:
    assert "NUL" in problems(b"SELECT 1;\0DROP TABLE users")[0]


def test_a_pair_around_the_whole_file_is_dropped() -> None:
    script = read_script(b"BEGIN;\nSELECT 1;\nSELECT 2;\nCOMMIT;\n")
    assert [each.text for each in script.statements] == ["SELECT 1", "SELECT 2"]
    assert not script.problems
    assert "dropped" in script.note


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN; SELECT 1; COMMIT; SELECT 2;",
        "SELECT 1; COMMIT;",
        "BEGIN; SELECT 1;",
        "BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT;",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT;",
        "BEGIN; SELECT 1; ROLLBACK;",
        "CREATE INDEX CONCURRENTLY i ON t (a);",
        "VACUUM t;",
        "CALL p();",
    ],
)
def test_what_needs_more_than_our_transaction_is_refused_with_the_reason(sql: str) -> None:
    (first, *_) = problems(sql)
    assert "this version runs every migration in one transaction" in first


@pytest.mark.parametrize("word", ["down", "no-transaction", "porbe", ""])
def test_a_directive_is_an_error_and_no_comment(word: str) -> None:
    assert "directive" in problems(f"SELECT 1;\n-- templedb:{word} x\n")[0]
    assert problems(f"SELECT '-- templedb:{word}';") == []


def test_commands_of_psql_need_psql() -> None:
    assert "command of psql" in problems("\\i other.sql\n")[0]
    assert problems("\\i other.sql\n", Executor.PSQL) == []
    assert problems("\\set ON_ERROR_STOP on\n\\restrict abc\nSELECT 1;\n\\unrestrict abc\n") == []


def test_another_database_is_refused_by_either_executor() -> None:
    for executor in Executor:
        assert problems("\\c other\n", executor)


def test_an_empty_file_is_a_migration() -> None:
    assert read_script(b"").statements == ()
    assert problems("-- nothing to do\n") == []


def test_a_new_enum_value_used_at_once_is_warned_of() -> None:
    bad = read_script(b"ALTER TYPE mood ADD VALUE 'new';\nINSERT INTO t VALUES ('new');")
    assert [each.line for each in bad.warnings] == [2]
    fine = read_script(
        b"CREATE TYPE mood AS ENUM ('a'); ALTER TYPE mood ADD VALUE 'new'; SELECT 'new';"
    )
    assert not fine.warnings


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    read_script(raw)
