"""Two states on one target, files that are renamed half run, rows that are taken away alone."""

from __future__ import annotations

import subprocess
from contextlib import suppress

import psycopg

from tests.chaos_job import WHY, Job, finish


def renamed(job: Job, moment: float) -> None:
    """Rename a file of which some steps stand: nothing of it may run again."""
    if not finish(job):
        return
    n = len(job.files) + 1
    old, new = f"{n:03}_half.sql", f"{n:03}_other.sql"
    lead = f"INSERT INTO marks VALUES ('{n}');\nVACUUM marks;\n"
    job.write(old, f"{lead}VACUUM makrs;\n")
    job.marks.append(f"{n}")
    code, said = job.say("deploy", "run", "app", "--lock-wait", "60")
    if code != 12:
        job.wrong(f"a half-run file ended with {code}: {said[-400:]}")
    folder = job.home / "app" / "migrations"
    (folder / old).rename(folder / new)
    job.files[new] = job.files.pop(old)
    if int(moment * 100) % 2:
        job.write(new, f"{lead}VACUUM marks;\n")
    code, said = job.say("deploy", "run", "app", "--lock-wait", "60")
    if code == 0 or "migration rename" not in said:
        job.wrong(f"a renamed half-run file: {code} {said[-400:]}")
    job.must("migration", "rename", "app", old, new, *WHY)
    job.write(new, f"{lead}VACUUM marks;\n")
    finish(job)


def two_states(job: Job, moment: float) -> None:
    """Let another state deploy, and die; the first one goes on, and then the other again."""
    job.more()
    mine, job.state = job.state, "other.duckdb"
    if not (job.home / job.state).exists():
        job.introduce()
    process = job.deploy()
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment * 2)
    process.kill()
    process.communicate()
    job.state = mine
    finish(job)
    job.state, job.finished = "other.duckdb", False
    finish(job)
    job.state = mine


def row_gone(job: Job, moment: float) -> None:
    """Kill a run, and take the newest row of a migration away, and no other."""
    job.more()
    process = job.deploy()
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment * 2)
    process.kill()
    process.communicate()
    job.met.append("the newest row is deleted")
    with suppress(psycopg.Error), job.inside() as connection:
        connection.execute("SET lock_timeout = '5s'")
        connection.execute(
            "DELETE FROM templedb.migration WHERE run_seq ="
            " (SELECT max(run_seq) FROM templedb.migration)"
        )
    finish(job)
