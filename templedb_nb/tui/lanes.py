"""What asks the use cases for the terminal, beside the thread that draws.

A lane is one thread with an application of its own, made anew for each piece of work, so that
nothing of the state stays open in between. Whoever waits for a slow target waits in its lane, and
keys are heard meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from templedb_nb.core.secrets.masking import Masker
from templedb_nb.engine.observe import ReadCache

if TYPE_CHECKING:
    from templedb_nb.app.container import Container

PATIENCE_S = 5.0
"""So long the state is waited for that another process has open; then it is tried again later."""

Work = Callable[["Container"], Any]
Answer = Callable[["Asked"], None]


class Asked:
    """What a piece of work came to: a value, or an error; never both."""

    def __init__(self, key: str, value: Any = None, error: Exception | None = None) -> None:
        """Answer to the work that was asked for as *key*."""
        self.key = key
        self.value = value
        self.error = error


class SharedByLanes:
    """What one thread learns of secrets, all mask; each thread has a masker of its own.

    The `cache` of texts that were read is one for all.
    """

    def __init__(self) -> None:
        """Know none."""
        self._lock = threading.RLock()
        self._known: dict[str, str] = {}
        self._maskers: list[Masker] = []
        self.cache = ReadCache()

    def masker(self) -> Masker:
        """Return a masker for one more thread."""
        made = Masker()
        with self._lock:
            for value, name in self._known.items():
                made.add(name, value)
            made.heard = self._heard
            self._maskers.append(made)
        return made

    def _heard(self, name: str, value: str) -> None:
        with self._lock:
            if value not in self._known:
                self._known[value] = name
                for each in self._maskers:
                    each.add(name, value)


class Lane:
    """One thread that does one piece of work after the other; the newest of a key replaces it."""

    def __init__(self, name: str, opening: Callable[[], Container], secrets: SharedByLanes) -> None:
        """Work with applications of *opening*, which share their *secrets*."""
        self._opening = opening
        self._masker, self._cache = secrets.masker(), secrets.cache
        self._changed = threading.Condition()
        self._wanted: dict[str, tuple[Work, Answer]] = {}
        self._busy = ""
        self._over = False
        self._thread = threading.Thread(target=self._go_on, name=f"templedb {name}", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def ask(self, key: str, work: Work, answer: Answer) -> None:
        """Do *work*, unless more of the same key comes before; tell *answer* what it came to."""
        with self._changed:
            self._wanted[key] = (work, answer)
            self._changed.notify_all()

    def pending(self, key: str) -> bool:
        """Return whether such work is waiting or going on."""
        with self._changed:
            return key == self._busy or key in self._wanted

    @property
    def over(self) -> bool:
        """Return whether nobody waits for an answer any more."""
        return self._over

    def end(self) -> None:
        """Begin no more work."""
        with self._changed:
            self._over = True
            self._wanted.clear()
            self._changed.notify_all()

    def ended(self, within_s: float) -> bool:
        """Return whether the thread has ended, at the latest after so long."""
        if self._thread.ident is not None:
            self._thread.join(within_s)
        return not self._thread.is_alive()

    def _go_on(self) -> None:
        while True:
            with self._changed:
                self._busy = ""
                while not self._wanted and not self._over:
                    self._changed.wait()
                if self._over:
                    return
                key = next(iter(self._wanted))
                work, answer = self._wanted.pop(key)
                self._busy = key
            told = self._done(key, work)
            if not self._over:
                with suppress(Exception):  # the screen is gone
                    answer(told)

    def _done(self, key: str, work: Work) -> Asked:
        try:
            app = self._opening()
            vars(app)["masker"], app.cache = self._masker, self._cache
            with app.state.patient(PATIENCE_S), app.state.kept():
                return Asked(key, work(app))
        except Exception as error:  # noqa: BLE001 - one line tells of it, and the next look tries again
            return Asked(key, error=error)


def ended(lanes: tuple[Lane, ...], within_s: float) -> bool:
    """End all lanes; return whether all threads have ended within that time."""
    for each in lanes:
        each.end()
    until = time.monotonic() + within_s
    return all(each.ended(max(until - time.monotonic(), 0.0)) for each in lanes)
