"""What the sessions on the state cost: kept open between close ones, and opened for each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Row, alternate
from benchmarks.place import Place
from tests.postgres import Server

_COMMANDS = {
    "status": ("status", "app"),
    "deploy plan": ("deploy", "plan", "app"),
    "deploy run": ("deploy", "run", "app"),
}
_REPEATED = """
import contextlib, io, json, time
from templedb_nb import cli
from templedb_nb.store.duckdb.opening import keeping
if {apart}:
    keeping.PAUSE_S = keeping.MOST_S = -1.0
def once():
    with contextlib.redirect_stdout(io.StringIO()):
        assert cli.run({words}) == 0
once()
began = time.process_time()
for _ in range(10):
    once()
print(json.dumps((time.process_time() - began) / 10))
"""


def bench(server: Server, root: Path) -> list[Row]:
    """Return commands of one process with nothing to do, in processor time."""
    place = Place(root / "ours", server, 20)
    place.fresh()
    place.say("deploy", "run", "app")
    works: dict[str, Callable[[], float]] = {}
    for name, words in _COMMANDS.items():
        for how in ("apart", "kept"):
            code = _REPEATED.format(apart=how == "apart", words=words)
            works[f"{name}, {how}"] = lambda code=code: float(json.loads(place.python(code)))
    return [
        Row(name, seconds, name.replace("kept", "apart") if "kept" in name else "")
        for name, seconds in alternate(works).items()
    ]
