"""Tables of Liquibase, Alembic, tern and River; none of them proves a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from templedb_nb.core.migrations.histories.tool import Tool, below, newest, text
from templedb_nb.core.migrations.layouts import alembic, tern
from templedb_nb.core.migrations.layouts.placing import last
from templedb_nb.model.foreign_history import ForeignRow, Row
from templedb_nb.model.layout import Layout

RIVER_LINE = "main"
_RIVERS = re.compile(r"(?P<version>\d+)_.*river.*\.up\.sql", re.IGNORECASE)


def _liquibase_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    """Return the changesets."""
    foreign_rows = []
    for row in sorted(rows, key=lambda each: int(text(each, "orderexecuted") or 0)):
        kind = text(row, "exectype")
        if kind == "SKIPPED":
            continue
        path = text(row, "filename").removeprefix("classpath:").lstrip("./")
        key = "::".join((path, text(row, "id"), text(row, "author")))
        note = "Liquibase's checksum, of its own reading of the changeset, is not computed here"
        own = _own(key, local)
        if not own:
            note = (
                "no changeset here has that key: formatted SQL has it, with --changeset"
                f" {text(row, 'author')}:{text(row, 'id')} logicalFilePath:{path}; if a plain file"
                " holds it: migration mark-applied FILE"
            )
        if kind == "MARK_RAN":
            note = "Liquibase marked it as ran, and did not run it"
        foreign_rows.append(
            ForeignRow(
                key=own or key,
                name=path,
                sure=kind != "FAILED",
                at=text(row, "dateexecuted"),
                note=note if kind != "FAILED" else "Liquibase recorded that it failed",
                row=row,
            )
        )
    return newest(foreign_rows)


def _own(key: str, local: Sequence[str]) -> str:
    """Return the key here that means the same changeset: either path may begin further down."""
    ends = [each for each in local if f"/{each}".endswith(f"/{key}")]
    starts = [each for each in local if f"/{key}".endswith(f"/{each}")]
    longest = sorted(starts, key=len)[-1:]
    return next(iter(ends or longest), "")


def _alembic_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    """Return the heads alone; what they come behind is in the files."""
    del local
    return [ForeignRow(key=text(row, "version_num"), note=_NO_SUM, row=row) for row in rows]


_NO_SUM = "Alembic keeps its heads alone: that what they come behind is in effect is assumed"


def _alembic_parents(files: Mapping[str, bytes]) -> dict[str, tuple[str, ...]]:
    found = (alembic.revision(body.decode("utf-8", "replace")) for body in files.values())
    return dict(each for each in found if each is not None)


def _alembic_graph(rows: Sequence[Row], parents: Mapping[str, tuple[str, ...]]) -> list[ForeignRow]:
    heads = {text(row, "version_num"): row for row in rows}
    return [
        ForeignRow(key=key, note=_NO_SUM, row=heads.get(key))
        for key in alembic.ancestors(list(heads), parents)
    ]


def _tern_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    if not rows or not int(text(rows[-1], "version") or 0):
        return []
    version = str(int(text(rows[-1], "version")))
    note = f"tern keeps one version ({version}): that the ones before it ran is assumed"
    return below(version, local, ForeignRow(key=version, note=note, row=rows[-1]))


def _tern_key(path: str) -> str | None:
    found = tern.NAME.fullmatch(last(path))
    return str(int(found["version"])) if found else None


def _river_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    del local
    own = [row for row in rows if text(row, "line") in {"", RIVER_LINE}]
    return [
        ForeignRow(
            key=_river(int(text(row, "version"))),
            at=text(row, "created_at"),
            note="is River's own, and River keeps no checksum",
            row=row,
        )
        for row in sorted(own, key=lambda each: int(text(each, "version")))
    ]


def _river(number: int) -> str:
    """Return a key that no file of the project's own has."""
    return f"river:{RIVER_LINE}:{number}"


def _river_key(path: str) -> str | None:
    found = _RIVERS.fullmatch(last(path))
    return _river(int(found["version"])) if found else None


def _by_row(path: str) -> str | None:
    del path
    return None


LIQUIBASE = Tool(
    layout=Layout.LIQUIBASE,
    tables=("databasechangelog",),
    columns=("id", "author", "filename", "dateexecuted", "orderexecuted", "exectype", "md5sum"),
    anywhere=True,
    tell=_liquibase_tells,
    key=_by_row,
    by_row=True,
    lock_table=("databasechangeloglock", "locked"),
)
ALEMBIC = Tool(
    layout=Layout.ALEMBIC,
    tables=("alembic_version",),
    columns=("version_num",),
    exact=True,
    anywhere=True,
    tell=_alembic_tells,
    key=_by_row,
    by_row=True,
    parents=_alembic_parents,
    graph=_alembic_graph,
)
TERN = Tool(
    layout=Layout.TERN,
    tables=("schema_version",),
    columns=("version",),
    exact=True,
    tell=_tern_tells,
    key=_tern_key,
    locks=lambda *_: (9628173550095224,),
)
RIVER = Tool(
    layout=Layout.GOLANG_MIGRATE,
    name="river",
    tables=("river_migration",),
    columns=("version", "created_at"),
    more=("line",),
    tell=_river_tells,
    key=_river_key,
)
