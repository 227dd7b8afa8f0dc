from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from templedb_nb.runbook.light_imports import light_imports
from tests import forked, postgres, slow

with light_imports():  # before a plugin or a test imports it with a grammar that takes seconds
    import nbformat  # noqa: F401

CORPORA = Path(__file__).parent / "corpora"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # processes of tests use compiled modules
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")  # an example may take as long as a busy machine needs
HARD_PASSWORD = "p@ss/w:rd%'\"\\ $x"
_serial = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def psql_on_path(server: postgres.Server) -> None:
    """Commands of the tests call psql, and checks pg_dump: the server's own, else the newest."""
    if server.bin is not None:
        own = server.bin if (server.bin / "pg_dump").exists() else postgres.newest_client()
        os.environ["PATH"] = f"{own}{os.pathsep}{os.environ['PATH']}" if own else os.environ["PATH"]


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    with postgres.server() as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow.mark(items)


def pytest_sessionfinish() -> None:
    forked.end()


def pytest_report_header() -> str:
    return f"PostgreSQL: {os.environ.get('TEMPLEDB_TEST_DSN') or postgres.binaries()}"


@dataclass
class Database:
    """A fresh database, owned by a role that is not a superuser and has a password."""

    server: postgres.Server
    name: str
    role: str

    @property
    def dsn(self) -> str:
        given = psycopg.conninfo.conninfo_to_dict(self.server.admin)
        where = f"{given['host']}:{given['port']}/{self.name}"
        return f"postgresql://{self.role}:{quote(HARD_PASSWORD, safe='')}@{where}"

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Look with a second, independent pair of eyes."""
        with psycopg.connect(self.server.database(self.name), autocommit=True) as connection:
            found = connection.execute(sql.encode(), values or None)
            return found.fetchall() if found.description else []

    def tables(self) -> list[str]:
        rows = self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [name for (name,) in rows]

    def applied(self) -> list[str]:
        if not self.query("SELECT 1 FROM pg_namespace WHERE nspname = 'templedb'"):
            return []
        rows = self.query(
            "SELECT key FROM templedb.migration WHERE state = 'applied' ORDER BY run_seq"
        )
        return [key for (key,) in rows]


@pytest.fixture
def pg(server: postgres.Server) -> Iterator[Database]:
    yield from databases(server)


def databases(server: postgres.Server) -> Iterator[Database]:
    """Make one database, and drop it when the test is over."""
    number = next(_serial)
    name = f"tdb_{os.getpid()}_{number}"
    role = f"deployer_{os.getpid()}_{number}"
    with psycopg.connect(server.admin, autocommit=True) as admin:
        literal = psycopg.sql.Literal(HARD_PASSWORD).as_string()
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD {literal}".encode())
        admin.execute(f"CREATE DATABASE {name} OWNER {role}".encode())
        yield Database(server=server, name=name, role=role)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        admin.execute(f"DROP ROLE {role}".encode())


@cache
def empty_state() -> bytes:
    """Return the state file that a first command makes; it is made once in each worker."""
    from templedb_nb.store.duckdb.state_file import StateFile

    with tempfile.TemporaryDirectory() as folder:
        state = StateFile(Path(folder) / "state.duckdb")
        with state.session():
            pass
        return state.path.read_bytes()


@dataclass
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Terminal:
    """A user at a terminal: a folder, an environment of their own, and templedb."""

    home: Path
    monkeypatch: pytest.MonkeyPatch
    capfd: pytest.CaptureFixture[str]
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.set(
            HOME=str(self.home),
            XDG_CONFIG_HOME=str(self.home / "config"),
            XDG_DATA_HOME=str(self.home / "data"),
            TEMPLEDB_STATE=str(self.home / "state" / "state.duckdb"),
            TEMPLEDB_USER="rosa",
        )
        self.unset("TEMPLEDB_PROJECT", "TEMPLEDB_TARGET", "TEMPLEDB_KEY", "DATABASE_URL")
        self.monkeypatch.chdir(self.home)

    def set(self, **names: str) -> None:
        self.environ.update(names)
        for name, value in names.items():
            self.monkeypatch.setenv(name, value)

    def unset(self, *names: str) -> None:
        for name in names:
            self.environ.pop(name, None)
            self.monkeypatch.delenv(name, raising=False)

    def __call__(self, *words: str, code: int | None = 0, stdin: str | None = None) -> Said:
        """Run a command in this process, as the program would, and expect its exit code."""
        import io

        from templedb_nb import cli

        if words[:2] == ("project", "import"):
            self._begin_state()
        with self.monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.StringIO(stdin or ""))
            self.capfd.readouterr()
            got = cli.run(words)
        out, err = self.capfd.readouterr()
        said = Said(got, out, err)
        if code is not None:
            assert got == code, f"{' '.join(words)}: exit {got}, not {code}\n{out}{err}"
        return said

    def process(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command as a process of its own, which can be killed."""
        env = {**os.environ, **self.environ}
        return forked.start(words, cwd=self.home, env=env, **options)

    def files(self, project: str = "app", **texts: str | bytes) -> Path:
        """Write files of a project; ``__`` in a name stands for a slash."""
        root = self.home / project
        root.mkdir(exist_ok=True)
        for name, text in texts.items():
            self.file(f"{project}/{name.replace('__', '/')}", text)
        return root

    def file(self, path: str, text: str | bytes) -> Path:
        whole = self.home / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(text if isinstance(text, bytes) else text.encode())
        return whole

    def config(self, *groups: dict[str, Any], project: str = "app") -> None:
        path = self.file("config.json", json.dumps({"groups": list(groups)}))
        self("deploy", "config", project, "--set", str(path))

    @property
    def state(self) -> Path:
        return Path(self.environ["TEMPLEDB_STATE"])

    def _begin_state(self) -> None:
        """Put an empty state where it belongs: to make one takes longer than a short command."""
        if "TEMPLEDB_STATE" in self.environ and not self.state.parent.exists():
            self.state.parent.mkdir(mode=0o700)
            self.state.write_bytes(empty_state())
            self.state.chmod(0o600)


@pytest.fixture
def terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Terminal:
    return Terminal(home=tmp_path, monkeypatch=monkeypatch, capfd=capfd)


MIGRATIONS = {"name": "migrations", "file_patterns": ["migrations/*.sql"]}


@dataclass
class Shop:
    """A small project with a PostgreSQL target, ready to be deployed."""

    terminal: Terminal
    pg: Database

    def migration(self, name: str, sql: str | bytes) -> str:
        self.terminal.file(f"app/migrations/{name}", sql)
        return f"migrations/{name}"

    def run(self, *words: str, code: int | None = 0) -> Said:
        return self.terminal("deploy", "run", "app", *words, code=code)

    @property
    def version(self) -> int:
        """Return the server's version, such as 140003."""
        ((number,),) = self.pg.query("SELECT current_setting('server_version_num')::int")
        return number

    def needs_14(self) -> None:
        """Skip a test of what came then: DETACH … CONCURRENTLY, REINDEX of partitioned tables."""
        if self.version < 140000:
            pytest.skip("PostgreSQL 13 refuses the statement")

    def approve(self, plan: str, by: str = "emil", reason: str = "read it", code: int = 0) -> Said:
        """Approve as somebody else than who plans."""
        return self.judge("approve", plan, by, reason, code)

    def judge(self, verb: str, plan: str, by: str, reason: str, code: int = 0) -> Said:
        before = self.terminal.environ["TEMPLEDB_USER"]
        self.terminal.set(TEMPLEDB_USER=by)
        try:
            return self.terminal(verb, plan, "--reason", reason, code=code)
        finally:
            self.terminal.set(TEMPLEDB_USER=before)

    def config(self, *groups: dict[str, Any]) -> None:
        self.terminal.config(*groups)


@pytest.fixture
def shop(terminal: Terminal, pg: Database) -> Shop:
    made = Shop(terminal=terminal, pg=pg)
    made.migration("001_users.sql", "CREATE TABLE users (id int PRIMARY KEY);\n")
    made.migration(
        "002_orders.sql", "CREATE TABLE orders (id int);\nINSERT INTO orders VALUES (1);\n"
    )
    terminal("project", "import", "app")
    made.config(MIGRATIONS)
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "staging")
    return made
