"""The contract of the store: what several calls keep in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from templedb_nb.model.project import Project, Slug
from templedb_nb.store.duckdb.settings import Settings
from templedb_nb.store.duckdb.state_file import StateFile


def a_project(slug: str) -> Project:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Project(slug=Slug(slug), known_as=slug, root=f"/{slug}", created_at=at)


def slugs(path: Path) -> list[str]:
    return [each.slug for each in Settings(StateFile(path)).projects()]


def test_transaction_keeps_every_call_when_it_ends(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.duckdb")
    with file.transaction():
        Settings(file).keep_project(a_project("one"))
        Settings(file).keep_project(a_project("two"))
    assert slugs(file.path) == ["one", "two"]


def test_transaction_keeps_nothing_when_it_breaks(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.duckdb")
    Settings(file).keep_project(a_project("before"))

    def broken() -> None:
        with file.transaction():
            Settings(file).keep_project(a_project("one"))
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        broken()
    assert slugs(file.path) == ["before"]


def test_transaction_inside_another_ends_with_the_outer_one(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.duckdb")

    def broken() -> None:
        with file.transaction():
            with file.transaction():
                Settings(file).keep_project(a_project("inner"))
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        broken()
    assert slugs(file.path) == []
