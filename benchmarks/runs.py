"""Cold runs, no-op runs and statuses, and how they grow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Row, alternate
from benchmarks.place import Place
from benchmarks.rivals import floor, idle, rivals
from tests.postgres import Server

_RUN = """
import json, time
from templedb_nb import Temple
marks = {}
began = time.perf_counter()
result = Temple.open().run("app", on_event=lambda e: marks.setdefault(e.event.kind, time.perf_counter()))
assert result.exit_code == 0, result.message
print(json.dumps([time.perf_counter() - began, marks["run_finished"] - marks["run_started"]]))
"""


def cold(server: Server, root: Path) -> list[Row]:
    """Apply 500 small migrations: our process, our run alone, the floor, and other tools."""
    count = 500
    place = Place(root / "ours", server, count)
    inner: list[float] = []

    def ours() -> float:
        place.fresh()
        return place.say("deploy", "run", "app")

    def alone() -> float:
        place.fresh()
        _, run = json.loads(place.python(_RUN))
        inner.append(run)
        return float(run)

    works = {"floor": floor(server, count), "templedb, the run": alone, "templedb, a process": ours}
    works |= dict(rivals(server, root, count))
    taken = alternate(works)
    aims = {"templedb, the run": "≤ 1.3"}
    return [
        Row(name, seconds, "" if name == "floor" else "floor", aims.get(name, ""))
        for name, seconds in taken.items()
    ]


def growth(server: Server, root: Path) -> list[Row]:
    """Apply 100, 500 and 2,000 migrations: cost for each must not grow."""
    rows = []
    for count in (100, 500, 2000):
        place = Place(root / str(count), server, count)

        def ours(place: Place = place) -> float:
            place.fresh()
            return float(json.loads(place.python(_RUN))[1])

        taken = alternate({"ours": ours, "floor": floor(server, count)}, rounds=3)
        rows.append(Row(f"floor, {count}", taken["floor"]))
        rows.append(Row(f"templedb, {count}", taken["ours"], f"floor, {count}"))
    return rows


_MARK = """
INSERT INTO templedb.migration (project, key, kind, file, checksum, checksum_alg, token_checksum,
 token_alg, sql, state, mode, steps, step_done, step_started, attempt_id, run, plan, xid, client, version)
SELECT 'app', 'migrations/' || f, 'run', 'migrations/' || f, c, 'sha256-text-1', c, 'sha256-tokens-1',
 '', 'applied', 'transaction', 2, 2, 2, 'a', 'r', 'p', '1', 'bench', '0'
FROM unnest(%s::text[], %s::text[]) AS t(f, c) ON CONFLICT DO NOTHING
"""


def applied(server: Server, root: Path, count: int) -> Place:
    """Return a place whose migrations are all in the ledger, as runs would have left them."""
    import hashlib

    import psycopg

    place = Place(root, server, count)
    folder = root / "app" / "migrations"
    kept = sorted(folder.iterdir())
    texts = {each.name: each.read_bytes() for each in kept}
    for each in kept[1:]:
        each.unlink()
    place.fresh()
    place.say("deploy", "run", "app")
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    with psycopg.connect(server.database(place.database), autocommit=True) as connection:
        sums = [hashlib.sha256(text).hexdigest() for text in texts.values()]
        connection.execute(_MARK.encode(), [list(texts), sums])
    place.say("deploy", "run", "app")
    return place


def noop(server: Server, root: Path) -> list[Row]:
    """Run and ask where nothing is to do, with 500 and 10,000 applied."""
    rows = []
    for count in (500, 10_000):
        place = applied(server, root / str(count), count)

        def say(*words: str, place: Place = place) -> Callable[[], float]:
            return lambda: place.say(*words)

        works = {
            "deploy run": say("deploy", "run", "app"),
            "status": say("status", "app"),
            "migration status": say("migration", "status", "app"),
        }
        works |= dict(idle(server, root / f"others{count}", count, ("yoyo", "alembic")))
        for name, seconds in alternate(works).items():
            rows.append(Row(f"{name}, {count} applied", seconds))
    return rows
