"""Somebody's word that one exact plan may run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from templedb_nb.model.plain import Digest
from templedb_nb.model.target import TargetName


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Binds to a plan's content; the run that succeeds under it uses it up."""

    id: str
    plan: str
    content_hash: Digest
    project: str
    target: TargetName
    given_by: str
    given_at: datetime
    reason: str
    through: str
    used_by: str = ""
