"""A look at a state file and its journals that changes neither, however broken they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from templedb_nb.errors import StoreError
from templedb_nb.model.state import Inspection, JournalCheck, JournalState, StateFound, TableCheck
from templedb_nb.store import journal
from templedb_nb.store.duckdb.state_file import StateFile
from templedb_nb.store.duckdb.trouble import explained, first_line, is_broken, refuse_unfit

if TYPE_CHECKING:
    import duckdb

_TABLES = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' ORDER BY 1"
_KNOWN = frozenset({"schema_version", "projects", "runs"})


class StateInspection:
    """The state at *file*, and the journals beside it."""

    def __init__(self, file: StateFile) -> None:
        """Look at *file*."""
        self._file = file

    @property
    def path(self) -> Path:
        """Return the state's file."""
        return self._file.path

    def inspect(self, wanted: Sequence[str]) -> Inspection:
        """Read every block of every table; keep the rows of the *wanted* ones."""
        with self._file.at_rest():
            return _inspected(self.path, wanted)

    def journals(self) -> Iterator[JournalCheck]:
        """Yield what each file among the journals is."""
        return journals(self._file.folder / "journal")


def _inspected(path: Path, wanted: Sequence[str]) -> Inspection:
    try:
        if not refuse_unfit(path):
            return Inspection(found=StateFound.ABSENT)
        with _reading(path) as connection:
            names = [str(name) for (name,) in connection.execute(_TABLES).fetchall()]
    except StoreError as error:
        return Inspection(found=_grade(error), trouble=error.message)
    if not set(names) >= _KNOWN:
        return Inspection(
            found=StateFound.BROKEN, trouble="a DuckDB database, but not a state of templedb"
        )
    rows: dict[str, list[tuple[Any, ...]]] = {}
    tables = tuple(_table(path, name, rows if name in wanted else None) for name in names)
    trouble = next((each.trouble for each in tables if each.trouble), "")
    state = StateFound.BROKEN if trouble else StateFound.SOUND
    return Inspection(found=state, trouble=trouble, tables=tables, rows=rows)


def _table(path: Path, name: str, rows: dict[str, list[tuple[Any, ...]]] | None) -> TableCheck:
    """Read one table by a session of its own: DuckDB gives a whole database up for one block."""
    try:
        with _reading(path) as connection:
            query = f'SELECT count(*), bit_xor(hash(t)) FROM main."{name}" AS t'  # noqa: S608 - of the catalog
            row = connection.execute(query).fetchone()
            if rows is not None:
                rows[name] = connection.execute(f'SELECT * FROM main."{name}"').fetchall()  # noqa: S608
    except StoreError as error:
        return TableCheck(name=name, trouble=error.message)
    return TableCheck(name=name, rows=row[0] if row else 0)


@contextmanager
def _reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    try:
        connection = duckdb.connect(f"duckdb:{path}", read_only=True)
        try:
            yield connection
        finally:
            with suppress(duckdb.Error):
                connection.close()
    except duckdb.Error as error:
        raise explained(path, error) from None


def _grade(error: StoreError) -> StateFound:
    return StateFound.BROKEN if is_broken(error) else StateFound.UNUSABLE


def journals(folder: Path) -> Iterator[JournalCheck]:
    """Yield what each file among the journals is."""
    try:
        files = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        yield JournalCheck(file=str(folder), state=JournalState.FOREIGN, about=first_line(error))
        return
    for path in files:
        name = path.name
        if name.endswith(journal.ASIDE):
            yield JournalCheck(file=str(path), state=JournalState.ASIDE, about="in the history")
        elif name.endswith(".jsonl"):
            yield _journal(folder, path)
        elif not name.endswith(journal.BESIDE):
            yield JournalCheck(file=str(path), state=JournalState.FOREIGN)


def _journal(folder: Path, path: Path) -> JournalCheck:
    file = str(path)
    if path.is_symlink() or not path.is_file():
        return JournalCheck(file=file, state=JournalState.FOREIGN, about="it is not a regular file")
    try:
        going_on = journal.live(folder, path.stem)
        found = journal.lines(path)
    except (OSError, StoreError) as error:
        return JournalCheck(file=file, state=JournalState.FOREIGN, about=first_line(error))
    about = _about(found.entries[0].event) if found.tells else ""
    count = len(found.entries)
    if going_on:
        return JournalCheck(file=file, state=JournalState.LIVE, about=about, events=count)
    if found.damaged or (count and not found.tells):
        return JournalCheck(file=file, state=JournalState.DAMAGED, about=about, events=count,
                            damaged=found.damaged)  # fmt: skip
    return JournalCheck(file=file, state=JournalState.WAITING, about=about, events=count)


def _about(begun: Any) -> str:
    return f"{begun.slug} to {begun.target}"
