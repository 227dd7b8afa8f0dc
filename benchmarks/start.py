"""How long the program takes to begin, and what a talkative command costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Row, alternate, process
from benchmarks.place import PROGRAM, Place
from tests.postgres import Server

_PEAK = """
import json, resource
from templedb_nb import Temple
result = Temple.open().run("app")
assert result.exit_code == 0, result.message
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def bench(server: Server, root: Path) -> list[Row]:
    """Return --version and --help beside an interpreter that does nothing, or imports Click."""
    del server
    works = {
        "python -c pass": process([sys.executable, "-c", "pass"], root),
        "import click": process([sys.executable, "-c", "import click"], root),
        "templedb --version": process([*PROGRAM, "--version"], root),
        "templedb --help": process([*PROGRAM, "--help"], root),
        "import templedb_nb": process([sys.executable, "-c", "import templedb_nb"], root),
    }
    taken = alternate(works, rounds=15)
    aims = {"templedb --version": "≤ 2", "templedb --help": "≤ 1.5"}
    bases = {"python -c pass": "", "templedb --help": "import click"}
    return [
        Row(name, seconds, bases.get(name, "python -c pass"), aims.get(name, ""))
        for name, seconds in taken.items()
    ]


def output(server: Server, root: Path) -> list[Row]:
    """Return a command that writes 20 and 200 MB, beside the same command into a file."""
    rows, peaks = [], []
    for mb in (20, 200):
        place = Place(root / str(mb), server, 1)
        command = f"head -c {mb}000000 /dev/zero | tr '[:cntrl:]' x | fold -w 99"
        (place.root / "app" / "templedb.yaml").write_text(
            f'groups: [{{name: talk, kind: commands, build_command: "{command}"}}]\n'
        )
        place.fresh()
        works = {
            "bare": process(["sh", "-c", f"{command} > {root}/out"], root),
            "ours": lambda place=place: place.say("deploy", "run", "app", "--quiet"),
        }
        taken = alternate(works, rounds=3)
        rows += [Row(f"{mb} MB into a file", taken["bare"])]
        rows += [Row(f"{mb} MB through a run", taken["ours"], f"{mb} MB into a file")]
        peaks.append(int(place.python(_PEAK)) // 1024)
    print(f"peak memory of the run: {peaks[0]} MiB with 20 MB, {peaks[1]} MiB with 200 MB")
    subprocess.run(["rm", "-f", f"{root}/out"], check=True)
    return rows
