"""A million events to a DataFrame, beside what Arrow needs for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Row
from tests.postgres import Server

_FILL = """
from templedb_nb.store.duckdb.state_file import StateFile
from pathlib import Path
with StateFile(Path("s.duckdb")).session() as c:
    c.execute('''INSERT INTO events SELECT 'run' || (i // 1000), i % 1000, TIMESTAMP '2026-01-01' +
      to_milliseconds(i), i % 60000, 'step_started', '{"kind": "step_started", "step": ' || (i % 500) || '}'
      FROM range(1000000) t(i)''')
"""
_OURS = """
import sys, time
from templedb_nb import Temple
t = Temple.open("s.duckdb"); t.sql("SELECT 1")
import pandas
began = time.perf_counter(); f = t.sql("SELECT * FROM events"); print(time.perf_counter() - began); assert len(f) == 1000000
"""
_ARROW = """
import time
import duckdb, pandas, pyarrow
began = time.perf_counter()
c = duckdb.connect("s.duckdb", read_only=True); c.execute("SET TimeZone='UTC'; SET search_path='history,main'")
f = c.execute("SELECT * FROM events").to_arrow_table().to_pandas(); print(time.perf_counter() - began); assert len(f) == 1000000
"""


def bench(server: Server, root: Path) -> list[Row]:
    """Return ours and, where pyarrow is installed, Arrow's."""
    del server
    _run(_FILL, root)
    ours, arrow = [], []
    for _ in range(5):
        ours.append(float(_run(_OURS, root)))
        if _has_arrow():
            arrow.append(float(_run(_ARROW, root)))
    rows = [Row("a million events through Arrow", arrow)] if arrow else []
    beside = rows[0].what if rows else ""
    return [*rows, Row("a million events to a DataFrame", ours, beside, "≤ 1.2")]


def _has_arrow() -> bool:
    import importlib.util

    return importlib.util.find_spec("pyarrow") is not None


def _run(code: str, root: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    ).stdout
