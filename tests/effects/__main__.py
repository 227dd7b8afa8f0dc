"""``python -m tests.effects``: measure every statement on each server here, and compare with our rules.

``--measure`` writes the record again; ``--servers`` names the folders of servers with ``initdb``.
``--kinds`` measures those kinds alone, on servers of the record's versions, and keeps the rest.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests import postgres
from tests.effects.measure import Measured, Stage, outside
from tests.effects.record import PATH, Record, figures
from tests.effects.stages import OTHERS, TABLES
from tests.effects.statements import OUTSIDE, OUTSIDE_KINDS, cases

_KINDS = (*TABLES, *OTHERS)


def main() -> int:
    """Print the figures of each server; 1 if anything does more than our rules say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--measure", action="store_true", help="measure again, and write the record"
    )
    parser.add_argument("--servers", nargs="*", type=Path, help="folders with initdb and postgres")
    parser.add_argument("--kinds", nargs="*", choices=_KINDS, help="measure these alone")
    parser.add_argument("--record", type=Path, default=PATH, help="the file to write")
    given = parser.parse_args()
    if given.measure:
        _measure(given.servers or postgres.every(), given.kinds, given.record)
    record = Record.read(given.record)
    print(figures(record))
    return 1 if any(each.less for each in record.counts()) else 0


def _measure(folders: list[Path], some: list[str] | None, path: Path) -> None:
    newest = {postgres.version(each).split(".")[0]: each for each in reversed(folders)}
    today = dt.datetime.now(dt.UTC).date().isoformat()
    record = Record.read(path) if some else Record(date=today)
    for major, folder in sorted(newest.items(), key=lambda each: int(each[0])):
        version = postgres.version(folder)
        if some and record.servers.get(major) != version:
            sys.exit(f"the record is of {record.servers.get(major)}, and {folder} has {version}")
        record.servers[major] = version
        print(f"PostgreSQL {version}", file=sys.stderr)
        with (
            tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as place,
            postgres.started(folder, Path(place)) as server,
        ):
            _on_one(server.admin, major, record, some or _KINDS)
    own = sorted(record.outcomes.items(), key=lambda each: _KINDS.index(each[0][0]))
    record.outcomes = dict(own)
    record.write(path)


def _on_one(admin: str, major: str, record: Record, kinds: Sequence[str]) -> None:
    ours = list(cases())
    for kind in kinds:
        print(kind, file=sys.stderr, flush=True)
        own = [sql for each, sql, _ in ours if each == kind]
        try:
            with Stage(admin, kind) as stage:
                record.graphs[kind] = stage.graph()
                for sql, found in stage.inside(own).items():
                    record.add(major, kind, sql, found)
                for sql, undo in OUTSIDE.items() if kind in OUTSIDE_KINDS else ():
                    record.add(major, kind, sql, outside(stage, sql, undo))
        except postgres.psycopg.errors.SyntaxError:  # a kind that only later servers have
            for sql in own:
                record.add(major, kind, sql, Measured(refused="42601"))


if __name__ == "__main__":
    sys.exit(main())
