"""Projects, configs, targets and variables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from templedb_nb.model.project import Project, Slug
from templedb_nb.model.rollback import AfterFailure, RollbackTrigger
from templedb_nb.model.serialization import from_plain, to_plain
from templedb_nb.model.target import FindingLevel, OrderPolicy, Target, TargetName, TargetType
from templedb_nb.model.variable import Keeping, Variable
from templedb_nb.model.window import Rules
from templedb_nb.store.duckdb.state_file import StateFile
from templedb_nb.store.duckdb.times import bare, zoned


class Settings:
    """What people set; each method is one short session."""

    def __init__(self, file: StateFile) -> None:
        """Keep settings in *file*."""
        self._file = file

    def projects(self) -> tuple[Project, ...]:
        """Return every project, by slug."""
        with self._file.session() as session:
            rows = session.execute("SELECT * FROM projects ORDER BY slug").fetchall()
        return tuple(_project(row) for row in rows)

    def keep_project(self, project: Project) -> None:
        """Add a project, or replace the one of the same slug."""
        row = (project.slug, project.known_as, project.root, bare(project.created_at))
        with self._file.session() as session:
            there = session.execute("SELECT * FROM projects WHERE slug = ?", [project.slug])
            if there.fetchone() != row:
                session.execute("INSERT OR REPLACE INTO projects VALUES (?, ?, ?, ?)", row)

    def remove_project(self, slug: Slug) -> None:
        """Forget a project's files, configs, targets and variables; its history stays."""
        tables = ("projects", "project_files", "file_stats", "scans", "releases", "configs")
        with self._file.session() as session:
            for table in (*tables, "targets", "variables"):
                column = "slug" if table == "projects" else "project"
                session.execute(f"DELETE FROM {table} WHERE {column} = ?", [slug])  # noqa: S608 - names of ours
            session.execute("DELETE FROM receivers WHERE origin = ?", [slug])
            session.execute("DELETE FROM receiver_files WHERE project = ?", [slug])

    def config(self, slug: Slug) -> tuple[int, dict[str, Any], datetime, str] | None:
        """Return the newest version: its number, document, when and who."""
        rows = self.configs(slug, last=1)
        return (rows[0][0], rows[0][4], rows[0][1], rows[0][2]) if rows else None

    def configs(
        self, slug: Slug, *, last: int
    ) -> list[tuple[int, datetime, str, str, dict[str, Any]]]:
        """Return the newest versions: number, when, who, note and document."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT version, set_at, set_by, note, document FROM configs"
                " WHERE project = ? ORDER BY version DESC LIMIT ?",
                [slug, last],
            ).fetchall()
        return [(v, zoned(at), by, note, json.loads(doc)) for v, at, by, note, doc in rows]

    def keep_config(
        self, slug: Slug, document: dict[str, Any], at: datetime, by: str, note: str
    ) -> int:
        """Add a version, and return its number."""
        with self._file.session() as session:
            row = session.execute(
                "INSERT INTO configs SELECT ?, coalesce(max(version), 0) + 1, ?, ?, ?, ?"
                " FROM configs WHERE project = ? RETURNING version",
                [slug, json.dumps(document), bare(at), by, note, slug],
            ).fetchone()
        assert row is not None  # noqa: S101 - an INSERT returns its row
        return int(row[0])

    def targets(self, slug: Slug) -> tuple[Target, ...]:
        """Return the targets of a project, by name."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT name, type, provider, host, region, url, protected, order_policy,"
                " approvals, approvers, self_approval, approval_expires_s, signed, signers,"
                " lint, drift, health, on_failure, rollback_on, cancel_policy,"
                " pre_approve_rollback, windows, labels, imported"
                " FROM targets WHERE project = ? ORDER BY name",
                [slug],
            ).fetchall()
        return tuple(_target(row) for row in rows)

    def keep_targets(self, slug: Slug, targets: Sequence[Target]) -> None:
        """Add targets, or replace those of the same names; all or none."""
        rows = [_row(slug, each) for each in targets]
        columns = [list(each) for each in zip(*rows, strict=True)]
        marks = ", ".join(f"unnest(?::{kind}[])" for kind in _COLUMNS)
        with self._file.session() as session:
            if rows:
                session.execute(f"INSERT OR REPLACE INTO targets SELECT {marks}", columns)

    def remove_targets(self, slug: Slug, names: Sequence[TargetName]) -> None:
        """Forget targets and their variables; their history stays."""
        with self._file.session() as session:
            for table, column in (("targets", "name"), ("variables", "target")):
                session.execute(
                    f"DELETE FROM {table} WHERE project = ?"  # noqa: S608 - names of ours
                    f" AND {column} IN (SELECT unnest(?::VARCHAR[]))",
                    [slug, list(names)],
                )

    def variables(self, slug: Slug, target: TargetName | None = None) -> tuple[Variable, ...]:
        """Return the project's variables, with those of *target*, or of all targets."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT project, target, name, keeping, text, set_at, set_by FROM variables"
                " WHERE project = ? AND (target = '' OR ? IS NULL OR target = ?)"
                " ORDER BY target, name",
                [slug, target, target],
            ).fetchall()
        return tuple(_variable(row) for row in rows)

    def sealed(self) -> tuple[Variable, ...]:
        """Return every sealed variable, of all projects and targets."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT project, target, name, keeping, text, set_at, set_by FROM variables"
                " WHERE keeping = ? ORDER BY project, target, name",
                [Keeping.SEALED],
            ).fetchall()
        return tuple(_variable(row) for row in rows)

    def keep_variables(self, variables: Sequence[Variable]) -> None:
        """Set variables, all or none."""
        rows = [
            (e.project, e.target or "", e.name, e.keeping.value, e.text,
             bare(e.set_at) if e.set_at else None, e.set_by)
            for e in variables
        ]  # fmt: skip
        columns = [list(each) for each in zip(*rows, strict=True)]
        marks = ", ".join(f"unnest(?::{kind}[])" for kind in _VARIABLE_COLUMNS)
        with self._file.session() as session:
            if rows:
                session.execute(f"INSERT OR REPLACE INTO variables SELECT {marks}", columns)

    def remove_variable(self, slug: Slug, target: TargetName | None, name: str) -> bool:
        """Forget a variable; say whether it was there."""
        with self._file.session() as session:
            found = session.execute(
                "DELETE FROM variables WHERE project = ? AND target = ? AND name = ?"
                " RETURNING name",
                [slug, target or "", name],
            ).fetchall()
        return bool(found)


_COLUMNS = (
    *("VARCHAR",) * 7, "BOOLEAN", "VARCHAR", "INTEGER", "VARCHAR", "BOOLEAN", "BIGINT", "BOOLEAN",
    *("VARCHAR",) * 7, "BOOLEAN", "VARCHAR", "VARCHAR", "BOOLEAN",
)  # fmt: skip
"""The types of the columns of `targets`, in their order."""
_VARIABLE_COLUMNS = (*("VARCHAR",) * 5, "TIMESTAMP", "VARCHAR")


def _row(slug: Slug, target: Target) -> list[Any]:
    row: list[Any] = [slug, target.name, target.type.value, target.provider, target.host]
    row += [target.region, target.url, target.protected]
    row += [target.order_policy.value if target.order_policy else None, target.approvals]
    row += [",".join(target.approvers), target.self_approval, target.approval_expires_s]
    row += [target.signed, "\n".join(target.signers)]
    row += [each.value if each else None for each in (target.lint, target.drift)]
    row += [target.health, target.on_failure.value if target.on_failure else None]
    row += [",".join(target.rollback_on) or None]
    row += [target.cancel_policy.value if target.cancel_policy else None]
    row += [target.pre_approve_rollback]
    row += [json.dumps(to_plain(target.windows)) if target.windows else ""]
    row += [json.dumps(dict(target.labels)) if target.labels else "", target.imported]
    return row


def _project(row: Sequence[Any]) -> Project:
    slug, known_as, root, created_at = row
    return Project(slug=slug, known_as=known_as, root=root, created_at=zoned(created_at))


def _target(row: Sequence[Any]) -> Target:
    name, kind, provider, host, region, url, protected, order_policy, *how = row
    approvals, approvers, alone, expires, signed, signers, lint, drift, health, *back = how
    on_failure, rollback_on, cancel, pre_approved, windows, labels, imported = back
    return Target(
        name=name,
        type=TargetType(kind),
        provider=provider,
        host=host,
        region=region,
        url=url,
        protected=protected,
        order_policy=OrderPolicy(order_policy) if order_policy else None,
        approvals=approvals,
        approvers=tuple(each for each in (approvers or "").split(",") if each),
        self_approval=alone,
        approval_expires_s=expires or 0,
        signed=bool(signed),
        signers=tuple((signers or "").splitlines()),
        lint=FindingLevel(lint) if lint else None,
        drift=FindingLevel(drift) if drift else None,
        health=health or "",
        on_failure=AfterFailure(on_failure) if on_failure else None,
        rollback_on=tuple(RollbackTrigger(each) for each in (rollback_on or "").split(",") if each),
        cancel_policy=AfterFailure(cancel) if cancel else None,
        pre_approve_rollback=bool(pre_approved),
        windows=from_plain(Rules, json.loads(windows)) if windows else (),
        labels=json.loads(labels) if labels else {},
        imported=bool(imported),
    )


def _variable(row: Sequence[Any]) -> Variable:
    project, target, name, keeping, text, set_at, set_by = row
    return Variable(
        project=project,
        target=target or None,
        name=name,
        keeping=Keeping(keeping),
        text=text,
        set_at=zoned(set_at),
        set_by=set_by,
    )
