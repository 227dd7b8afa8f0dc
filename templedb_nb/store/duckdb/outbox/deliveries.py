"""How far each notification has come to each receiver."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from templedb_nb.model.notification import NotificationKind
from templedb_nb.model.receiver import DeadLetter, Delivery, DeliveryState
from templedb_nb.store.duckdb.state_file import StateFile
from templedb_nb.store.duckdb.times import bare, zoned

_COLUMNS = (
    "receiver, event, kind, record, stream, place, happened_at, project, target, what, state,"
    " attempts, failing_since, tried_at, due_at, not_before, delivered_at, told, answer,"
    " reference, link"
)
_OWED = f"""
WITH mine AS (
    SELECT *, min(happened_at) OVER (PARTITION BY receiver, stream) AS begun
    FROM deliveries
    WHERE state = 'waiting' AND receiver IN (SELECT name FROM receivers WHERE state = 'active')
)
SELECT {_COLUMNS} FROM mine
QUALIFY row_number() OVER (PARTITION BY receiver ORDER BY begun, stream, place) <= ?
ORDER BY receiver, begun, stream, place
"""  # noqa: S608 - names of ours
_TYPES = (
    *["VARCHAR"] * 5, "INTEGER", "TIMESTAMP", *["VARCHAR"] * 4, "INTEGER", *["TIMESTAMP"] * 5,
    *["VARCHAR"] * 4,
)  # fmt: skip
_LISTS = ", ".join(f"unnest(?::{each}[])" for each in _TYPES)
"""A list for each column: a statement of many rows takes longer to be planned than to be run."""


class DeliveryRecords:
    """What is owed, was given, or is given up; each method is one short session."""

    _file: StateFile

    def known_deliveries(self, events: Collection[str]) -> frozenset[tuple[str, str]]:
        """Return which of *events* which receivers are owed, were given, or will not get."""
        if not events:
            return frozenset()
        with self._file.session() as session:
            rows = session.execute(
                "SELECT receiver, event FROM deliveries WHERE list_contains(?::VARCHAR[], event)",
                [sorted(events)],
            ).fetchall()
        return frozenset((receiver, event) for receiver, event in rows)

    def owed(self, limit: int) -> tuple[Delivery, ...]:
        """Return what waits for the active receivers, in order, and no more of each than that.

        What failed to go before comes in its old place, so that nothing of its stream overtakes it.
        """
        with self._file.session() as session:
            rows = session.execute(_OWED, [limit]).fetchall()
        return tuple(_delivery(row) for row in rows)

    def settle_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Record how far deliveries have come, whether they are known or new."""
        rows = [_row(each) for each in deliveries]
        if rows:
            with self._file.session() as session:
                session.execute(
                    f"INSERT OR REPLACE INTO deliveries SELECT {_LISTS}",
                    [list(column) for column in zip(*rows, strict=True)],
                )

    def delivered_of(self, receiver: str, stream: str) -> tuple[Delivery, ...]:
        """Return what a receiver was given of a stream, in order."""
        with self._file.session() as session:
            rows = session.execute(
                f"SELECT {_COLUMNS} FROM deliveries WHERE receiver = ? AND stream = ?"  # noqa: S608 - names of ours
                " AND state = 'delivered' ORDER BY place",
                [receiver, stream],
            ).fetchall()
        return tuple(_delivery(row) for row in rows)

    def delivery_counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many deliveries of each receiver are in each state."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT receiver, state, count(*) FROM deliveries GROUP BY ALL"
            ).fetchall()
        found: dict[str, dict[str, int]] = {}
        for receiver, state, count in rows:
            found.setdefault(receiver, {})[state] = count
        return found

    def last_and_next(self) -> Mapping[str, tuple[datetime | None, datetime | None]]:
        """Return when each receiver was given something last, and when it is tried next."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT receiver, max(delivered_at), min(due_at) FILTER (state = 'waiting')"
                " FROM deliveries GROUP BY ALL"
            ).fetchall()
        return {receiver: (zoned(last), zoned(due)) for receiver, last, due in rows}

    def dead_letters(self, last: int) -> tuple[DeadLetter, ...]:
        """Return the newest dead letters, newest first."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT receiver, event, kind, project, target, what, happened_at, attempts, told,"
                " answer FROM deliveries WHERE state = 'dead' ORDER BY happened_at DESC LIMIT ?",
                [last],
            ).fetchall()
        return tuple(
            DeadLetter(
                receiver=receiver,
                event=event,
                kind=NotificationKind(kind),
                project=project,
                target=target,
                what=what,
                happened_at=zoned(at),
                attempts=attempts,
                told=told,
                answer=answer,
            )
            for receiver, event, kind, project, target, what, at, attempts, told, answer in rows
        )


def _row(each: Delivery) -> list[Any]:
    times = (each.failing_since, each.tried_at, each.due_at, each.not_before, each.delivered_at)
    return [
        each.receiver,
        each.event,
        each.kind,
        each.record,
        each.stream,
        each.place,
        bare(each.happened_at),
        each.project,
        each.target,
        each.what,
        each.state,
        each.attempts,
        *(bare(at) if at else None for at in times),
        each.told,
        each.answer,
        each.reference,
        each.link,
    ]


def _delivery(row: Sequence[Any]) -> Delivery:
    receiver, event, kind, record, stream, place, at, project, target, what, state, *rest = row
    attempts, failing, tried, due, not_before, delivered, told, answer, reference, link = rest
    return Delivery(
        receiver=receiver,
        event=event,
        kind=NotificationKind(kind),
        record=record,
        stream=stream,
        place=place,
        happened_at=zoned(at),
        project=project,
        target=target,
        what=what,
        state=DeliveryState(state),
        attempts=attempts,
        failing_since=zoned(failing),
        tried_at=zoned(tried),
        due_at=zoned(due),
        not_before=zoned(not_before),
        delivered_at=zoned(delivered),
        told=told,
        answer=answer,
        reference=reference,
        link=link,
    )
