"""Rollouts beside bare threads: the same statements with a ledger row, on the same databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from benchmarks.measure import Row, process, timed
from benchmarks.place import PROGRAM, fresh_database, sql
from tests.postgres import Server

COUNTS = (10, 40)
FILES, PARALLEL = 5, 8


def bench(server: Server, root: Path) -> list[Row]:
    """Return a rollout at first contact and afterwards, each beside bare threads, and its plan."""
    return [row for count in COUNTS for row in _of(server, root / str(count), count)]


def _of(server: Server, root: Path, count: int) -> list[Row]:
    (root / "app" / "migrations").mkdir(parents=True)
    config = 'groups: [{name: migrations, file_patterns: ["migrations/*.sql"]}]\n'
    (root / "app" / "templedb.yaml").write_text(config)
    ours = [fresh_database(server) for _ in range(count)]
    bare = [fresh_database(server) for _ in range(count)]
    say = _begun(server, root, ours)
    rows = []
    for part, name in enumerate(
        (f"{count} targets, first contact", f"{count} targets, afterwards")
    ):
        numbers = range(part * FILES, (part + 1) * FILES)
        texts = {f"{n:05d}_t.sql": sql(n) for n in numbers}
        for file, text in texts.items():
            (root / "app" / "migrations" / file).write_text(text)
        floor = timed(lambda texts=texts: _bare(server, bare, texts))  # type: ignore[misc]  # a default binds it
        planned = say("fleet", "plan", "app", "all", "--json")
        rolled = say("fleet", "resume", "app", "all")
        rows += [
            Row(f"bare threads, {name}", [floor]),
            Row(f"fleet plan, {name}", [planned], f"bare threads, {name}"),
            Row(
                f"fleet run, {name}",
                [rolled],
                f"bare threads, {name}",
                "2.5" if not part else "1.7",
            ),
        ]
    return rows


def _begun(server: Server, root: Path, databases: Sequence[str]) -> Callable[..., float]:
    environ = {"TEMPLEDB_STATE": str(root / "s.duckdb"), "XDG_CONFIG_HOME": str(root / "config"),
               "TEMPLEDB_USER": "bench"}  # fmt: skip

    def say(*words: str) -> float:
        return process([*PROGRAM, *words], root, environ)()

    given = psycopg.conninfo.conninfo_to_dict(server.admin)
    say("project", "import", "app")
    (root / "t.csv").write_text("name\n" + "".join(f"{each}\n" for each in databases))
    say("target", "import", "app", "t.csv")
    where = f"{given['host']}:{given['port']}/{{name}}"
    url = f"template:postgresql://{given['user']}:{{DB_PASSWORD}}@{where}"
    (root / "password").write_text(str(given.get("password", "")))
    say("env", "set", "app", "DB_PASSWORD", f"file:{root}/password")
    say("env", "set", "app", "DATABASE_URL", url)
    say("fleet", "define", "app", "all", "--where", "name", "--parallel", str(PARALLEL))
    return say


def _bare(server: Server, databases: Sequence[str], texts: dict[str, str]) -> None:
    def work(database: str) -> None:
        with psycopg.connect(server.database(database), autocommit=True) as there:
            there.execute(
                "CREATE TABLE IF NOT EXISTS ledger (file text PRIMARY KEY, at timestamptz)"
            )
            for file, text in texts.items():
                with there.transaction():
                    there.execute(text.encode())
                    there.execute("INSERT INTO ledger VALUES (%s, now())", [file])

    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(work, databases))
