"""A job of the rampage: a project, its fresh database, and what people do with both."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

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
    "007_side.sql": "CREATE TABLE IF NOT EXISTS side (id int);\n-- templedb:down\nDROP TABLE side;\n",
}
MARKS = ["1", "2", "3a", "3b", "3c", "3d", "4", "5a", "5b", "6"]
WHY = ("--reason", "a rampage")


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
    points: set[tuple[str, str, str]] = field(default_factory=set)

    def __str__(self) -> str:
        """Return the table."""
        rows = [("jobs", self.jobs), ("faults", self.faults.total())]
        rows += [(f"  {name}", count) for name, count in sorted(self.faults.items())]
        rows += [("fail points reached", len(self.points))]
        rows += [("doubled", self.doubled), ("lost", self.lost), ("stuck", self.stuck)]
        rows += [("invalid indexes", self.invalid), ("wrong records", len(self.wrong))]
        return "\n".join([*(f"{name:<20} {count:>6}" for name, count in rows), *self.wrong[:20]])

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
    files: dict[str, str] = field(default_factory=lambda: dict(FILES))
    marks: list[str] = field(default_factory=lambda: list(MARKS))
    extra: list[str] = field(default_factory=list)
    """Marks that a later migration adds, some outside of the order of the files."""
    imported: int = 0
    side: str = "007_side.sql"
    state: str = "state.duckdb"
    doubt: str = ""
    """A migration that is in doubt, until somebody says what became of it."""
    met: list[str] = field(default_factory=list)
    """What was done to it, in order."""
    finished: bool = False
    """Nothing happened to it since it was brought to its end."""

    def prepare(self) -> None:
        """Make the database, the project and its target."""
        with psycopg.connect(self.admin, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {self.name}")
        folder = self.home / "app" / "migrations"
        folder.mkdir(parents=True)
        for name, text in self.files.items():
            (folder / name).write_text(text)
        self.config()
        self.introduce()

    def introduce(self, slug: str = "app") -> None:
        """Let the state know of a project and its target."""
        url = psycopg.conninfo.conninfo_to_dict(self.admin)
        secret = str(url["password"]).replace(" ", "%20")
        address = f"{url['user']}:{secret}@127.0.0.1:{self.proxy.port}/{self.name}"
        for words in (
            ["project", "import", slug],
            ["target", "add", slug, "t"],
            ["env", "set", slug, "DATABASE_URL", f"postgresql://{address}", "--target", "t"],
        ):
            self.program(*words).communicate(timeout=600)

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of the job's own user."""
        own = {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "c"),
            "TEMPLEDB_USER": "rosa",
        }
        own |= {"TEMPLEDB_STATE": str(self.home / self.state)}
        return {k: v for k, v in os.environ.items() if not k.startswith("TEMPLEDB_")} | own

    def config(self, *groups: dict[str, object], **more: object) -> None:
        """Write the deployment config: the job's migrations with *more*, and other *groups*."""
        found = [{"name": "migrations", "order": 1, "file_patterns": ["migrations/*.sql"]} | more]
        if self.imported:
            found.append({"name": "theirs", "order": 2, "file_patterns": ["db/*.sql"]})
        text = json.dumps({"groups": [*found, *groups]})
        (self.home / "app" / "templedb.yaml").write_text(text)

    def write(self, name: str, text: str) -> None:
        """Write a migration that belongs to the job from now on."""
        (self.home / "app" / "migrations" / name).write_text(text)
        self.files[name] = text
        self.finished = False

    def more(self) -> None:
        """Add a migration in a transaction, and one step by step."""
        n = len(self.files) + 1
        self.marks += [f"{n}", f"{n + 1}a", f"{n + 1}b"]
        self.write(f"{n:03}_one.sql", f"INSERT INTO marks VALUES ('{n}');\n")
        steps = f"INSERT INTO marks VALUES ('{n + 1}a');\nVACUUM marks;\n"
        steps += f"CREATE INDEX CONCURRENTLY more_{n} ON more (note);\nBEGIN;\nSELECT 1;\nCOMMIT;\n"
        self.write(f"{n + 1:03}_two.sql", f"{steps}INSERT INTO marks VALUES ('{n + 1}b');\n")

    def program(
        self, *words: str, limit: int | None = None, point: str = ""
    ) -> subprocess.Popen[str]:
        """Start a command; with *limit*, no file of it may grow beyond so many bytes.

        At the fail point *point*, if there is one, it breaks.
        """

        self.finished = self.finished and words[0] in {"sql", "project", "target", "env"}

        def full() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit or 0, limit or 0))

        return subprocess.Popen(
            [*self.command, *words],
            cwd=self.home,
            env=self.environ | ({"TEMPLEDB_FAILPOINT": point} if point else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            preexec_fn=full if limit else None,
        )

    def deploy(self, limit: int | None = None) -> subprocess.Popen[str]:
        """Start a deployment."""
        return self.program("deploy", "run", "app", "--lock-wait", "60", limit=limit)

    def say(self, *words: str) -> tuple[int, str]:
        """Carry out a command; return its exit code and what it said."""
        process = self.program(*words)
        said, _err = process.communicate(timeout=600)
        return process.returncode, said

    def must(self, *words: str) -> None:
        """Carry out a command that has no reason to fail."""
        code, said = self.say(*words)
        if code:
            self.wrong(f"{' '.join(words)} ended with {code}: {said[-600:]}")

    def wrong(self, what: str) -> None:
        """Count something that must not be."""
        self.tally.wrong.append(f"{self.name}: {what}")
        print(self.tally.wrong[-1], flush=True)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return what the database says, beside the proxy."""
        with self.inside() as connection:
            return connection.execute(sql.encode()).fetchall()

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


def _seen(job: Job, file: str) -> str:
    """Look what a migration in doubt left; where that is a part of it, roll it back by hand."""
    text = job.files.get(file.rpartition("/")[2], "")
    own = {mark for mark in job.marks if f"VALUES ('{mark}')" in text}
    with job.inside() as connection:
        there = connection.execute("SELECT to_regclass('marks') IS NOT NULL").fetchone()
        if there != (True,):
            return "--not-applied"
        standing = {row[0] for row in connection.execute("SELECT what FROM marks").fetchall()} & own
        job.met.append(f"in doubt: {file}: {sorted(standing)} of {sorted(own)} stand")
        if own and standing == own:
            return "--applied"
        connection.execute("DELETE FROM marks WHERE what = ANY(%s)", [list(standing)])
        if file.endswith("005_steps.sql"):  # it stands between its marks that this one was dropped
            connection.execute("CREATE INDEX IF NOT EXISTS marks_what ON marks (what)")
    return "--not-applied"


def finish(job: Job) -> bool:
    """Bring the job to its end as its users would: run, and do what a refusal tells.

    Two plain runs must be enough, and each way out that is told is taken.
    """
    if job.finished:
        return True
    plain, ways, said = 0, 0, ""
    while plain < 2 and ways < 8:
        with job.inside():  # a server that was crashed takes a moment to come back
            pass
        code, said = job.say("deploy", "run", "app", "--lock-wait", "60")
        if code == 0:
            job.finished = True
            return True
        if "migration restore-ledger" in said:
            ways += 1
            job.say("migration", "restore-ledger", "app", *WHY)
        elif code == 13 and (found := re.search(r"templedb run resolve (\S+)", said)):
            ways += 1
            job.say("run", "resolve", found[1], *WHY)
        elif found := re.search(r"templedb migration resolve (\S+) --applied", said):
            ways += 1
            job.say("migration", "resolve", "app", found[1], _seen(job, found[1]), *WHY)
        else:
            plain += 1
    job.tally.stuck += 1
    job.wrong(f"never finished: {said[-900:]}")
    return False
