"""The magic in a kernel: loading it, and asking again."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.measure import Row
from benchmarks.runs import applied
from tests.postgres import Server

_CODE = """
import time
def timed(code):
    began = time.perf_counter(); get_ipython().run_cell(code, silent=True); return time.perf_counter() - began
"""


def bench(server: Server, root: Path) -> list[Row]:
    """Return %load_ext, the first and the later statuses, and a no-op run with 10,000 applied."""
    small = applied(server, root / "1000", 1000)
    large = applied(server, root / "10000", 10_000)
    loads, warm, runs = [], [], []
    for _ in range(5):
        values = _asked(small.environ, small.root, "%templedb status app")
        loads.append(values[0])
        warm.append(values[-1])
        runs.append(_asked(large.environ, large.root, "%templedb deploy run app")[-1])
    return [
        Row("%load_ext", loads, aim="≤ 60 ms"),
        Row("%templedb status, warm, 1,000 applied", warm, aim="≤ 100 ms"),
        Row("%templedb deploy run, 10,000 applied", runs, aim="≤ 500 ms"),
    ]


def _asked(environ: dict[str, str], cwd: Path, code: str) -> list[float]:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(env={**os.environ, **environ}, cwd=str(cwd))
    try:
        client.execute_interactive(_CODE, timeout=60, output_hook=lambda _: None)
        reply = client.execute_interactive(
            "pass",
            user_expressions={
                "load": "timed('%load_ext templedb_nb')",
                "first": f"timed({code!r})",
                "warm": f"min(timed({code!r}) for _ in range(3))",
            },
            timeout=300,
            output_hook=lambda _: None,
        )
        found = reply["content"]["user_expressions"]
        return [float(found[name]["data"]["text/plain"]) for name in ("load", "first", "warm")]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
