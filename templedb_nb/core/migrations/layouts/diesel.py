"""diesel: a folder for each migration, with ``up.sql`` and maybe ``down.sql`` in it."""

from __future__ import annotations

import re
import tomllib

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Placed,
    Placements,
    complaint,
    last,
    left_out,
    parent,
    twice,
)
from templedb_nb.model.finding import Finding
from templedb_nb.model.layout import Layout, Reading

FOLDER = re.compile(r"\d.*")
"""A folder as diesel names one; what stands before the first ``_`` need not be a time."""
SIDECAR = "metadata.toml"
_OF_HASURA = re.compile(r"up\.ya?ml")
_NOT_READ = "is no SQL, and only Hasura can run it"


def key_of(folder: str) -> str:
    """Return the version that diesel's table has: what stands before the first ``_``."""
    return folder.partition("_")[0].replace("-", "")


def place(folder: MigrationFolder) -> Placements:
    """Return the folders by version, without its dashes."""
    downs = {path for path in folder.files if last(path) == "down.sql"}
    placed: list[Placed] = []
    findings: list[Finding] = []
    for path in folder.files:
        if last(path) == "up.sql":
            reading, wrong = _reading(folder, path)
            down = f"{parent(path)}/down.sql"
            key = key_of(last(parent(path)))
            findings += wrong
            placed.append(
                Placed(
                    path=path,
                    key=key,
                    reading=reading,
                    down=down if down in downs else "",
                    base=folder.base,
                )
            )
        elif path not in downs:
            findings.append(left_out(path, "is neither up.sql nor down.sql: diesel ignores it"))
    own, wrong = _of_hasura(folder, frozenset(parent(each.path) for each in placed))
    placed += own
    findings += wrong
    placed.sort(key=lambda each: (each.key, each.path))
    findings += twice(placed)
    return Placements(files=tuple(placed), downs=tuple(sorted(downs)), findings=tuple(findings))


def _of_hasura(
    folder: MigrationFolder, with_sql: frozenset[str]
) -> tuple[list[Placed], list[Finding]]:
    """Return Hasura's migrations in YAML, which no run passes over; beside SQL they are named."""
    placed: list[Placed] = []
    findings: list[Finding] = []
    for path in folder.beside(_OF_HASURA, below=True):
        own = parent(path)
        if parent(own) != folder.base or not FOLDER.fullmatch(last(own)):
            continue
        if own in with_sql:
            findings.append(left_out(path, f"{_NOT_READ}: up.sql beside it runs here without it"))
            continue
        reading = Reading(layout=Layout.DIESEL, opaque=_NOT_READ)
        key = key_of(last(own))
        placed.append(Placed(path=path, key=key, reading=reading, base=folder.base))
    return placed, findings


def _reading(folder: MigrationFolder, path: str) -> tuple[Reading, list[Finding]]:
    beside = f"{parent(path)}/{SIDECAR}"
    try:
        settings = tomllib.loads(folder.look.beside.get(beside, ""))
    except tomllib.TOMLDecodeError as error:
        return Reading(layout=Layout.DIESEL), [complaint(beside, f"is not TOML: {error}")]
    alone = settings.get("run_in_transaction") is False
    words = f"{SIDECAR}: run_in_transaction = false" if alone else ""
    return Reading(layout=Layout.DIESEL, no_transaction=words), []
