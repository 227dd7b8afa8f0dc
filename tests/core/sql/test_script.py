"""A migration's file as it will run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.config import Executor
from templedb_nb.model.step import Mode


def problems(sql: str | bytes, executor: Executor = Executor.NATIVE) -> list[str]:
    raw = sql if isinstance(sql, bytes) else sql.encode()
    return [each.message for each in read_script(raw).problems_for(executor)]


def test_checksums_stay_equal_when_line_ends_or_a_bom_differ() -> None:
    plain = read_script(b"SELECT 1;\nSELECT 2;\n")
    assert read_script(b"\xef\xbb\xbfSELECT 1;\r\nSELECT 2;\r\n").checksums == plain.checksums


def test_text_checksum_alone_changes_when_comments_or_layout_change() -> None:
    one, other = read_script(b"SELECT 1;"), read_script(b"-- why\nSELECT\n  1 ;\n")
    assert one.checksums.text != other.checksums.text
    assert one.checksums.tokens == other.checksums.tokens


@pytest.mark.parametrize(
    "edit", ["SELECT 12;", "SELECT '1';", "SELECT 1; SELECT 2;", "SELECT -1;", "SELECT 1 x;"]
)
def test_tokens_checksum_changes_when_an_edit_changes_what_runs(edit: str) -> None:
    assert read_script(b"SELECT 1;").checksums.tokens != read_script(edit.encode()).checksums.tokens


def test_tokens_checksum_changes_when_data_of_a_copy_change() -> None:
    one = read_script(b"COPY t FROM stdin;\n1\n\\.\n")
    other = read_script(b"COPY t FROM stdin;\n1 \n\\.\n")
    assert one.checksums.tokens != other.checksums.tokens


def test_byte_is_named_when_it_is_not_utf8() -> None:
    assert problems(b"SELECT '\xff'") == ["byte 8 (0xff) is not UTF-8"]


def test_script_is_refused_when_it_holds_a_nul_byte() -> None:
    assert "NUL" in problems(b"SELECT 1;\0DROP TABLE users")[0]


def test_begin_and_commit_are_dropped_when_they_surround_the_whole_file() -> None:
    script = read_script(b"BEGIN;\nSELECT 1;\nSELECT 2;\nCOMMIT;\n")
    assert [each.text for each in script.statements] == ["SELECT 1", "SELECT 2"]
    assert not script.problems
    assert "dropped" in script.note


@pytest.mark.parametrize(
    ("sql", "steps", "reason"),
    [
        ("BEGIN; SELECT 1; COMMIT; SELECT 2;", ["SELECT 1", "SELECT 2"], "line 1: BEGIN"),
        ("SELECT 1; COMMIT;", ["SELECT 1"], "line 1: COMMIT"),
        ("BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT;", ["SELECT 1", "SELECT 2"], "BEGIN"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT;", ["SELECT 1"], "BEGIN"),
        ("BEGIN; SELECT 1; ROLLBACK;", ["SELECT 1"], "BEGIN"),
        ("CREATE INDEX CONCURRENTLY i ON t (a);", ["CREATE INDEX"], "CREATE INDEX CONCURRENTLY"),
        ("SELECT 1;\nVACUUM t;", ["SELECT 1", "VACUUM t"], "line 2: VACUUM"),
        ("CALL p();", ["CALL p()"], "CALL"),
        ("-- templedb:no-transaction\nSELECT 1;", ["SELECT 1"], "line 1: templedb:no-transaction"),
        ("CREATE TABLE t (a int); -- CONCURRENTLY\nSELECT 'VACUUM';", [], ""),
    ],
)
def test_script_runs_step_by_step_when_it_needs_more_than_our_transaction(
    sql: str, steps: list[str], reason: str
) -> None:
    script = read_script(sql.encode())
    assert not script.problems
    assert (script.mode is Mode.STATEMENTS) == bool(steps)
    assert reason in script.note
    assert len(script.units) == len(steps)
    for unit, begin in zip(script.units, steps, strict=True):
        assert unit.title.startswith(begin)


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("BEGIN; SELECT 1;", "this BEGIN has no COMMIT"),
        ("BEGIN; VACUUM; COMMIT;", "is between BEGIN and COMMIT"),
        ("SELECT 1; COMMIT AND CHAIN;", "no ledger can record"),
        ("BEGIN; SELECT 1; PREPARE TRANSACTION 'x';", "no ledger can record"),
        ("BEGIN READ ONLY; SELECT 1; COMMIT;", "cannot record its step"),
    ],
)
def test_script_is_refused_with_the_reason_when_no_ledger_can_follow_it(
    sql: str, complaint: str
) -> None:
    assert complaint in problems(sql)[0]


def test_psql_executor_refuses_a_script_when_it_must_run_step_by_step() -> None:
    said = problems("VACUUM;", Executor.PSQL)
    assert "executor psql runs a file in one transaction" in said[0]


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("-- templedb:porbe x", "no directive templedb:porbe; did you mean probe?"),
        ("-- templedb:", "no directive templedb:"),
        ("SELECT 1;\n-- templedb:no-transaction", "out of place"),
        ("SELECT 1; -- templedb:idempotent\nVACUUM;", "is not at the beginning of its line"),
        ("-- templedb:lock-timeout soon", "not a duration"),
        ("-- templedb:lock-timeout 99999h", "not a duration"),
        ("-- templedb:no-transaction please", "takes no value"),
        ("-- templedb:requires", "names no file"),
        ("-- templedb:verify DROP TABLE t", "requires a query"),
        ("-- templedb:idempotent\nBEGIN;\nSELECT 1;\nCOMMIT;", "must run in a transaction"),
        ("BEGIN;\n-- templedb:probe SELECT true\nSELECT 1;\nCOMMIT;", "must run in a transaction"),
        ("-- templedb:idempotent\nCOPY t FROM stdin;\n1\n\\.\n", "must run in a transaction"),
        ("-- templedb:idempotent\n-- templedb:probe SELECT true\nCALL p();", "has more than one"),
        ("-- templedb:probe SELECT true", "is not before a statement"),
        ("SELECT\n-- templedb:idempotent\n1;", "is not before a statement"),
        ("-- templedb:repeatable\n-- templedb:no-transaction\nSELECT 1;", "contradict"),
        ("SELECT 1;\n-- templedb:down\nSELECT 2;\n-- templedb:down\n", "twice"),
    ],
)
def test_directive_is_an_error_and_not_a_comment_when_it_is_wrong(sql: str, complaint: str) -> None:
    assert any(complaint in each for each in problems(sql))
    quoted = sql.replace("'", "''")
    assert problems(f"SELECT '{quoted}';") == []


def test_directives_are_read_when_a_file_has_several() -> None:
    script = read_script(
        b"-- a comment\n-- templedb:lock-timeout 10s\n--templedb:statement-timeout 5m\n"
        b"-- templedb:requires 001_users.sql\n-- templedb:verify SELECT true;\n"
        b"CREATE TABLE t (a int);\n-- templedb:down\nDROP TABLE t;\n"
    )
    asked = script.asked
    assert (asked.lock_timeout_ms, asked.statement_timeout_ms) == (10_000, 300_000)
    assert (asked.requires, asked.verify) == (("001_users.sql",), ("SELECT true",))
    assert [each.text for each in script.statements] == ["CREATE TABLE t (a int)"]
    assert script.down is not None
    assert [(each.text, each.line) for each in script.down.statements] == [("DROP TABLE t", 8)]


def test_tokens_checksum_stays_equal_when_a_down_part_changes() -> None:
    one = read_script(b"SELECT 1;\n-- templedb:down\nSELECT 2;\n")
    other = read_script(b"SELECT 1;\n-- templedb:down\nSELECT 3;\n")
    assert one.checksums.tokens == other.checksums.tokens
    assert one.checksums.text != other.checksums.text


def test_script_is_refused_by_the_native_executor_when_it_holds_psql_commands() -> None:
    assert "psql command" in problems("\\i other.sql\n")[0]
    assert problems("\\i other.sql\n", Executor.PSQL) == []
    assert problems("\\set ON_ERROR_STOP on\n\\restrict abc\nSELECT 1;\n\\unrestrict abc\n") == []


def test_script_is_refused_by_every_executor_when_it_connects_to_another_database() -> None:
    for executor in Executor:
        assert problems("\\c other\n", executor)


def test_file_is_a_migration_when_it_is_empty() -> None:
    assert read_script(b"").statements == ()
    assert problems("-- nothing to do\n") == []


def test_script_is_warned_of_when_it_uses_a_new_enum_value_at_once() -> None:
    bad = read_script(b"ALTER TYPE mood ADD VALUE 'new';\nINSERT INTO t VALUES ('new');")
    assert [each.line for each in bad.warnings] == [2]
    fine = read_script(
        b"CREATE TYPE mood AS ENUM ('a'); ALTER TYPE mood ADD VALUE 'new'; SELECT 'new';"
    )
    assert not fine.warnings


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_reader_raises_nothing_when_given_any_bytes(raw: bytes) -> None:
    read_script(raw)
