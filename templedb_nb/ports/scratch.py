"""What is asked of a copy of a database that is thrown away."""

from __future__ import annotations

from typing import Protocol

from templedb_nb.core.migrations.script import Script


class Scratch(Protocol):
    """A copy of a database that is thrown away; it has the schema, and maybe no rows."""

    def run(self, script: Script, file: str) -> None:
        """Run every statement, or raise `TargetError` with the place in *file*."""
        ...

    def schema(self) -> str:
        """Return what the copy holds beside rows, as text that is equal for equal schemas."""
        ...
