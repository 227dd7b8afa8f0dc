"""Paired measurements: rounds in turn, so that a machine whose speed drifts does not decide."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROUNDS = 5


@dataclass
class Row:
    """One line of the table: seconds of each round, beside those of what it is compared with."""

    what: str
    seconds: list[float] = field(default_factory=list)
    beside: str = ""
    aim: str = ""

    @property
    def median(self) -> float:
        """Return the median, in seconds."""
        return statistics.median(self.seconds)


def alternate(
    works: Mapping[str, Callable[[], float]], rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """Do every work once a round, in turn; return the seconds of each."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    left = dict(works)
    for _ in range(rounds):
        for name, work in tuple(left.items()):
            try:
                taken[name].append(work())
            except RuntimeError as error:
                print(f"{name} is left out: {error}")
                del left[name], taken[name]
    return taken


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds *work* takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def process(
    words: Sequence[str], cwd: Path, environ: Mapping[str, str] | None = None
) -> Callable[[], float]:
    """Return a work that runs a program as a whole process; a failure is told, not timed."""

    def work() -> float:
        began = time.perf_counter()
        done = subprocess.run(
            list(words), cwd=cwd, env={**os.environ, **(environ or {})}, capture_output=True, text=True, check=False
        )  # fmt: skip
        took = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stdout[-500:]}{done.stderr[-500:]}")
        return took

    return work


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, with ratios of medians and of bests to what stands beside."""
    by_name = {row.what: row for row in rows}
    lines = [
        "| what | median | best | beside | of medians | of bests | aim |",
        "|---|---:|---:|---|---:|---:|---|",
    ]
    for row in rows:
        of_medians = of_bests = ""
        if row.beside:
            beside = by_name[row.beside]
            of_medians = f"{row.median / beside.median:.2f} ×"
            of_bests = f"{min(row.seconds) / min(beside.seconds):.2f} ×"
        told = (_shown(row.median), _shown(min(row.seconds)), row.beside, of_medians, of_bests)
        lines.append(f"| {row.what} | {' | '.join(told)} | {row.aim} |")
    return "\n".join(lines)


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
