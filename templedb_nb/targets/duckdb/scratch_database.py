"""A copy of a DuckDB file, rows and all, in a folder that is thrown away."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from templedb_nb.core.migrations.script import Script
from templedb_nb.errors import TargetError, Unreachable
from templedb_nb.targets.duckdb import catalog

if TYPE_CHECKING:
    import duckdb


@contextmanager
def copied(path: Path) -> Iterator[DuckdbScratch]:
    """Copy the file, open the copy, and remove it."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="templedb-") as folder:
        copy = Path(folder) / "copy.duckdb"
        try:
            for each in (path, path.with_name(f"{path.name}.wal")):
                if each.exists():
                    shutil.copyfile(each, copy.with_name(each.name.replace(path.name, copy.name)))
            connection = duckdb.connect(str(copy))
        except (OSError, duckdb.Error) as error:
            raise Unreachable(f"cannot copy {path}: {error}") from None
        try:
            yield DuckdbScratch(connection)
        finally:
            connection.close()


class DuckdbScratch:
    """Runs scripts on the copy."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Use a connection to the copy."""
        self._connection = connection

    def run(self, script: Script, file: str) -> None:
        """Run every statement in one transaction."""
        import duckdb

        connection = self._connection.cursor()
        try:
            connection.execute("BEGIN")
            for part in connection.extract_statements(script.up):
                connection.execute(part.query)
            connection.execute("COMMIT")
        except duckdb.Error as error:
            with suppress(duckdb.Error):
                connection.execute("ROLLBACK")
            message = str(error).split("\n", 1)[0]
            raise TargetError(f"{file}: {message}") from None
        finally:
            connection.close()

    def schema(self) -> str:
        """Return every definition, in the order of its text."""
        found = catalog.catalog(self._connection)
        return "\n".join(f"{name}: {text}" for name, text in found.items())
