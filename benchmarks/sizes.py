"""How an import and a plan grow with what is read: n and four times of it, beside each other."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.measure import Row
from benchmarks.place import PROGRAM
from tests.postgres import Server

_CONFIG = 'groups:\n  - name: migrations\n    file_patterns: ["migrations/*.sql"]\n'
_TARGET = 'targets:\n  here:\n    variables: {DATABASE_URL: "env:BENCH_URL"}\n'
_GROUP = "  - name: g{}\n    file_patterns: [a]\n    deploy_command: 'true'\n    mutates: false\n"


def bench(server: Server, root: Path) -> list[Row]:
    """Return import and plan of every kind of size, each beside a quarter of it.

    Seconds are of the processor, so that a busy machine does not decide; the memory is the most that
    a process had. A process ends after five minutes of the processor.
    """
    del server
    rows = []
    for name, (count, make) in SIZES.items():
        found = [_measured(root / "place", make, count * times) for times in (1, 4)]
        before = ""
        for times, taken in zip((1, 4), found, strict=True):
            if taken is None:
                print(f"{name}, {count * times}: left out, it took too long")
                continue
            seconds, mebibytes = taken
            what = f"{name}, {count * times} ({mebibytes} MiB)"
            rows.append(Row(what, [seconds], before, "≤ 4.4" if before else ""))
            before = what
    return rows


_MOST_S = 300


def _measured(
    place: Path, make: Callable[[Path, int], None], size: int
) -> tuple[float, int] | None:
    """Return seconds of the processor and mebibytes that an import and a plan take together."""
    make(place / "app", size)
    state = {"TEMPLEDB_STATE": str(place / "state" / "s.duckdb"), "TEMPLEDB_USER": "bench"}
    state["BENCH_URL"] = f"duckdb:///{place}/t.duckdb"
    words = ("project", "import", "app"), ("deploy", "plan", "app", "--target", "here")
    try:
        taken = [_process(place, each, state) for each in words]
    finally:
        shutil.rmtree(place)
    if any(code for code, _, _ in taken):
        return None
    return sum(seconds for _, seconds, _ in taken), max(most for _, _, most in taken)


def _process(
    place: Path, words: tuple[str, ...], state: Mapping[str, str]
) -> tuple[int, float, int]:
    """Return how a command ended, its seconds of the processor, and the most memory it had."""
    limited = ["sh", "-c", f'ulimit -t {_MOST_S}; exec "$0" "$@"', *PROGRAM, *words]
    environ = {**os.environ, **state}
    with subprocess.Popen(limited, cwd=place, env=environ, stdout=subprocess.DEVNULL) as run:
        _, status, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    return run.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


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
