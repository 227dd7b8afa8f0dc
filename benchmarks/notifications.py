"""What receivers cost a run: the same run with them and without, in pairs; and equal pairs, as noise."""

from __future__ import annotations

import resource
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Row
from benchmarks.place import Place
from tests.notification_servers import hook
from tests.postgres import Server

PAIRS = 10
AIM = "1.05 ×"


def bench(server: Server, root: Path) -> list[Row]:
    """Return whole processes: runs of a command, and of twenty migrations and a command."""
    rows: list[Row] = []
    with hook() as receiver:
        for name, migrations, fresh in (("no migrations", 5, False), ("20 migrations", 20, True)):
            places = {
                each: Place(root / f"{name} {each}", server, migrations)
                for each in ("with", "without", "again")
            }
            for each, place in places.items():
                _begin(place, receiver.url if each == "with" else "")
            works = {
                each: _run(place, receiver.url if each == "with" else "", fresh=fresh)
                for each, place in places.items()
            }
            taken: dict[str, list[float]] = {each: [] for each in works}
            cpu: dict[str, list[float]] = {each: [] for each in works}
            for number in range(PAIRS):
                order = list(works) if number % 2 else list(works)[::-1]
                for each in order:
                    seconds, used_s = works[each]()
                    taken[each].append(seconds)
                    cpu[each].append(used_s)
            noise = _told(taken["again"], taken["without"])
            pairs = _told(taken["with"], taken["without"])
            used = _told(cpu["with"], cpu["without"])
            own = _told(cpu["again"], cpu["without"])
            rows += [
                Row(f"{name}, no receivers", taken["without"]),
                Row(f"{name}, no receivers again", taken["again"],
                    f"{name}, no receivers", f"noise: pairs {noise}; processor {own}"),
                Row(f"{name}, a webhook", taken["with"],
                    f"{name}, no receivers", f"{AIM}; pairs {pairs}; processor {used}"),
            ]  # fmt: skip
    return rows


def _told(some: list[float], others: list[float]) -> str:
    """Return the median of the ratios of pairs, with their quartiles."""
    ratios = [one / other for one, other in zip(some, others, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def _used_s() -> float:
    """Return the processor time of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _begin(place: Place, url: str) -> None:
    (place.root / "app" / "templedb.yaml").write_text(
        'groups: [{name: migrations, file_patterns: ["migrations/*.sql"]},'
        " {name: web, deploy_command: sleep 0.2}]\n"
    )
    _renew(place, url)
    place.say("deploy", "run", "app")


def _renew(place: Place, url: str) -> None:
    place.fresh()
    if url:
        place.say("notify", "add", "ops", "webhook", url)


def _run(place: Place, url: str, *, fresh: bool) -> Callable[[], tuple[float, float]]:
    def work() -> tuple[float, float]:
        if fresh:
            _renew(place, url)
        before = _used_s()
        seconds = place.say("deploy", "run", "app")
        return seconds, _used_s() - before

    return work
