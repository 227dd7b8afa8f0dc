"""What lint, locks by name and foreseen waits cost a plan, on a database with many tables."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg

from benchmarks.measure import Row, alternate
from benchmarks.place import Place, url
from tests.postgres import Server

_PLAN = """
import json, time
from templedb_nb import Temple
from templedb_nb.app.deploy import plans
if {bare}:
    plans.named_locks = lambda draft, *_: draft.scripts
    plans.foreseen_waits = lambda *_: ()
temple = Temple.open()
temple.plan("app", "{target}")
began = time.perf_counter()
temple.plan("app", "{target}")
print(json.dumps(time.perf_counter() - began))
"""
_TABLES = """
DO $$ BEGIN FOR i IN 1..2000 LOOP
  EXECUTE format('CREATE TABLE more%s (id bigint PRIMARY KEY, above bigint, a text)', i);
  IF i > 1 THEN
    EXECUTE format('ALTER TABLE more%s ADD FOREIGN KEY (above) REFERENCES more%s', i, i / 2);
  END IF;
  IF i % 100 = 0 THEN COMMIT; END IF;
END LOOP; END $$
"""
_PENDING = 20


def bench(server: Server, root: Path) -> list[Row]:
    """Plan migrations that alter tables, in a warm process, without both and with both."""
    place = Place(root, server, 20)
    place.fresh()
    database = url(server, place.database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_TABLES.encode())
    for name, lint in (("bare", "off"), ("full", "warn")):
        place.say("target", "add", "app", name, "--drift", "off", "--lint", lint)
        place.say("env", "set", "app", "DATABASE_URL", database, "-t", name)
    place.say("deploy", "run", "app", "-t", "bare")
    for number in range(_PENDING):
        file = place.root / "app" / "migrations" / f"9{number:04}_alter.sql"
        table = 100 * number + 2
        file.write_text(
            f"ALTER TABLE more{table} DROP above;\nALTER TABLE more{table} ADD b int;\n"
        )
    works = {
        "without both": lambda: float(
            json.loads(place.python(_PLAN.format(target="bare", bare=True)))
        ),
        "lint, locks by name, waits": lambda: float(
            json.loads(place.python(_PLAN.format(target="full", bare=False)))
        ),
    }
    first = next(iter(works))
    return [
        Row(name, seconds, "" if name == first else first, "")
        for name, seconds in alternate(works).items()
    ]
