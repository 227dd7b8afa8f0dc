"""One question over the network, in a process of its own that somebody may kill at any time.

Started as ``python -I -S probe.py``. It reads one line of JSON from standard input: ``path`` (where
to import from), ``program`` (the module whose `ask` does the work) and what that one needs; with
``reach``, a host and a port must accept a connection first. On standard output it writes lines of
JSON: ``{"phase": name}`` before each thing that may take time, and at last ``{"cause": …,
"message": …, "latency_ms": n}``. The kernel ends it after ``alarm_s`` if nobody else does.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from typing import Any


def main() -> None:
    """Ask what standard input says."""
    facts = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is not a fact

    def tell(fact: dict[str, Any]) -> None:
        facts.write(json.dumps(fact).encode() + b"\n")
        facts.flush()

    begun = time.monotonic()
    try:
        request = json.loads(sys.stdin.buffer.readline())
        signal.setitimer(signal.ITIMER_REAL, request["alarm_s"])
        sys.path[:] = request["path"]
        first = importlib.import_module("templedb_nb.health.reach").ask
        then = importlib.import_module(request["program"]).ask
        tell({"phase": "ready"})
        begun = time.monotonic()
        reached = first(request, tell) if request.get("reach") else None
        found = then(request, tell) if reached is None or reached["cause"] == "met" else reached
    except Exception as error:  # noqa: BLE001 - whoever waits must hear why
        message = f"the check failed: {type(error).__name__}: {error}"
        found = {"cause": "not_measured", "message": message}
    tell({**found, "latency_ms": round((time.monotonic() - begun) * 1000)})


if __name__ == "__main__":
    main()
