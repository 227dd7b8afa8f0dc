"""What a look for drift costs a plan, on a database with few tables and with many."""

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
temple = Temple.open()
temple.plan("app", "{target}")
began = time.perf_counter()
temple.plan("app", "{target}")
print(json.dumps(time.perf_counter() - began))
"""
_TABLES = """
DO $$ BEGIN FOR i IN 1..{count} LOOP
  EXECUTE format('CREATE TABLE more%s (id bigserial PRIMARY KEY, a int, b text DEFAULT ''x'', c text,
    d numeric(10,2), e timestamptz DEFAULT now(), f jsonb, g uuid, h bool NOT NULL, i int)', i);
  EXECUTE format('CREATE INDEX ON more%s (a)', i);
  IF i % 100 = 0 THEN COMMIT; END IF;
END LOOP; END $$
"""


def bench(server: Server, root: Path) -> list[Row]:
    """Plan with nothing to do, in a warm process: a target that looks for drift, and one that does not."""
    rows = []
    for count in (10, 2000):
        place = Place(root / str(count), server, 20)
        place.fresh()
        with psycopg.connect(url(server, place.database), autocommit=True) as connection:
            connection.execute(_TABLES.format(count=count).encode())
        place.say("target", "add", "app", "off", "--drift", "off")
        place.say("env", "set", "app", "DATABASE_URL", url(server, place.database), "-t", "off")
        place.say("deploy", "run", "app", "-t", "t")
        (place.root / "app" / "migrations" / "99999_last.sql").write_text("SELECT 1;\n")
        works = {
            f"{count} more tables, drift: off": lambda p=place: float(
                json.loads(p.python(_PLAN.format(target="off")))
            ),
            f"{count} more tables, drift: warn": lambda p=place: float(
                json.loads(p.python(_PLAN.format(target="t")))
            ),
        }
        first = next(iter(works))
        for name, seconds in alternate(works).items():
            rows.append(Row(name, seconds, "" if name == first else first, ""))
    return rows
