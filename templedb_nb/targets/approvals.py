"""Approvals as every ledger keeps them: rows of columns by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any

from templedb_nb.model.approval import Approval, PlanBundle, Verdict
from templedb_nb.model.serialization import canonical, from_plain
from templedb_nb.targets.ledger_rows import SCOPED, SIGNED

COLUMNS = ("id", "plan", "content_hash", "project", "target", "given_by", "given_at", "reason",
           "through", "used_by", "verdict")  # fmt: skip


def format_for(approvals: Iterable[Approval]) -> int:
    """Return which format a ledger needs to keep *approvals* so that they count."""
    signed = [each for each in approvals if each.signature]
    if any(each.bundle for each in signed):
        return SCOPED
    return SIGNED if signed else 1


def row(approval: Approval, version: int) -> dict[str, Any]:
    """Return what a ledger of that format takes of *approval*.

    One of format 1 takes what is not signed; one before 4 cannot tell of a bundle.
    """
    kept = {name: getattr(approval, name) for name in COLUMNS}
    if approval.signature:
        kept["signature"] = approval.signature
    if approval.bundle and version >= SCOPED:
        kept["proof"] = canonical(approval.bundle).decode()
    return kept


def read(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> tuple[Approval, ...]:
    """Return the approvals of *rows*; in a ledger of format 1 none is signed."""
    found = (dict(zip(columns, each, strict=True)) for each in rows)
    return tuple(_approval(each) for each in found)


def beside(there: Iterable[Approval], known: Iterable[Approval]) -> tuple[Approval, ...]:
    """Return those of *known* that are not *there*."""
    ids = {each.id for each in there}
    return tuple(each for each in known if each.id not in ids)


def _approval(found: dict[str, Any]) -> Approval:
    at = found["given_at"]
    return Approval(
        **{name: found[name] for name in COLUMNS if name not in {"given_at", "verdict"}},
        given_at=at if at.tzinfo else at.replace(tzinfo=UTC),
        verdict=Verdict(found["verdict"]),
        signature=found.get("signature") or "",
        bundle=_bundle(found.get("proof") or ""),
    )


def _bundle(text: str) -> PlanBundle | None:
    """Return the bundle that a ledger tells of; whatever cannot be read proves nothing."""
    try:
        bundle: PlanBundle = from_plain(PlanBundle, json.loads(text))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return bundle
