"""Approvals as every ledger keeps them: rows of columns by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any

from templedb_nb.model.approval import Approval, Verdict

COLUMNS = ("id", "plan", "content_hash", "project", "target", "given_by", "given_at", "reason",
           "through", "used_by", "verdict")  # fmt: skip


def row(approval: Approval) -> dict[str, Any]:
    """Return what is written of *approval*; a ledger of format 1 takes what is not signed."""
    kept = {name: getattr(approval, name) for name in COLUMNS}
    return kept | ({"signature": approval.signature} if approval.signature else {})


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
    )
