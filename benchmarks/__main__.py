"""``python -m benchmarks [NAME …]``: a table for each, with medians and ratios; never a test."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    drift,
    fleets,
    frames,
    kernel,
    locks,
    many_targets,
    masking,
    notifications,
    runbook,
    runs,
    sizes,
    start,
    state,
    trees,
)
from benchmarks.measure import Row, table
from tests import postgres
from tests.postgres import Server

Bench = Callable[[Server, Path], list[Row]]
BENCHES: dict[str, Bench] = {
    "cold": runs.cold,
    "growth": runs.growth,
    "noop": runs.noop,
    "kernel": kernel.bench,
    "start": start.bench,
    "tree": trees.bench,
    "output": start.output,
    "events": frames.bench,
    "runbook": runbook.bench,
    "drift": drift.bench,
    "locks": locks.bench,
    "masking": masking.bench,
    "sizes": sizes.bench,
    "targets": many_targets.bench,
    "fleets": fleets.bench,
    "state": state.bench,
    "notifications": notifications.bench,
}


def main() -> None:
    """Print the tables that are asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    names = parser.parse_args().names or list(BENCHES)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode
    if unknown := set(names) - set(BENCHES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    with (
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as home,
        postgres.started(postgres.binaries(), Path(home), careless=False) as server,
    ):
        for name in names:
            with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as place:
                rows = BENCHES[name](server, Path(place))
            print(f"\n## {name}\n\n{table(rows)}", flush=True)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"\nPython {sys.version.split()[0]}, {used} MiB in the measuring process", file=sys.stderr
    )


if __name__ == "__main__":
    main()
