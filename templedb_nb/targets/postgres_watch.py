"""The heartbeat of a run: a second session shows that it lives, and hears who wants it to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from templedb_nb.errors import TargetError
from templedb_nb.ports import Claim
from templedb_nb.targets.postgres_connection import connect
from templedb_nb.targets.postgres_link import Link

BEAT_S = 2.0
log = logging.getLogger(__name__)


@contextmanager
def watched(link: Link, claim: Claim, asked: Callable[[str], None]) -> Iterator[None]:
    """Beat every `BEAT_S` seconds while the block runs; call *asked* once, with who wants an end.

    The first beat comes after that time, so that a short run opens no second session.
    """
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(link, claim, asked, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _beat(link: Link, claim: Claim, asked: Callable[[str], None], over: threading.Event) -> None:
    told = False
    while not over.wait(BEAT_S):
        try:
            with connect(link.url, f"{link.name}:heartbeat") as connection:
                while True:
                    wish = _wish(connection, claim)
                    if wish and not told:
                        told = True
                        asked(wish)
                    if over.wait(BEAT_S):
                        return
        except (psycopg.Error, TargetError) as error:
            log.warning("the heartbeat of run %s stopped for now: %s", claim.run, error)


def _wish(connection: psycopg.Connection[tuple[str]], claim: Claim) -> str:
    """Show that the run lives; return who wants it to end, and why."""
    row = connection.execute(
        "UPDATE templedb.lock SET heartbeat = pg_catalog.clock_timestamp()"
        " WHERE project = %s AND run = %s RETURNING cancel",
        [claim.project, claim.run],
    ).fetchone()
    return row[0] if row else ""
