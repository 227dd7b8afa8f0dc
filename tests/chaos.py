"""Chaos: jobs are deployed while everything around them breaks, and nothing may be doubled or lost.

``python -m tests.chaos --jobs 500`` prints a table. Each job is a fresh database and a project of
migrations, some in a transaction and some step by step. Every attempt to deploy it meets a fault:
something breaks, somebody damages the ledger, or a step of some kind is broken at a fail point.
Then plain runs, and what their refusals tell, must finish it, and the database, the ledger, the
history and the locks are examined.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
from filelock import FileLock

from tests import chaos_ledgers, chaos_states, postgres
from tests.chaos_job import Job, Tally, finish
from tests.chaos_steps import POINTS, Point, break_at
from tests.proxy import Proxy

FAULTS = ("kill", "terminate", "crash", "cut-before-commit", "cut-after-commit", "rivals",
          "full-disk", "locked-state", "typo", "reader", "wiped-between", "wiped-during",
          "wiped-by-migration", "wiped-by-procedure", "wiped-by-command", "renamed", "two-states",
          "row-gone")  # fmt: skip
POINT = "fail-point"
SHARE = 9
"""So many fail points for each round of the other faults: all are reached in a long rampage."""
TYPOS = {
    "003_steps.sql": ("VACUUM marks", "VACUUM makrs"),
    "005_steps.sql": ("ON more (id)", "ON mroe (id)"),
    "005_steps.sql ": ("CONCURRENTLY marks_what", "CONCURRENTLY marks_waht"),
    "005_steps.sql  ": ("CONCURRENTLY more;", "CONCURRENTLY mroe;"),
}
"""Mistakes that are mended once a run has met them, by file."""


# --- faults -----------------------------------------------------------------------------------


def meet(job: Job, fault: str | Point, moment: float) -> None:
    """Deploy once, and let *fault* happen to it at that moment."""
    job.met.append(str(fault))
    if isinstance(fault, tuple):
        job.tally.faults[POINT] += 1
        break_at(job, fault)
        return
    job.tally.faults[fault] += 1
    _FAULTS[fault](job, moment)


def _ended(process: subprocess.Popen[str]) -> None:
    try:
        process.communicate(timeout=600)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


def _kill(job: Job, moment: float) -> None:
    process = job.deploy()
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    process.kill()
    process.communicate()


def _terminate(job: Job, moment: float) -> None:
    process = job.deploy()
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    with suppress(psycopg.Error), job.inside() as connection:
        for pid in job.backends():
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])
    _ended(process)


def _crash(job: Job, moment: float) -> None:
    """Kill a backend with SIGKILL: the server ends every session at once, recovers and goes on."""
    process = job.deploy()
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    for pid in job.backends()[:1]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _ended(process)


def _cut(job: Job, *, sent: bool, skip: int) -> None:
    job.proxy.cut_at_commit(skip=skip, sent=sent)
    _ended(job.deploy())
    job.proxy.heal()


def _rivals(job: Job, moment: float) -> None:
    first, second = job.deploy(), job.deploy()
    with suppress(subprocess.TimeoutExpired):
        first.wait(moment)
    first.kill()
    first.communicate()
    _ended(second)


def _full_disk(job: Job, moment: float) -> None:
    """No file may grow: neither the state nor a journal."""
    size = (job.home / "state.duckdb").stat().st_size
    _ended(job.deploy(limit=max(1, int(size * moment * 0.9))))


def _locked_state(job: Job, moment: float) -> None:
    """Another process has the state for a while."""
    process = job.deploy()
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment / 3)
    with FileLock(job.home / "state.duckdb.lock").acquire(timeout=60):
        time.sleep(moment)
    _ended(process)


def _typo(job: Job, moment: float) -> None:
    """A statement outside of transactions is wrong, the run fails or dies, and it is mended."""
    name, (right, wrong) = list(TYPOS.items())[int(moment * 100) % len(TYPOS)]
    file = job.home / "app" / "migrations" / name.strip()
    text = file.read_text()
    file.write_text(text.replace(right, wrong))
    _kill(job, moment * 3)
    file.write_text(text)


def _reader(job: Job, moment: float) -> None:
    """Statements outside of transactions wait for a reader, and their session is ended."""
    with job.inside() as reader:
        reader.execute("BEGIN")
        for table in ("marks", "more"):
            there = reader.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone()
            if there == (True,):
                reader.execute(f"SELECT count(*) FROM {table}")
        process = job.deploy()
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment * 3)
        for pid in set(job.backends()) - {reader.info.backend_pid}:
            with suppress(psycopg.Error), job.inside() as other:
                other.execute("SELECT pg_terminate_backend(%s)", [pid])
        reader.execute("COMMIT")
    _ended(process)


_FAULTS: dict[str, Callable[[Job, float], None]] = {
    "kill": _kill,
    "terminate": _terminate,
    "crash": _crash,
    "cut-before-commit": lambda job, moment: _cut(job, sent=False, skip=int(moment * 17) % 9),
    "cut-after-commit": lambda job, moment: _cut(job, sent=True, skip=int(moment * 17) % 9),
    "rivals": _rivals,
    "full-disk": _full_disk,
    "locked-state": _locked_state,
    "typo": _typo,
    "reader": _reader,
    "wiped-between": chaos_ledgers.wiped_between,
    "wiped-during": chaos_ledgers.wiped_during,
    "wiped-by-migration": chaos_ledgers.wiped_by_migration,
    "wiped-by-procedure": chaos_ledgers.wiped_by_procedure,
    "wiped-by-command": chaos_ledgers.wiped_by_command,
    "renamed": chaos_states.renamed,
    "two-states": chaos_states.two_states,
    "row-gone": chaos_states.row_gone,
}


# --- what must be true ------------------------------------------------------------------------


def examine(job: Job) -> None:
    """Count what is doubled, lost, stuck, invalid or wrongly recorded."""
    tally = job.tally
    with job.inside() as connection:
        found = [str(row[0]) for row in connection.execute("SELECT what FROM marks").fetchall()]
        invalid = connection.execute(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
        ).fetchall()
        indexes = connection.execute(
            "SELECT to_regclass('marks_what') IS NULL AND to_regclass('more_id') IS NOT NULL"
        ).fetchone()
        locks = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
        ledger = _ledger(connection)
    counts = Counter(found)
    twice = {mark: count for mark, count in counts.items() if count > 1}
    tally.doubled += sum(twice.values()) - len(twice)
    if twice:
        tally.wrong.append(f"{job.name}: doubled {twice}: {job.met}")
    tally.lost += sum(mark not in counts for mark in job.marks)
    tally.invalid += len(invalid)
    tally.stuck += int(locks != (0,))
    if indexes != (True,):
        tally.wrong.append(f"{job.name}: indexes are not what the files say")
    if ledger and ledger != [("applied", len(job.files) + job.imported)]:
        tally.wrong.append(f"{job.name}: ledger {ledger}")


def _ledger(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    there = connection.execute("SELECT to_regclass('templedb.migration') IS NOT NULL").fetchone()
    if there != (True,):
        return []
    return connection.execute(
        "SELECT state, count(*) FROM templedb.migration GROUP BY state ORDER BY state"
    ).fetchall()


def rampage(
    jobs: int,
    faults: int,
    seed: int,
    *,
    command: list[str] | None = None,
    loud: bool = False,
    only: frozenset[int] = frozenset(),
) -> Tally:
    """Deploy *jobs*, each through *faults* faults, then plainly; return what was found.

    With *only*, the others are left out, and these meet what they would meet among them.
    """
    chance, tally = random.Random(seed), Tally()
    words = command or [sys.executable, "-m", "templedb_nb"]
    order = _order(jobs * faults, chance, seed)
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as place,
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as home,
        # It waits for its disk: else a crash of the server rolls back what it had acknowledged.
        postgres.started(postgres.binaries(), Path(home), careless=False) as server,
    ):
        for number in range(jobs):
            mine = order[number * faults : (number + 1) * faults]
            moments = [
                0.0 if isinstance(each, tuple) else chance.uniform(0.35, 1.1) for each in mine
            ]
            if not only or number in only:
                met = list(zip(mine, moments, strict=True))
                _one(Path(place), number, server, tally, words, met)
            if loud and (number + 1) % 10 == 0:
                print(f"-- {number + 1} jobs\n{tally}", flush=True)
    return tally


def _order(count: int, chance: random.Random, seed: int) -> list[str | Point]:
    """Return the faults of all jobs: as many of each kind, and every fail point in its turn.

    Rampages of the same size with seeds that follow each other take other fail points.
    """
    points = random.Random(1).sample(POINTS, len(POINTS))
    begin = seed * (count * SHARE // (len(FAULTS) + SHARE)) % len(points)
    turn = itertools.cycle([*points[begin:], *points[:begin]])
    order: list[str | Point] = []
    while len(order) < count:
        order += [*FAULTS, *itertools.islice(turn, SHARE)]
    order = order[:count]
    chance.shuffle(order)
    return order


def _one(
    place: Path, number: int, server: postgres.Server, tally: Tally, words: list[str],
    faults: list[tuple[str | Point, float]],
) -> None:  # fmt: skip
    port = int(str(psycopg.conninfo.conninfo_to_dict(server.admin)["port"]))
    with Proxy(port) as proxy:
        home = place / str(number)
        home.mkdir()
        job = Job(home, server.admin, f"chaos_{number}", proxy, tally, words)
        job.prepare()
        try:
            for fault, moment in faults:
                meet(job, fault, moment)
            proxy.heal()
            finish(job)
            examine(job)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job is a failure, and the next one begins
            tally.stuck += 1
            job.wrong(f"not examined: {type(error).__name__}: {error}: {job.met}")
        tally.jobs += 1
        with suppress(psycopg.Error), psycopg.connect(server.admin, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {job.name} WITH (FORCE)")


def main() -> None:
    """Print the table, and fail if anything that must be zero is not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--faults", type=int, default=3, help="faults in each job")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="+", default=[], help="these jobs alone")
    given = parser.parse_args()
    began = time.monotonic()
    tally = rampage(given.jobs, given.faults, given.seed, loud=True, only=frozenset(given.only))
    print(f"== seed {given.seed}, {time.monotonic() - began:.0f} s\n{tally}")
    sys.exit(0 if tally.clean else 1)


if __name__ == "__main__":
    threading.current_thread().name = "chaos"
    main()
