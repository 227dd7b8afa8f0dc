"""Chaos: jobs are deployed while everything around them breaks, and nothing may be doubled or lost.

``python -m tests.chaos --jobs 500`` prints a table. Each job is a fresh database and a project of
migrations, some in a transaction and some step by step. Every attempt to deploy it meets a fault;
then a plain run must finish it, and the database, the ledger and the locks are examined.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from filelock import FileLock

from tests import postgres
from tests.proxy import Proxy

FILES = {
    "001_marks.sql": "CREATE TABLE marks (what text);\nINSERT INTO marks VALUES ('1');\n",
    "002_wide.sql": "CREATE TABLE wide (id int);\nSELECT pg_sleep(0.05);\nINSERT INTO marks VALUES ('2');\n",
    "003_steps.sql": (
        "INSERT INTO marks VALUES ('3a');\nSELECT pg_sleep(0.03);\n"
        "CREATE INDEX CONCURRENTLY marks_what ON marks (what);\n"
        "BEGIN;\nINSERT INTO marks VALUES ('3b');\nINSERT INTO marks VALUES ('3c');\nCOMMIT;\n"
        "VACUUM marks;\nINSERT INTO marks VALUES ('3d');\n"
    ),
    "004_more.sql": "CREATE TABLE more (id int, note text);\nSELECT pg_sleep(0.05);\nINSERT INTO marks VALUES ('4');\n",
    "005_steps.sql": (
        "CREATE UNIQUE INDEX CONCURRENTLY more_id ON more (id);\nINSERT INTO marks VALUES ('5a');\n"
        "DROP INDEX CONCURRENTLY marks_what;\nREINDEX TABLE CONCURRENTLY more;\n"
        "INSERT INTO marks VALUES ('5b');\n"
    ),
    "006_last.sql": "INSERT INTO marks VALUES ('6');\nSELECT pg_sleep(0.03);\n",
}
MARKS = ["1", "2", "3a", "3b", "3c", "3d", "4", "5a", "5b", "6"]
FAULTS = ("kill", "terminate", "crash", "cut-before-commit", "cut-after-commit", "rivals",
          "full-disk", "locked-state", "typo", "reader")  # fmt: skip
TYPOS = {
    "003_steps.sql": ("VACUUM marks", "VACUUM makrs"),
    "005_steps.sql": ("ON more (id)", "ON mroe (id)"),
    "005_steps.sql ": ("CONCURRENTLY marks_what", "CONCURRENTLY marks_waht"),
    "005_steps.sql  ": ("CONCURRENTLY more;", "CONCURRENTLY mroe;"),
}
"""Mistakes that are mended once a run has met them, by file."""


@dataclass
class Tally:
    """What happened: jobs, faults by kind, and what must stay at zero."""

    jobs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    doubled: int = 0
    lost: int = 0
    stuck: int = 0
    invalid: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the table."""
        rows = [("jobs", self.jobs), ("faults", self.faults.total())]
        rows += [(f"  {name}", self.faults[name]) for name in FAULTS]
        rows += [("doubled", self.doubled), ("lost", self.lost), ("stuck", self.stuck)]
        rows += [("invalid indexes", self.invalid), ("wrong ledgers", len(self.wrong))]
        return "\n".join([*(f"{name:<20} {count:>6}" for name, count in rows), *self.wrong[:10]])

    @property
    def clean(self) -> bool:
        """Return whether everything that must be zero is."""
        return not (self.doubled or self.lost or self.stuck or self.invalid or self.wrong)


@dataclass
class Job:
    """One project, its fresh database, and how it is reached: through a proxy that can cut."""

    home: Path
    admin: str
    name: str
    proxy: Proxy
    tally: Tally
    command: list[str]

    def prepare(self) -> None:
        """Make the database, the project and its target."""
        with psycopg.connect(self.admin, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {self.name}")
        folder = self.home / "app" / "migrations"
        folder.mkdir(parents=True)
        for name, text in FILES.items():
            (folder / name).write_text(text)
        config = 'groups: [{name: migrations, file_patterns: ["migrations/*.sql"]}]\n'
        (self.home / "app" / "templedb.yaml").write_text(config)
        url = psycopg.conninfo.conninfo_to_dict(self.admin)
        secret = str(url["password"]).replace(" ", "%20")
        address = f"{url['user']}:{secret}@127.0.0.1:{self.proxy.port}/{self.name}"
        for words in (
            ["project", "import", "app"],
            ["target", "add", "app", "t"],
            ["env", "set", "app", "DATABASE_URL", f"postgresql://{address}", "--target", "t"],
        ):
            self.program(*words).communicate(timeout=60)

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of the job's own user."""
        own = {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "c"),
            "TEMPLEDB_USER": "rosa",
        }
        own |= {"TEMPLEDB_STATE": str(self.home / "state.duckdb")}
        return {k: v for k, v in os.environ.items() if not k.startswith("TEMPLEDB_")} | own

    def program(self, *words: str, limit: int | None = None) -> subprocess.Popen[str]:
        """Start a command; with *limit*, no file of it may grow beyond so many bytes."""

        def full() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit or 0, limit or 0))

        return subprocess.Popen(
            [*self.command, *words],
            cwd=self.home,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            preexec_fn=full if limit else None,
        )

    def deploy(self, limit: int | None = None) -> subprocess.Popen[str]:
        """Start a deployment."""
        return self.program("deploy", "run", "app", "--lock-wait", "60", limit=limit)

    @contextmanager
    def inside(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """Open the database beside the proxy; a server that restarts is waited for."""
        dsn = psycopg.conninfo.make_conninfo(self.admin, dbname=self.name)
        end = time.monotonic() + 60
        while True:
            try:
                connection = psycopg.connect(dsn, autocommit=True)
                break
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        with connection:
            yield connection

    def backends(self) -> list[int]:
        """Return the sessions of runs on the server."""
        with suppress(psycopg.Error), self.inside() as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [self.name],
            ).fetchall()
            return [int(str(row[0])) for row in rows]
        return []


# --- faults -----------------------------------------------------------------------------------


def meet(job: Job, fault: str, chance: random.Random) -> None:
    """Deploy once, and let *fault* happen to it."""
    job.tally.faults[fault] += 1
    moment = chance.uniform(0.35, 1.1)
    _FAULTS[fault](job, moment)


def _ended(process: subprocess.Popen[str]) -> None:
    try:
        process.communicate(timeout=180)
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
}


# --- what must be true ------------------------------------------------------------------------


def finish(job: Job) -> None:
    """Bring the job to its end with plain runs; two must be enough."""
    said = ""
    for _ in range(2):
        with job.inside():  # a server that was crashed takes a moment to come back
            pass
        process = job.deploy()
        said, _err = process.communicate(timeout=240)
        if process.returncode == 0:
            return
    job.tally.stuck += 1
    job.tally.wrong.append(f"{job.name}: never finished: {said[-600:]}")


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
    tally.doubled += sum(count - 1 for count in counts.values() if count > 1)
    tally.lost += sum(mark not in counts for mark in MARKS)
    tally.invalid += len(invalid)
    tally.stuck += int(locks != (0,))
    if indexes != (True,):
        tally.wrong.append(f"{job.name}: indexes are not what the files say")
    if ledger and ledger != [("applied", len(FILES))]:
        tally.wrong.append(f"{job.name}: ledger {ledger}")


def _ledger(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    there = connection.execute("SELECT to_regclass('templedb.migration') IS NOT NULL").fetchone()
    if there != (True,):
        return []
    return connection.execute(
        "SELECT state, count(*) FROM templedb.migration GROUP BY state ORDER BY state"
    ).fetchall()


def rampage(
    jobs: int, faults: int, seed: int, *, command: list[str] | None = None, loud: bool = False
) -> Tally:
    """Deploy *jobs*, each through *faults* faults, then plainly; return what was found."""
    chance, tally = random.Random(seed), Tally()
    words = command or [sys.executable, "-m", "templedb_nb"]
    order = [fault for _ in range(jobs * faults // len(FAULTS) + 1) for fault in FAULTS]
    chance.shuffle(order)
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as place,
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as home,
        # It waits for its disk: else a crash of the server takes back what it had acknowledged.
        postgres.started(postgres.binaries(), Path(home), careless=False) as server,
    ):
        for number in range(jobs):
            mine = order[number * faults : (number + 1) * faults]
            _one(Path(place), number, server, tally, words, mine, chance)
            if loud and (number + 1) % 25 == 0:
                print(f"-- {number + 1} jobs\n{tally}", flush=True)
    return tally


def _one(
    place: Path, number: int, server: postgres.Server, tally: Tally, words: list[str],
    faults: list[str], chance: random.Random,
) -> None:  # fmt: skip
    port = int(str(psycopg.conninfo.conninfo_to_dict(server.admin)["port"]))
    with Proxy(port) as proxy:
        home = place / str(number)
        home.mkdir()
        job = Job(home, server.admin, f"chaos_{number}", proxy, tally, words)
        job.prepare()
        for fault in faults:
            meet(job, fault, chance)
        proxy.heal()
        finish(job)
        examine(job)
        tally.jobs += 1
        with suppress(psycopg.Error), psycopg.connect(server.admin, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {job.name} WITH (FORCE)")


def main() -> None:
    """Print the table, and fail if anything that must be zero is not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--faults", type=int, default=3, help="faults in each job")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.monotonic()
    tally = rampage(given.jobs, given.faults, given.seed, loud=True)
    print(f"== seed {given.seed}, {time.monotonic() - began:.0f} s\n{tally}")
    sys.exit(0 if tally.clean else 1)


if __name__ == "__main__":
    threading.current_thread().name = "chaos"
    main()
