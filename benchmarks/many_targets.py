"""Targets in numbers: import, list and select, of a thousand and of twenty thousand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measure import Row
from benchmarks.place import PROGRAM
from tests.postgres import Server

SIZES = (1000, 5000, 20_000)
COMMANDS = {
    "import": ("target", "import", "app", "t.csv"),
    "import again": ("target", "import", "app", "t.csv"),
    "list": ("target", "list", "app"),
    "list --where": ("target", "list", "app", "--where", "region=eu and not tier in (free, trial)"),
    "env set": ("env", "set", "app", "DATABASE_URL", "template:duckdb:/nowhere/{slug}.duckdb"),
    "target show": ("target", "show", "app", "tenant-7"),
}


def bench(server: Server, root: Path) -> list[Row]:
    """Return seconds of the processor of each command, and how they grow with the targets.

    The baseline of each is the same command with a thousand targets: what a target costs is the
    difference, divided by the targets.
    """
    del server
    taken: dict[tuple[str, int], float] = {}
    for count in SIZES:
        place = root / str(count)
        (place / "app").mkdir(parents=True)
        (place / "app" / "templedb.yaml").write_text(
            'groups:\n  - name: migrations\n    file_patterns: ["migrations/*.sql"]\n'
        )
        rows = (
            f"tenant-{n},{('eu', 'us')[n % 2]},{('free', 'gold')[n % 2]},t{n}" for n in range(count)
        )
        (place / "t.csv").write_text("\n".join(["name,region,tier,slug", *rows]) + "\n")
        state = {"TEMPLEDB_STATE": str(place / "s.duckdb"), "TEMPLEDB_USER": "bench"}
        _process(place, ("project", "import", "app"), state)
        for name, words in COMMANDS.items():
            taken[name, count] = _process(place, words, state)
    return [
        Row(
            f"{name}, {count}",
            [taken[name, count]],
            "" if count == SIZES[0] else f"{name}, {SIZES[0]}",
            "",
        )
        for name in COMMANDS
        for count in SIZES
    ]


def _process(place: Path, words: tuple[str, ...], state: Mapping[str, str]) -> float:
    """Return the seconds of the processor that a command takes."""
    with subprocess.Popen(
        [*PROGRAM, *words], cwd=place, env={**os.environ, **state}, stdout=subprocess.DEVNULL
    ) as run:
        _, status, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    assert run.returncode == 0, words
    return used.ru_utime + used.ru_stime
