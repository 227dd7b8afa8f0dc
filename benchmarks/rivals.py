"""Other tools on the same migrations, where they are installed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg

from benchmarks.measure import process, timed
from benchmarks.place import fresh_database, sql, url
from tests.postgres import Server

Work = Callable[[], float]
Run = Callable[[str], Work]


def floor(server: Server, count: int) -> Work:
    """Return one connection that applies each file in a transaction with a ledger row."""

    def work() -> float:
        dsn = server.database(fresh_database(server))
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE ledger (file text PRIMARY KEY, at timestamptz DEFAULT now())"
            )

            def apply() -> None:
                for number in range(count):
                    with connection.transaction():
                        connection.execute(sql(number).encode())
                        connection.execute("INSERT INTO ledger (file) VALUES (%s)", [str(number)])

            return timed(apply)

    return work


def rivals(server: Server, root: Path, count: int) -> Iterator[tuple[str, Work]]:
    """Yield the tools that this machine has, on a new database each time."""
    for name, (scheme, run) in _tools(root, count).items():

        def cold(scheme: str = scheme, run: Run = run) -> float:
            return run(url(server, fresh_database(server), scheme))()

        yield name, cold


def idle(
    server: Server, root: Path, count: int, names: Sequence[str]
) -> Iterator[tuple[str, Work]]:
    """Yield tools on a database where they have applied everything."""
    for name, (scheme, run) in _tools(root, count).items():
        if name in names:
            work = run(url(server, fresh_database(server), scheme))
            work()
            yield name, work


def _tools(root: Path, count: int) -> dict[str, tuple[str, Run]]:
    plain, through = "postgresql", "postgresql+psycopg"
    kinds = {"dbmate": (plain, _dbmate), "yoyo": (through, _yoyo), "alembic": (through, _alembic),
             "node-pg-migrate": (plain, _node), "psql": (plain, _psql)}  # fmt: skip
    found: dict[str, tuple[str, Run]] = {}
    for name, (scheme, prepare) in kinds.items():
        beside = Path(sys.executable).parent / name
        program = shutil.which(name) or (str(beside) if beside.exists() else None)
        if program:
            (root / name).mkdir(parents=True)
            found[name] = scheme, prepare(root / name, count, program)
    return found


def _dbmate(folder: Path, count: int, program: str) -> Run:
    for number in range(count):
        (folder / f"{20260101000000 + number}_t.sql").write_text(
            f"-- migrate:up\n{sql(number)}-- migrate:down\n"
        )
    words = [program, "--no-dump-schema", "--migrations-dir", str(folder)]
    return lambda at: process([*words, "--url", f"{at}?sslmode=disable", "migrate"], folder)


def _yoyo(folder: Path, count: int, program: str) -> Run:
    for number in range(count):
        (folder / f"{number:05d}.sql").write_text(sql(number))
    words = [program, "apply", "--batch", "--no-config-file", "--database"]
    return lambda at: process([*words, at, str(folder)], folder)


def _alembic(folder: Path, count: int, program: str) -> Run:
    versions = folder / "env" / "versions"
    versions.mkdir(parents=True)
    (folder / "env" / "env.py").write_text(
        "import os\nfrom alembic import context\nfrom sqlalchemy import create_engine, pool\n"
        "with create_engine(os.environ['AT'], poolclass=pool.NullPool).connect() as c:\n"
        "    context.configure(connection=c, transaction_per_migration=True)\n"
        "    with context.begin_transaction():\n        context.run_migrations()\n"
    )
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = env\n")
    for number in range(count):
        down = f"'r{number - 1}'" if number else "None"
        body = "".join(f"    op.execute({line!r})\n" for line in sql(number).splitlines())
        (versions / f"r{number}.py").write_text(
            f"from alembic import op\nrevision = 'r{number}'\ndown_revision = {down}\n\n\ndef upgrade():\n{body}"
        )
    words = [program, "upgrade", "head"]
    return lambda at: process(words, folder, {"AT": at})


def _node(folder: Path, count: int, program: str) -> Run:
    for number in range(count):
        (folder / f"{1700000000000 + number}_t.sql").write_text(f"-- Up Migration\n{sql(number)}")
    words = [program, "up", "--single-transaction=false", "-m", str(folder)]
    return lambda at: process(words, folder, {"DATABASE_URL": at})


def _psql(folder: Path, count: int, program: str) -> Run:
    for number in range(count):
        (folder / f"{number:05d}.sql").write_text(sql(number))
    script = 'for f in *.sql; do "$0" -X -q -1 -v ON_ERROR_STOP=1 -f "$f" "$1" || exit 1; done'
    return lambda at: process(["sh", "-c", script, program, at], folder)
