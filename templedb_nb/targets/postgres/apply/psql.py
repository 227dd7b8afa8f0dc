"""What the real psql runs before and after a file, in the file's own transaction.

Before it: the ledger row, as in doubt. After it: the look whether the file touched the ledger; an
error there rolls everything back, whatever the file has set. Last of all, the row says applied: a
file may hide a COMMIT, and then its row is committed long before its end.
"""

from __future__ import annotations

import os

from psycopg import sql

from templedb_nb.core.migrations.script import Script
from templedb_nb.core.run.ledger_guard import GONE, HINT, TABLES, TOUCHED
from templedb_nb.model.step import Migration
from templedb_nb.ports.claim import Claim
from templedb_nb.targets.postgres.connection.lock import psql_key
from templedb_nb.targets.postgres.ledger.guard import AS_OURSELVES, OURS, marks_query, shapes_query
from templedb_nb.targets.postgres.ledger.migration_rows import psql_claim, psql_ended

_COUNTED = ("run", "command", "approval", "event")
"""Tables from which nobody removes rows."""
_BY_ATTEMPT = ("migration", "event")
"""Tables of which the attempt itself writes a row."""
_DIGEST = """
SELECT pg_catalog.md5(pg_catalog.concat_ws('|',
  (SELECT pg_catalog.string_agg(pg_catalog.md5(m::pg_catalog.text), '' ORDER BY m.key)
   FROM templedb.migration m WHERE m.project = {project} AND m.scope = ''),
  (SELECT pg_catalog.string_agg(k || v, '|' ORDER BY k) FROM templedb.meta
   WHERE k IN ('format', 'target_uuid', 'system', 'policy/' || {project}) AND scope = ''),
  (SELECT run FROM templedb.lock WHERE project = {project} AND scope = ''),
  (SELECT state FROM templedb.run WHERE id = {run} AND scope = ''))) AS {name}_digest,
  (SELECT pg_catalog.count(*) FROM templedb.migration) AS {name}_migration, {counts},
  coalesce(pg_catalog.pg_sequence_last_value('templedb.migration_seq'), 0) AS {name}_number,
  coalesce(pg_catalog.pg_sequence_last_value('templedb.event_id_seq'), 0) AS {name}_event_number
"""
_TABLES = """
SELECT pg_catalog.md5(pg_catalog.concat_ws('|',
  (SELECT pg_catalog.string_agg(c.oid::pg_catalog.text, ' ' ORDER BY c.oid)
   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = 'templedb' AND c.relname = ANY
     ('{{meta,migration,event,run,command,approval,lock,object,slot}}'::pg_catalog.name[])),
  (SELECT pg_catalog.string_agg(s::pg_catalog.text, '|' ORDER BY s::pg_catalog.text)
   FROM ({shapes}) s))){what}
\\gset
"""
"""Which tables they are, and what they are made of; it reads the catalog alone."""
_WATCHED = """
SELECT pg_catalog.set_config(name, '1000', false) FROM pg_catalog.pg_settings
WHERE name = 'client_connection_check_interval' AND setting = '0';
SELECT 1 / pg_catalog.pg_try_advisory_lock({key})::int,
  1 / pg_catalog.pg_try_advisory_xact_lock({key})::int;
"""
"""Other sessions see that the server works for psql, and the server ends that if psql is gone."""
_WHOLE = """
SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text = :'{name}_xid'
  OR EXISTS (SELECT FROM templedb.migration WHERE attempt_id = {own} AND scope = '') AS {name}_whole
\\gset
"""
_UNTOUCHED = """
SELECT :'{name}_now_digest' = :'{name}_digest' AND :{name}_now_migration >= :{name}_migration
  AND :{name}_now_number >= :{name}_number
  AND :{name}_now_event_number >= :{name}_event_number
  AND {counts} AND {unwritten} AS {name}_untouched \\gset
"""


def around(step: Migration, script: Script, attempt: str, claim: Claim) -> tuple[str, str]:
    """Return what runs before the file, and what runs after it."""
    name = f"templedb_{attempt.replace('-', '')}"
    row = psql_claim(step, script, attempt, claim)
    return _before(row, attempt, claim, name), _after(step, attempt, claim, name)


def _before(row: str, attempt: str, claim: Claim, name: str) -> str:
    """Return the row's INSERT, and a division by zero where it met a row of somebody else."""
    check = (
        "SELECT 1 / count(*) FROM templedb.migration"  # noqa: S608 - a UUID of ours
        f" WHERE attempt_id = '{attempt}' AND scope = '';"
    )
    tables = _TABLES.format(shapes=shapes_query(), what=f" AS {name}_tables")
    watched = _WATCHED.format(key=psql_key(claim.project)).strip()
    xid = f"SELECT pg_catalog.pg_current_xact_id() AS {name}_xid \\gset"
    return (
        f"\\o {os.devnull}\n{watched}\n{row};\n{check}\n{xid}\n"
        f"SAVEPOINT {name};\nSET LOCAL search_path = '';\n{_state(claim, name)} \\gset\n"
        f"{tables}ROLLBACK TO SAVEPOINT {name};\nRELEASE SAVEPOINT {name};\n"
        f"SELECT ({marks_query()}) AS {name}_marks \\gset\n\\o\n"
    )


def _after(step: Migration, attempt: str, claim: Claim, name: str) -> str:
    """Return the look: nothing where no mark moved, else at all that the ledger must keep."""
    counts = " AND ".join(f":{name}_now_{each} >= :{name}_{each}" for each in _COUNTED)
    own = sql.Literal(attempt).as_string()
    unwritten = " AND ".join(
        f"NOT EXISTS (SELECT FROM templedb.{each} WHERE {OURS}"
        f"{f' AND attempt_id <> {own}' if each in _BY_ATTEMPT else ''})"
        for each in TABLES
    )
    untouched = _UNTOUCHED.format(name=name, counts=counts, unwritten=unwritten)
    block = _raised(f"{step.file} {TOUCHED}", HINT)
    gone = _raised(f"{step.file}, or a file that it reads, {GONE}", "remove its ROLLBACK or \\c")
    whole = _WHOLE.format(name=name, own=own).strip()
    ended = psql_ended(step, attempt, claim, f"{name}_ended")
    same = f" IS NOT DISTINCT FROM :'{name}_tables' AS {name}_there"
    same_tables = _TABLES.format(shapes=shapes_query(), what=same)
    return (
        f"\\set ON_ERROR_STOP on\n\\set AUTOCOMMIT off\n\\o {os.devnull}\n"
        f"SET CONSTRAINTS ALL IMMEDIATE;\n{AS_OURSELVES}\nSET LOCAL search_path = '';\n"
        f"SELECT ({marks_query()}) = :'{name}_marks'"
        f" AND current_setting('track_counts') = 'on' AS {name}_same \\gset\n"
        f"\\if :{name}_same\n\\else\n"
        f"{same_tables}"
        f"\\if :{name}_there\n\\else\n{block}\n\\endif\n"
        f"{whole}\n\\if :{name}_whole\n\\else\n{gone}\n\\endif\n"
        f"{_state(claim, f'{name}_now')} \\gset\n{untouched}"
        f"\\if :{name}_untouched\n\\else\n{block}\n\\endif\n\\endif\n"
        f"{ended} \\gset\n\\if :{name}_ended\n\\else\n{gone}\n\\endif\n"
    )


def _raised(message: str, hint: str) -> str:
    """Return the statement that fails with *message*."""
    said = sql.Literal(message.replace("%", "%%")).as_string(), sql.Literal(hint).as_string()
    told = f"BEGIN RAISE EXCEPTION {said[0]} USING HINT = {said[1]}; END"
    return f"DO {sql.Literal(told).as_string()};"


def _state(claim: Claim, name: str) -> str:
    counts = ", ".join(
        f"(SELECT pg_catalog.count(*) FROM templedb.{each}) AS {name}_{each}"  # noqa: S608 - names of ours
        for each in _COUNTED
    )
    return _DIGEST.format(
        project=sql.Literal(claim.project).as_string(),
        run=sql.Literal(claim.run).as_string(),
        counts=counts,
        name=name,
    ).strip()
