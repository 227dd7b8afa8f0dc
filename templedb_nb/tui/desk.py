"""What the terminal knows, and what it asks when: never more often than is worth it.

The files of the state are looked at every half second; the state is read when they have changed,
and a target is asked at the start, when a run has ended there, and when somebody wants that.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from templedb_nb.model.board import DriftGlance
from templedb_nb.model.history import RunRow
from templedb_nb.tui import source
from templedb_nb.tui.lanes import Asked, Lane, SharedByLanes, Work, ended
from templedb_nb.tui.values import AskedTarget, Footprint, Overlook, Place, Remembered

if TYPE_CHECKING:
    from templedb_nb.app.container import Container

LOOK_S = 0.5
READ_S = 1.5
"""The state is read no more often, however often it changes."""
SETTLE_S = 10.0
LANES = ("look", "targets", "waiting", "pages", "words")
WAITING: Place = ("", "")
"""No target, but the plans that wait."""

Later = Callable[[Callable[[Asked], None], Asked], None]
"""Lets the thread that draws take an answer."""


class Desk:
    """Asks for what is shown; all but the lanes' work is done by the thread that draws."""

    def __init__(
        self, opening: Callable[[], Container], later: Later, trouble: Callable[[str, str], None]
    ) -> None:
        """Ask applications of *opening*; *trouble* is told what could not be read, by its key."""
        secrets = SharedByLanes()
        self.masker = secrets.masker()
        self.overlook = Overlook()
        self.dirty = True
        self._later, self._trouble = later, trouble
        self._lanes = {name: Lane(name, opening, secrets) for name in LANES}
        self._footprint = Footprint()
        self._read: tuple[int, int, int] | None = None
        self._read_at = self._looked_at = self._settled_at = -1e9
        self._window = source.WINDOW
        self._asking: set[Place] = set()
        self._to_ask: dict[str, set[str]] = defaultdict(set)
        self._to_glance: set[Place] = set()
        self._owed: set[Place] = set()

    def begin(self) -> None:
        """Start to look."""
        for each in self._lanes.values():
            each.begin()
        self.tick()

    def end(self, within_s: float) -> bool:
        """Ask nothing more; return whether all that was asked has come to an end."""
        return ended(tuple(self._lanes.values()), within_s)

    def ask(
        self,
        lane: str,
        key: str,
        work: Work,
        answer: Callable[[Any], None],
        failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """Do *work* in a lane, and let *answer* have its value.

        Trouble is told instead, and *failed* hears of it.
        """

        def taken(asked: Asked) -> None:
            if asked.error is not None:
                self._trouble(key, source.line_of(asked.error))
                failed(asked.error)
                return
            self._trouble(key, "")
            answer(asked.value)

        self._lanes[lane].ask(key, work, partial(self._later, taken))

    def pending(self, lane: str, key: str) -> bool:
        """Return whether such work is not done yet."""
        return self._lanes[lane].pending(key)

    def tick(self) -> None:
        """Look at the files, if that is due."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_S and not self.pending("look", "look"):
            self._looked_at = now
            known = tuple(each.run for each in self.overlook.live)
            work = partial(_look, self._footprint.journals, known)
            self.ask("look", "look", work, self._looked)

    def again(self) -> None:
        """Read everything anew, and ask every target."""
        self._read = None
        self._read_at = -1e9
        self._ask(((slug, target.name) for slug, target in self.overlook.remembered.targets))
        self._ask_waiting()
        self.tick()

    def older(self) -> None:
        """Read older runs, too, if there are more."""
        if self.overlook.remembered.more and not self.pending("look", "state"):
            self._window *= 4
            self._read = None
            self._read_at = -1e9

    def send(self, work: Work, taken: Callable[[Asked], None]) -> None:
        """Record what somebody says; *taken* hears what became of it, good or bad."""
        self._lanes["words"].ask("word", work, partial(self._later, taken))

    def words_changed(self) -> None:
        """Ask anew what waits, and notify people: somebody has said something."""
        self._ask_waiting()
        self.ask("words", "notify", source.notified, self._notified)

    def _notified(self, found: tuple[str, ...]) -> None:
        self._trouble("notify", f"not notified: {'; '.join(found)}" if found else "")

    def _looked(self, found: tuple[Footprint, Any, datetime]) -> None:
        mark, running, at = found
        if running is not None and running != self.overlook.live:
            self._set(live=running)
        self._footprint = mark
        self.overlook = replace(self.overlook, looked_at=at)
        now = time.monotonic()
        if source.dead(mark.journals, self.overlook.live) and now - self._settled_at >= SETTLE_S:
            self._settled_at = now
            self.ask("waiting", "settle", source.settle, lambda _: None)
        due = now - self._read_at >= READ_S
        if mark.state != self._read and due and not self.pending("look", "state"):
            self._read, self._read_at = mark.state, now
            work = partial(source.remembered, window=self._window)
            self.ask("look", "state", work, self._remembered, self._unread)

    def _unread(self, error: Exception) -> None:
        """Read the state again soon: a file that is free again looks as it did before."""
        del error
        self._read = None

    def _owe(self, error: Exception, what: Collection[Place] = ()) -> None:
        """Ask again what could not be asked while another process had the state open."""
        if source.in_use(error):
            self._owed |= set(what) or {WAITING}
            self._read = None

    def _remembered(self, found: Remembered) -> None:
        before = self.overlook.remembered
        first = before.at is None
        known = {(slug, target.name) for slug, target in found.targets}
        kept = {place: each for place, each in self.overlook.asked.items() if place in known}
        self._set(remembered=found, asked=kept)
        last = {place: _ended(row) for place, row in before.newest().items()}
        moved = {p for p, row in found.newest().items() if _ended(row) != last.get(p)} & known
        new = known - {(slug, target.name) for slug, target in before.targets}
        owed, self._owed = self._owed, set()
        self._ask(sorted(known if first else moved | new | (owed & known)))
        if first or moved or found.said != before.said or WAITING in owed:
            self._ask_waiting()
        planned = {(slug, on) for _, slug, on, _ in set(found.plans) - set(before.plans)} & known
        self._ask_drift(known if first else moved | new | planned)

    def _ask(self, places: Iterable[Place]) -> None:
        slugs = set()
        for slug, name in places:
            self._asking.add((slug, name))
            self._to_ask[slug].add(name)
            slugs.add(slug)
        for slug in sorted(slugs):
            key = f"targets of {slug}"
            lane = self._lanes["targets"]
            lane.ask(
                key, partial(self._work, slug), partial(self._later, partial(self._asked, slug))
            )
        self._count()

    def _work(self, slug: str, app: Container) -> None:
        """Ask the targets that are wanted now; in a lane."""
        lane = self._lanes["targets"]

        def told(found: AskedTarget) -> bool:
            self._later(self._answered, Asked(slug, found))
            return not lane.over

        source.ask_targets(app, slug, self._to_ask.pop(slug, set()), told)

    def _answered(self, asked: Asked) -> None:
        found: AskedTarget = asked.value
        place = (found.status.slug, found.status.target)
        self._asking.discard(place)
        self._set(asked={**self.overlook.asked, place: found})
        self._count()

    def _asked(self, slug: str, asked: Asked) -> None:
        self._trouble(f"targets of {slug}", source.line_of(asked.error) if asked.error else "")
        wanted = self._to_ask.get(slug, set())
        if asked.error is not None:
            self._owe(asked.error, {(own, n) for own, n in self._asking if own == slug})
        self._asking = {(own, n) for own, n in self._asking if own != slug or n in wanted}
        self._count()

    def _ask_waiting(self) -> None:
        told: Callable[[Any], None] = lambda found: self._set(waiting=found)  # noqa: E731 - a type
        self.ask("waiting", "waiting", source.waiting, told, self._owe)

    def _ask_drift(self, places: Collection[Place]) -> None:
        """Ask the state what was last seen of the objects there; no target is asked."""
        self._to_glance |= set(places)
        if self._to_glance:
            work = partial(source.drift, places=frozenset(self._to_glance))
            self.ask("waiting", "drift", work, self._glanced, self._owe)

    def _glanced(self, found: Mapping[Place, DriftGlance | None]) -> None:
        self._to_glance -= found.keys()
        self._set(drift={**self.overlook.drift, **found})

    def _count(self) -> None:
        self._set(asking=len(self._asking))

    def _set(self, **changed: Any) -> None:
        self.overlook = replace(self.overlook, **changed)
        self.dirty = True


def _look(
    journals: tuple[tuple[str, int, int], ...], known: tuple[str, ...], app: Container
) -> tuple[Footprint, Any, datetime]:
    """Look at the files, and at the journals where one has changed, or whose process died."""
    mark = source.footprint(app)
    changed = mark.journals != journals or source.any_died(app, known)
    running = source.live(app) if changed else None
    return mark, running, app.system.clock.now()


def _ended(row: RunRow) -> tuple[str, object, str]:
    return row.run, row.outcome, row.rolled_back_by
