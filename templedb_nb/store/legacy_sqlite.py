"""The SQLite file of the older TempleDB: opened to be read, in one transaction, never changed.

Its tables (`projects`, `project_files`, `file_contents`, `content_blobs`, `deployment_targets`,
`environment_variables`, `migration_history`, `deployment_history`, `checkouts`) came in the course
of years, so that each table and column may be absent.
"""

from __future__ import annotations

import gzip
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from templedb_nb.errors import FilesError
from templedb_nb.model.legacy_project import OlderFile, OlderProject, OlderVariable, Row
from templedb_nb.model.secret import Secret

_DEFAULT = "default"
_FILES = """
SELECT f.file_path AS path, b.*
FROM project_files f
LEFT JOIN file_contents c ON c.file_id = f.id AND c.is_current = 1
LEFT JOIN content_blobs b ON b.hash_sha256 = c.content_hash
WHERE f.project_id = ? AND coalesce(f.status, 'active') <> 'archived'
ORDER BY f.file_path
"""
_OF_PROJECT = {
    "deployment_targets": "target_name, id",
    "migration_history": "applied_at, id",
    "deployment_history": "deployed_at, id",
    "checkouts": "checkout_at DESC",
}
"""Tables of a project, and the order of their rows; names of ours alone go into the SQL."""


def read_projects(file: Path, slug: str | None = None) -> tuple[OlderProject, ...]:
    """Return the projects of *file*, or the one of that slug.

    Raises `FilesError` if it is not such a file.
    """
    with _opened(file) as older:
        rows = older.rows("SELECT * FROM projects ORDER BY slug")
        return tuple(_project(older, row) for row in rows if slug in {None, row["slug"]})


class _Older:
    """One connection, and which tables there are."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        self._connection = connection
        found = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        self.tables = frozenset(str(row["name"]) for row in found)

    def rows(self, query: str, *values: object) -> list[dict[str, object]]:
        return [dict(row) for row in self._connection.execute(query, values)]

    def of(self, table: str, project: object) -> tuple[Row, ...]:
        if table not in self.tables:
            return ()
        query = f"SELECT * FROM {table} WHERE project_id = ? ORDER BY {_OF_PROJECT[table]}"  # noqa: S608 - constants
        return tuple(self.rows(query, project))


@contextmanager
def _opened(file: Path) -> Iterator[_Older]:
    if not file.is_file():
        raise FilesError(f"{file} is not a file", hint="name the older TempleDB's templedb.sqlite")
    address = f"file:{quote(str(file.absolute()))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            older = _Older(connection)
            if not older.tables >= {"projects", "project_files"}:
                hint = "it has the tables projects, project_files, …"
                raise FilesError(f"{file} is not a file of the older TempleDB", hint=hint)
            yield older
    except sqlite3.Error as error:
        raise FilesError(f"{file} cannot be read as SQLite: {error}") from None


def _project(older: _Older, row: Row) -> OlderProject:
    number, left_out = row["id"], list[str]()
    targets = older.of("deployment_targets", number)
    checkouts = older.of("checkouts", number)
    files = tuple(_files(older, number, left_out))
    variables = tuple(_variables(older, number, targets, left_out))
    return OlderProject(
        slug=str(row["slug"]),
        folder=next((str(each["checkout_path"]) for each in checkouts), ""),
        config=_text(row, "deployment_config"),
        files=files,
        targets=targets,
        variables=variables,
        migrations=older.of("migration_history", number),
        deployments=older.of("deployment_history", number),
        left_out=tuple(left_out),
    )


def _text(row: Row, column: str) -> str:
    found = row.get(column)
    return "" if found is None else str(found)


def _files(older: _Older, project: object, left_out: list[str]) -> Iterator[OlderFile]:
    if not older.tables >= {"file_contents", "content_blobs"}:
        return
    for row in older.rows(_FILES, project):
        path = str(row["path"])
        body = _body(row)
        if isinstance(body, bytes):
            yield OlderFile(path=path, body=body)
        else:
            left_out.append(f"{path}: {body}")


def _body(row: Row) -> bytes | str:
    """Return the bytes of a file, or why they cannot be had."""
    if row.get("hash_sha256") is None:
        return "its contents are not in the file"
    if _text(row, "storage_location") not in {"", "inline"}:
        return f"its contents are kept elsewhere ({_text(row, 'storage_location')})"
    text, blob = row.get("content_text"), row.get("content_blob")
    if isinstance(text, str):
        return text.encode(_text(row, "encoding") or "utf-8", "surrogateescape")
    if not isinstance(blob, bytes):
        return "its contents are not in the file"
    match _text(row, "compression"):
        case "":
            return blob
        case "gzip":
            try:
                return gzip.decompress(blob)
            except (OSError, EOFError, zlib.error):
                return "its contents are damaged"
        case other:
            return f"its contents are packed by {other}"


def _variables(
    older: _Older, project: object, targets: tuple[Row, ...], left_out: list[str]
) -> Iterator[OlderVariable]:
    for row in targets:
        if address := _text(row, "connection_string"):
            yield _variable(str(row["target_name"]), "DATABASE_URL", address)
    if "environment_variables" not in older.tables:
        return
    query = "SELECT * FROM environment_variables WHERE scope_type = 'project' AND scope_id = ?"
    for row in older.rows(f"{query} ORDER BY var_name", project):
        before, colon, name = str(row["var_name"]).rpartition(":")
        target = "" if not colon or before == _DEFAULT else before
        kind = _text(row, "value_type") or "static"
        if kind == "static" and row["var_value"] is not None:
            yield _variable(target, name, str(row["var_value"]))
        else:
            left_out.append(f"variable {name}: its value is not in the file ({kind})")


def _variable(target: str, name: str, value: str) -> OlderVariable:
    return OlderVariable(name=name, target=target, value=Secret(name, value))
