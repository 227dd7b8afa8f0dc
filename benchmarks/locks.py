"""What lint, locks by name and foreseen waits cost a plan, on a database with many tables."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import psycopg

from benchmarks.measure import Row
from benchmarks.place import Place, url
from tests.postgres import Server

_PARTS = """
import json, time
began = time.perf_counter()
from templedb_nb import Temple
from templedb_nb.app.deploy import plans
from templedb_nb.app.findings import plan_findings
every = plans.named_locks, plans.foreseen_waits, plan_findings.linted
none = (lambda draft, *_: draft.scripts), (lambda *_: ()), (lambda *_: [])
def choose(parts):
    plans.named_locks, plans.foreseen_waits, plan_findings.linted = parts
"""
_PLANS = """
temple = Temple.open()
def took(parts):
    choose(parts)
    began = time.perf_counter(), time.process_time()
    temple.plan("app", "t")
    return time.perf_counter() - began[0], time.process_time() - began[1]
took(none), took(every)
print(json.dumps([[*took(none), *took(every)] for _ in range({pairs})]))
"""
_ALONE = """
choose({parts})
Temple.open().plan("app", "t")
print(json.dumps(time.perf_counter() - began))
"""
_TABLES = """
DO $$ BEGIN FOR i IN 1..2000 LOOP
  EXECUTE format('CREATE TABLE more%s (id bigint PRIMARY KEY, b1 bigint, b2 bigint, b3 bigint, a text)', i);
  IF i > 1 THEN FOR j IN 1..3 LOOP
    EXECUTE format('ALTER TABLE more%s ADD FOREIGN KEY (b%s) REFERENCES more%s', i, j, greatest(1, i / (j + 1)));
  END LOOP; END IF;
  IF i % 100 = 0 THEN COMMIT; END IF;
END LOOP; END $$
"""
_PROCESSES, _PAIRS, _ALONE_PAIRS = 3, 7, 7
_AIM = "≤ 1.3 ×"


def bench(server: Server, root: Path) -> list[Row]:
    """Plan migrations that alter tables without both and with both, by turns.

    20 files and 200 are planned again in a running process; 20 in a new one each time, which
    includes its start, and squawk.
    """
    place = Place(root, server, 20)
    place.fresh()
    database = url(server, place.database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_TABLES.encode())
    place.say("target", "update", "app", "t", "--drift", "off", "--reason", "bench")
    place.say("deploy", "run", "app", "-t", "t")
    rows: list[Row] = []
    for pending in (20, 200):
        for number in range(pending):
            file = place.root / "app" / "migrations" / f"9{number:04}_alter.sql"
            table = 2000 // pending * number + 2
            sql = f"ALTER TABLE more{table} DROP b1;\nALTER TABLE more{table} ADD b int;\n"
            file.write_text(sql)
        rows += _again(place, f"{pending} files")
        rows += _alone(place, f"{pending} files, a new process")
    return rows


def _again(place: Place, what: str) -> list[Row]:
    pairs: list[list[float]] = []
    for _ in range(_PROCESSES):
        pairs += json.loads(place.python(_PARTS + _PLANS.format(pairs=_PAIRS)))
    wall = [(one, other) for one, _, other, _ in pairs]
    cpu = [(one, other) for _, one, _, other in pairs]
    return [*_rows(what, wall), *_rows(f"{what}, processor time", cpu)]


def _alone(place: Place, what: str) -> list[Row]:
    pairs: list[tuple[float, float]] = []
    for _ in range(_ALONE_PAIRS):
        bare, full = (
            float(json.loads(place.python(_PARTS + _ALONE.format(parts=parts))))
            for parts in ("none", "every")
        )
        pairs.append((bare, full))
    return _rows(what, pairs)


def _rows(what: str, pairs: list[tuple[float, float]]) -> list[Row]:
    without, both = f"{what}: without both", f"{what}: lint, locks by name, waits"
    ratio = statistics.median(other / one for one, other in pairs)
    aim = f"{_AIM}; median of {len(pairs)} pairs {ratio:.2f} ×"
    return [
        Row(without, [one for one, _ in pairs]),
        Row(both, [other for _, other in pairs], without, aim),
    ]
