"""The heartbeat of a run: a second session shows that it lives, and sees what is in its way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field

import psycopg

from templedb_nb.errors import TempleError
from templedb_nb.model.cancel_request import CancelRequest
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Blocker
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.target import LockCallbacks
from templedb_nb.targets.postgres.connection.blockers import blockers
from templedb_nb.targets.postgres.connection.connect import Connection, connect
from templedb_nb.targets.postgres.connection.wire import Link

BEAT_S = 2.0
log = logging.getLogger(__name__)


@contextmanager
def watched(link: Link, claim: Claim, hear: LockCallbacks) -> Iterator[None]:
    """Beat every `BEAT_S` seconds while the block runs, and tell *hear* what is seen.

    The first beat comes after that time, so that a short run opens no second session.
    """
    watch = _Watch(link, claim, hear)
    thread = threading.Thread(target=watch.beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.over.set()
        thread.join()


@dataclass(slots=True)
class _Watch:
    link: Link
    claim: Claim
    hear: LockCallbacks
    over: threading.Event = field(default_factory=threading.Event)
    asked: str = ""
    blocked: tuple[Blocker, ...] = ()

    def beat(self) -> None:
        while not self.over.wait(BEAT_S):
            try:
                with connect(self.link.here, f"{self.link.name}:heartbeat") as connection:
                    self._look(connection)
                    while not self.over.wait(BEAT_S):
                        self._look(connection)
            except (psycopg.Error, TempleError) as error:
                log.warning("the heartbeat of run %s stopped for now: %s", self.claim.run, error)

    def _look(self, connection: Connection) -> None:
        wish = _wish(connection, self.claim)
        if wish and wish != self.asked:
            self.asked = wish
            self.hear.asked(CancelRequest.of(wish))
        blocked = _blockers(connection, self.link)
        if blocked != self.blocked:
            self.blocked = blocked
            self.hear.blocked(blocked)


def _wish(connection: Connection, claim: Claim) -> str:
    """Show that the run lives; return who wants it to end, and why."""
    row = connection.execute(
        "UPDATE templedb.lock SET heartbeat = pg_catalog.clock_timestamp()"
        " WHERE project = %s AND scope = '' AND run = %s RETURNING cancel",
        [claim.project, claim.run],
    ).fetchone()
    return str(row[0]) if row else ""


def _blockers(connection: Connection, link: Link) -> tuple[Blocker, ...]:
    """Return whom the working session waits for."""
    return () if link.lost else blockers(connection, link.connection.info.backend_pid)
