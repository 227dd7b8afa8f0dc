"""How often a run asks the state: a number of times that does not grow with its migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from templedb_nb.store import journal
from templedb_nb.store.duckdb.state_file import StateFile
from tests.conftest import Shop

NOTHING_TO_DO = 13
APPLYING = 21


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[StateFile]:
    """Return what gets an entry for each session; sessions within a session are part of it."""
    found: list[StateFile] = []
    opened = StateFile._opened

    @contextmanager
    def counted(self: StateFile) -> Iterator[Any]:
        found.append(self)
        with opened(self) as connection:
            yield connection

    monkeypatch.setattr(StateFile, "_opened", counted)
    monkeypatch.setattr(journal, "FOLD_EVERY_MS", 3_600_000)  # on a slow machine, too
    return found


def test_run_has_few_sessions_when_nothing_is_to_do(shop: Shop, sessions: list[StateFile]) -> None:
    shop.run()
    sessions.clear()
    assert "no migration was pending" in shop.run().out
    assert 0 < len(sessions) <= NOTHING_TO_DO


def test_run_has_as_many_sessions_when_more_migrations_are_pending(
    shop: Shop, sessions: list[StateFile]
) -> None:
    shop.run()
    counts = []
    for first, last in ((100, 101), (200, 220)):
        for number in range(first, last):
            shop.migration(f"{number}_t.sql", f"CREATE TABLE t{number} (id int);\n")
        sessions.clear()
        assert f"{last - first} migration" in shop.run().out
        counts.append(len(sessions))
    assert counts[0] == counts[1] <= APPLYING
