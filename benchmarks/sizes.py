"""How a plan and a run grow with what is read: n, twice and four times of it, beside each other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Row, alternate, process
from benchmarks.place import PROGRAM
from tests.postgres import Server

_CONFIG = 'groups:\n  - name: migrations\n    file_patterns: ["migrations/*.sql"]\n'
_TARGET = 'targets:\n  here:\n    variables: {DATABASE_URL: "env:BENCH_URL"}\n'
_GROUP = "  - name: g{}\n    file_patterns: [a]\n    deploy_command: 'true'\n    mutates: false\n"


def bench(server: Server, root: Path) -> list[Row]:
    """Return import and plan of every kind of size, each beside half of it."""
    del server
    rows = []
    for name, (count, make) in SIZES.items():
        works = {}
        for times in (1, 2, 4):
            place = root / name.replace(" ", "-") / str(times)
            make(place / "app", count * times)
            works[f"{name}, {count * times}"] = _work(place)
        taken = alternate(works, rounds=3)
        before = ""
        for what, seconds in taken.items():
            rows.append(Row(what, seconds, before, "≤ 2.2" if before else ""))
            before = what
    return rows


def _work(place: Path) -> Callable[[], float]:
    """Return a work that imports and plans, in a new state each time."""
    state = {"TEMPLEDB_STATE": str(place / "state" / "s.duckdb"), "TEMPLEDB_USER": "bench"}
    state["BENCH_URL"] = f"duckdb:///{place}/t.duckdb"

    def work() -> float:
        shutil.rmtree(place / "state", ignore_errors=True)
        words = ("project", "import", "app"), ("deploy", "plan", "app", "--target", "here")
        return sum(process([*PROGRAM, *each], place, state)() for each in words)

    return work


def _app(app: Path, config: str = _CONFIG) -> Path:
    (app / "migrations").mkdir(parents=True)
    (app / "templedb.yaml").write_text(config + _TARGET)
    (app / "a").write_text("a")
    return app / "migrations" / "001.sql"


def _files(app: Path, count: int) -> None:
    _app(app).write_text("SELECT 1;\n")
    for number in range(count):
        path = app / f"d{number % 100}" / f"f{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(number))


def _groups(app: Path, count: int) -> None:
    _app(app, "groups:\n" + "".join(_GROUP.format(n) for n in range(count)))


def _directives(app: Path, count: int) -> None:
    lines = (f"-- templedb:nolint drop-table\nDROP TABLE IF EXISTS t{n};\n" for n in range(count))
    _app(app).write_text("".join(lines))


def _statement(app: Path, count: int) -> None:
    _app(app).write_text(f"SELECT '{'x' * count * 1_000_000}';\n")


def _identifier(app: Path, count: int) -> None:
    _app(app).write_text(f"CREATE TABLE {'x' * count * 1000} (a int);\n")


SIZES: dict[str, tuple[int, Callable[[Path, int], None]]] = {
    "files": (25_000, _files),
    "groups": (1250, _groups),
    "directives": (5000, _directives),
    "megabytes of one statement": (12, _statement),
    "thousand characters of a name": (500, _identifier),
}
