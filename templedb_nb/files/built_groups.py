"""Which groups of a plan have begun to build in a work folder, for runs that go on later.

What a build left there is that plan's only as long as no other plan's commands work in the folder.
"""

from __future__ import annotations

import json
from pathlib import Path

from templedb_nb.model.dataclass import dataclass

_NAME, _NEW = "built.json", "built.new"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltGroups:
    """The record of it beside the tree; *folder* is held by the caller."""

    folder: Path
    plan: str

    @property
    def groups(self) -> frozenset[str]:
        """Return the groups that the plan has begun to build here, since any other plan came."""
        try:
            found = json.loads((self.folder / _NAME).read_bytes())
            return frozenset(found["groups"]) if found["plan"] == self.plan else frozenset()
        except (OSError, ValueError, LookupError, TypeError):
            return frozenset()

    def leave_out_others(self) -> None:
        """Forget what another plan has built: this one's commands work here from now on."""
        if not self.groups:
            (self.folder / _NAME).unlink(missing_ok=True)

    def add(self, group: str) -> None:
        """Write down that the group begins to build."""
        document = {"plan": self.plan, "groups": sorted({*self.groups, group})}
        (self.folder / _NEW).write_text(json.dumps(document))
        (self.folder / _NEW).replace(self.folder / _NAME)
