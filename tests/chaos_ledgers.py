"""Ledgers that somebody wipes or damages, between and during runs; the way back is told."""

from __future__ import annotations

import subprocess
from contextlib import suppress

import psycopg

from tests.chaos_job import Job, finish

DAMAGES = (
    "DELETE FROM templedb.migration",
    "TRUNCATE templedb.migration",
    "DROP SCHEMA templedb CASCADE",
    "DELETE FROM templedb.migration WHERE key LIKE '%002%'",
    "TRUNCATE templedb.migration, templedb.run, templedb.event, templedb.meta",
    "DROP TABLE templedb.migration",
    "UPDATE templedb.migration SET checksum = 'x' WHERE key LIKE '%001%'",
)
TOUCHED = "touched templedb's own ledger"


def _pick(moment: float) -> str:
    return DAMAGES[int(moment * 1000) % len(DAMAGES)]


def _damage(job: Job, sql: str) -> None:
    job.finished = False
    job.met.append(sql)
    with suppress(psycopg.Error), job.inside() as connection:
        connection.execute("SET lock_timeout = '5s'")
        connection.execute(sql.encode())


def wiped_between(job: Job, moment: float) -> None:
    """Damage the ledger after a run that ended, and after one that was killed."""
    process = job.deploy()
    if int(moment * 100) % 2:
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        process.kill()
    process.communicate(timeout=600)
    _damage(job, _pick(moment))
    finish(job)


def wiped_during(job: Job, moment: float) -> None:
    """Damage the ledger while a run is at work."""
    job.more()
    process = job.deploy()
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    _damage(job, _pick(moment))
    process.communicate(timeout=600)
    finish(job)


def wiped_by_migration(job: Job, moment: float) -> None:
    """Let a migration damage the ledger, in a transaction or in a step of its own."""
    if not finish(job):
        return
    n = len(job.files) + 1
    lead = "VACUUM marks;\n" if int(moment * 100) % 2 else ""
    mended = f"{lead}INSERT INTO marks VALUES ('{n}');\n"
    job.write(f"{n:03}_wipe.sql", f"{mended}{_pick(moment)};\n")
    code, said = job.say("deploy", "run", "app")
    if code not in {10, 12} or TOUCHED not in said:
        job.wrong(f"a migration may touch the ledger: {code} {said[-400:]}")
    job.write(f"{n:03}_wipe.sql", f"{mended}SELECT 1;\n")
    job.marks.append(f"{n}")
    finish(job)


def wiped_by_procedure(job: Job, moment: float) -> None:
    """Let a procedure that commits damage the ledger: no transaction can hold it."""
    if not finish(job):
        return
    n = len(job.files) + 1
    with job.inside() as connection:
        text = f"CREATE OR REPLACE PROCEDURE wipe() LANGUAGE plpgsql AS 'BEGIN {_pick(moment).replace(chr(39), chr(39) * 2)}; COMMIT; END'"
        connection.execute(text.encode())
    job.write(f"{n:03}_call.sql", "CALL wipe();\n")
    code, said = job.say("deploy", "run", "app")
    if code != 13 or TOUCHED not in said or "restore-ledger" not in said:
        job.wrong(f"a procedure may touch the ledger: {code} {said[-400:]}")
    job.write(f"{n:03}_call.sql", "SELECT 1;\n")
    finish(job)


def wiped_by_command(job: Job, moment: float) -> None:
    """Let a command damage the ledger before or after the migrations."""
    if not finish(job):
        return
    job.more()
    sql = _pick(moment).replace("'", "'\\''")
    order = int(moment * 100) % 2 * 5
    command = f"psql \"$DATABASE_URL\" -v ON_ERROR_STOP=1 -qc '{sql}'"
    job.config({"name": "x", "kind": "commands", "order": order, "deploy_command": command})
    code, said = job.say("deploy", "run", "app", "--lock-wait", "60")
    if code == 0:
        job.wrong(f"a command may touch the ledger: {said[-400:]}")
    job.config()
    finish(job)
