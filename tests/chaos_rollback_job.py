"""A job of the rampage of rollbacks: a project, its target, its processes, and what it recorded."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

import templedb_nb

STEP = """\
echo "$TEMPLEDB_ATTEMPT $TEMPLEDB_RUN_ID $TEMPLEDB_GROUP $(cat version.txt) $1" >> {home}/out
sleep 0.03
test -e slow && test "$TEMPLEDB_GROUP" = api && sleep 5
grep -qx "$TEMPLEDB_GROUP" broken 2> /dev/null && exit 1
test "$(cat version.txt) $TEMPLEDB_GROUP" != "$(cat {home}/block 2> /dev/null)"
"""
GROUPS = ("web", "api", "late")
WHY = ("--reason", "a rampage")
WAIT = ("--lock-wait", "30")
RUN = ("deploy", "run", "app", *WAIT)
BACK = ("deploy", "rollback", "app", *WAIT)
LEDGER = {
    "runs": "SELECT id, kind, parent_run, state, exit_code, content_hash, started_at::text,"
    " finished_at::text FROM templedb.run ORDER BY started_at, id",
    "commands": "SELECT attempt_id, run, step, state, exit_status FROM templedb.command",
    "meta": "SELECT v FROM templedb.meta WHERE k LIKE 'rollback/%' AND v <> ''",
}

STATE = {
    "owing": "SELECT run, owes FROM main.runs WHERE owes <> ''",
    "steps": 'SELECT run, "group", kind, state FROM history.steps ORDER BY run, step',
}


@dataclass
class Tally:
    """What happened: jobs, faults by kind, ends of commands, and what must stay empty."""

    jobs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the table."""
        rows = [("jobs", self.jobs), ("faults", self.faults.total())]
        rows += [(f"  {name}", count) for name, count in sorted(self.faults.items())]
        rows += [("fail points reached", len(self.points))]
        rows += [(f"  {name}", count) for name, count in sorted(self.points.items())]
        rows += [(f"  end {name}", count) for name, count in sorted(self.ends.items())]
        rows += [("wrong", len(self.wrong))]
        return "\n".join([*(f"{name:<34} {count:>6}" for name, count in rows), *self.wrong])


def preload() -> None:
    """Import the program, so that each process that is forked has it already."""
    for found in pkgutil.walk_packages(templedb_nb.__path__, "templedb_nb."):
        if "notebook" not in found.name and "__main__" not in found.name:
            with suppress(ImportError):
                importlib.import_module(found.name)


class Forked:
    """A process that carries out a command of the program, forked with its modules loaded."""

    def __init__(
        self, words: tuple[str, ...], home: Path, environ: dict[str, str], limit: int = 0
    ) -> None:
        """Begin it; with *limit*, no file of it may grow beyond so many bytes."""
        self.words = words
        self.said_in = home / f"said-{time.monotonic_ns()}"
        self.code: int | None = None
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            code = 70
            try:
                code = self._program(home, environ, limit)
            finally:
                os._exit(code)

    def _program(self, home: Path, environ: dict[str, str], limit: int) -> int:
        os.chdir(home)
        os.environ.clear()
        os.environ.update(environ)
        for number, path, how in (
            (0, "/dev/null", os.O_RDONLY),
            (1, str(self.said_in), os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        ):
            opened = os.open(path, how)
            os.dup2(opened, number)
        os.dup2(1, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        if limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from templedb_nb import cli

        sys.argv = ["templedb", *self.words]
        try:
            cli.main()
        except SystemExit as error:
            sys.stdout.flush()
            sys.stderr.flush()
            return error.code if isinstance(error.code, int) else int(bool(error.code))

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; say whether it has ended."""
        end = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        return self.code is not None

    def ended(self, seconds: float = 120) -> tuple[int, str]:
        """Wait for its end; return its exit code and what it said."""
        if not self.wait(seconds):
            self.send(signal.SIGKILL)
            self.wait(10)
            return -99, f"it did not end in {seconds} s: {self.said}"
        return self.code or 0, self.said

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    @property
    def said(self) -> str:
        return self.said_in.read_text(errors="replace") if self.said_in.exists() else ""


def asked(question: Callable[[], Any]) -> Any:
    """Return the answer of a process of its own: a driver's threads stay out of this one."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            os.write(write, json.dumps(question(), default=str).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text) if text else None


@dataclass
class Job:
    """One project on one target of its own: PostgreSQL, a DuckDB file, or no database."""

    home: Path
    admin: str
    name: str
    target: str
    tally: Tally
    parts: frozenset[str]
    """What its config has beside commands: a health check, a rollback_command, a cancel_policy."""
    state: str = "state.duckdb"
    number: int = 0
    good: dict[str, str] = field(default_factory=dict)
    """The versions by the name of their release, that are no bad ones."""
    told: list[str] = field(default_factory=list)
    """What was done, in order."""
    resolved: set[str] = field(default_factory=set)
    last: tuple[int, str] = (0, "")
    """How the last command ended, and what it said."""

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of the job's own user."""
        own = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "c")}
        own |= {"TEMPLEDB_USER": "rosa", "TEMPLEDB_STATE": str(self.home / self.state)}
        return {k: v for k, v in os.environ.items() if not k.startswith("TEMPLEDB_")} | own

    @property
    def url(self) -> str:
        match self.target:
            case "postgres":
                url = psycopg.conninfo.conninfo_to_dict(self.admin)
                address = f"{url['host']}:{url['port']}/{self.name}"
                return (
                    f"postgresql://{url['user']}:{quote(str(url['password']), safe='')}@{address}"
                )
            case "duckdb":
                return f"duckdb://{self.home}/target.duckdb"
            case _:
                return ""

    def prepare(self) -> None:
        """Make the target and the project, and deploy a good release."""
        if self.target == "postgres":
            with psycopg.connect(self.admin, autocommit=True) as admin:
                admin.execute(f"CREATE DATABASE {self.name}".encode())
        (self.home / "app").mkdir(parents=True)
        self.file("step.sh", STEP.format(home=self.home))
        self.file("templedb.yaml", json.dumps(self._config()))
        self.release()
        self.introduce()
        code, said = self.say(*RUN)
        if code:
            raise AssertionError(f"the first release ended with {code}: {said}")

    def _config(self) -> dict[str, Any]:
        command: dict[str, Any] = {"deploy_command": "sh step.sh deploy"}
        if "rollback_command" in self.parts:
            command["rollback_command"] = "sh step.sh back"
        groups = [{"name": name, **command} for name in GROUPS]
        groups[1]["timeout"] = "2s"
        groups[1]["post_deploy"] = [{"command": "test ! -e hook", "critical": True}]
        if "health" in self.parts:
            check = {"type": "command", "command": "test ! -e sick", "interval": 1, "timeout": 2}
            groups[1]["health_check"] = check | {"deadline": 3, "failure_threshold": 1}
        if self.target != "none":
            groups.insert(0, {"name": "migrations", "file_patterns": ["migrations/*.sql"]})
        policy = {"cancel_policy": "rollback"} if "cancel" in self.parts else {}
        return {"groups": groups, "targets": {"t": {}}, "on_failure": "rollback", **policy}

    def introduce(self) -> None:
        """Let the state know of the project and its target."""
        self.must("project", "import", "app")
        if self.url:
            self.must("env", "set", "app", "DATABASE_URL", self.url, "--target", "t")

    def file(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.home / "app" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def release(self, bad: str = "") -> str:
        """Write the next release: a good one, or one that fails in that way."""
        self.number += 1
        version = f"v{self.number}{bad and '-bad'}"
        for each in ("broken", "hook", "slow", "sick"):
            (self.home / "app" / each).unlink(missing_ok=True)
        if bad:
            self.file(bad, "api\n")
        self.file("version.txt", f"{version}\n")
        if self.target != "none" and self.number % 2:
            self.file(f"migrations/{self.number:03}.sql", f"CREATE TABLE t{self.number} (id int);")
        return version

    def start(self, *words: str, point: str = "", limit: int = 0) -> Forked:
        """Begin a command."""
        if words[:2] == ("run", "resolve"):
            self.resolved.add(words[3])
        by = {"TEMPLEDB_USER": "hand"} if words[:2] == ("deploy", "rollback") else {}
        environ = self.environ | by | ({"TEMPLEDB_FAILPOINT": point} if point else {})
        return Forked(words, self.home, environ, limit)

    def end(self, process: Forked, *, quiet: bool = False) -> tuple[int, str]:
        """Wait for a command, and note how it ended."""
        code, said = process.ended()
        if process.words[0] in {"deploy", "run"} and process.words[1] != "history":
            self.told.append(f"{' '.join(process.words[1:4])} -> {code}")
            self.tally.ends[f"{process.words[1]} {code}"] += 1
        if not quiet:
            self.last = code, said
        if code == -99 or "Traceback" in said or (code == 1 and "TEMPLEDB_FAILPOINT" not in said):
            self.wrong(f"{' '.join(process.words)} ended with {code}: {said[-1500:]}")
        return code, said

    def say(self, *words: str) -> tuple[int, str]:
        """Carry out a command; return its exit code and what it said."""
        return self.end(self.start(*words))

    def must(self, *words: str) -> str:
        """Carry out a command that has no reason to fail; return what it said."""
        code, said = self.end(self.start(*words), quiet=True)
        if code:
            self.wrong(f"{' '.join(words)} ended with {code}: {said[-800:]}")
        return said

    def wrong(self, what: str) -> None:
        """Count something that must not be."""
        told = f"{self.name} ({self.target}, {sorted(self.parts)}): {what}\n    {self.told}"
        self.tally.wrong.append(told)
        print(f"WRONG {told}", flush=True)

    # --- what the records say -----------------------------------------------------------------

    @property
    def out(self) -> list[list[str]]:
        """Return what the commands did: attempt, run, group, version and how."""
        path = self.home / "out"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def ledger(self) -> dict[str, list[list[Any]]] | None:
        """Return what the ledger has of runs, commands and a rollback; None without a ledger."""
        found: dict[str, list[list[Any]]] | None = None
        if self.target == "postgres":
            dsn = psycopg.conninfo.make_conninfo(self.admin, dbname=self.name)
            with psycopg.connect(dsn, autocommit=True) as connection:
                rows = {k: connection.execute(q.encode()).fetchall() for k, q in LEDGER.items()}
            found = {name: [list(each) for each in own] for name, own in rows.items()}
        elif self.target == "duckdb":
            found = asked(self._of_file)
        return found

    def _of_file(self) -> dict[str, list[Any]]:
        import duckdb

        with duckdb.connect(str(self.home / "target.duckdb"), read_only=True) as file:
            return {name: file.execute(query).fetchall() for name, query in LEDGER.items()}

    def json(self, *words: str) -> dict[str, Any]:
        """Return the last document that a command prints."""
        said = self.must(*words, "--json")
        lines = [line for line in said.splitlines() if line.startswith("{")]
        found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return found

    def history(self) -> dict[str, dict[str, Any]]:
        """Return the runs of this state, oldest first."""
        rows = self.json("deploy", "history", "app").get("rows", [])
        return {row["run"]: row for row in reversed(rows)}

    def recorded(self) -> dict[str, list[list[Any]]]:
        """Return which runs of this state ended with a rollback owed, and the steps of each."""

        def read() -> dict[str, list[Any]]:
            import duckdb

            with duckdb.connect(str(self.home / self.state), read_only=True) as file:
                return {name: file.execute(query).fetchall() for name, query in STATE.items()}

        return asked(read) or {name: [] for name in STATE}
