"""grate's and RoundhousE's folders: ``up`` runs once, in order; what lies beside it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from templedb_nb.core.migrations.layouts.placing import joined, last, parent
from templedb_nb.model.listings import Reason

UP = ("up", "Up")
_AGAIN = frozenset(
    {"functions", "views", "sprocs", "triggers", "indexes", "runafterotheranytimescripts",
     "permissions", "aftermigration"}
)  # fmt: skip
"""What runs behind ``up`` when it changes, or in every run."""
_OTHERS = frozenset(
    {"alterdatabase", "runaftercreatedatabase", "runbeforeup", "runfirstafterup", "beforemigration"}
)


def beside(paths: Iterable[str]) -> frozenset[str]:
    """Return the folders beside an ``up`` that the tool runs at other times.

    *paths* are SQL files; they may lie further down.
    """
    there = {folder for path in paths for folder in _above(path)}
    homes = {parent(folder) for folder in there if last(folder) in UP}
    return frozenset(
        each for each in there if parent(each) in homes and last(each).lower() in _AGAIN | _OTHERS
    )


def reasons(home: str, folders: Iterable[str]) -> Iterator[Reason]:
    """Yield why those of *folders* that lie in *home* are left out."""
    own = sorted(each for each in folders if parent(each) == home)
    again = [each for each in own if last(each).lower() in _AGAIN]
    others = [each for each in own if each not in again]
    if again:
        pattern = joined(again[0], "**/*.sql")
        why = (
            "left out: grate and RoundhousE run them whenever they change, or always; here, a file"
            f' that begins with -- templedb:repeatable does, once "{pattern}" is in file_patterns'
        )
        yield Reason(what=_named(again), why=why)
    if others:
        pattern = joined(others[0], "**/*.sql")
        why = (
            "left out: grate and RoundhousE run them at times of their own; here, add"
            f' "{pattern}" to file_patterns, in its place'
        )
        yield Reason(what=_named(others), why=why)


def _named(folders: Iterable[str]) -> str:
    return ", ".join(f"{each}/" for each in folders)


def _above(path: str) -> Iterator[str]:
    folder = parent(path)
    while folder != ".":
        yield folder
        folder = parent(folder)


def of_environment(path: str) -> bool:
    """Return whether a file is for one environment by its name: ``0001_x.TEST.ENV.sql``."""
    return ".env." in last(path).lower()
