"""A project, a state and a database of our own for each measurement."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks.measure import process
from tests.postgres import Server

PROGRAM = [sys.executable, "-m", "templedb_nb"]
_numbers = itertools.count()


@dataclass
class Place:
    """A folder with a project ``app`` of *migrations*, and how its commands run."""

    root: Path
    server: Server
    migrations: int
    database: str = ""
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write the project."""
        folder = self.root / "app" / "migrations"
        folder.mkdir(parents=True)
        for number in range(self.migrations):
            (folder / f"{number:05d}_t.sql").write_text(sql(number))
        config = 'groups: [{name: migrations, file_patterns: ["migrations/*.sql"]}]\n'
        (self.root / "app" / "templedb.yaml").write_text(config)

    def fresh(self) -> None:
        """Take a new database and a new state, with the project imported."""
        self.database = fresh_database(self.server)
        number = next(_numbers)
        self.environ = {
            "TEMPLEDB_STATE": str(self.root / f"state{number}" / "state.duckdb"),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "TEMPLEDB_USER": "bench",
        }
        self.say("project", "import", "app")
        self.say("target", "add", "app", "t")
        self.say("env", "set", "app", "DATABASE_URL", url(self.server, self.database), "-t", "t")

    def say(self, *words: str) -> float:
        """Run a command as a process, and return how many seconds it took."""
        return process([*PROGRAM, *words], self.root, self.environ)()

    def python(self, code: str) -> str:
        """Run a program in the place, and return what it prints."""
        return subprocess.run(
            [sys.executable, "-c", code], cwd=self.root, env={**os.environ, **self.environ},
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip


def sql(number: int) -> str:
    """Return a small migration: a table and an index."""
    return (
        f"CREATE TABLE t{number} (id bigint PRIMARY KEY, name text NOT NULL);\n"
        f"CREATE INDEX t{number}_name ON t{number} (name);\n"
    )


def fresh_database(server: Server) -> str:
    """Create an empty database, and return its name."""
    name = f"bench_{next(_numbers)}"
    with psycopg.connect(server.admin, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    return name


def url(server: Server, database: str, scheme: str = "postgresql") -> str:
    """Return the address of a database."""
    given = psycopg.conninfo.conninfo_to_dict(server.admin)
    secret = str(given["password"]).replace(" ", "%20")
    return f"{scheme}://{given['user']}:{secret}@{given['host']}:{given['port']}/{database}"
