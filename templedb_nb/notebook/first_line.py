"""A cell magic is the first line of its cell: what becomes of cells where it is not."""

from __future__ import annotations

import re

NAME = "templedb"
_LONE = re.compile(rf"^%%{NAME}\b")
NOT_FIRST = f"%{NAME}"


def not_first(_: str) -> None:
    """Say why ``%%templedb`` below other lines is not a cell magic: IPython asks for this name."""
    from IPython.core.error import UsageError

    raise UsageError(
        f"%%{NAME} must be the first line of its cell: move what stands above it to another cell"
    )


def lone_cell(lines: list[str]) -> list[str]:
    """Turn a cell that holds nothing but ``%%templedb …`` into the line magic.

    IPython refuses a cell magic without a body before any magic is asked. One below other lines
    becomes the line that says so: its body would be read as Python, and be a syntax error.
    """
    filled = [line for line in lines if line.strip()]
    if len(filled) == 1 and _LONE.match(filled[0]):
        return [filled[0][1:]]
    if any(line.lstrip().startswith(f"%%{NAME}") for line in filled[1:]):
        from templedb_nb.runbook.notebook import misplaced

        if misplaced("".join(lines)):
            return [f"get_ipython().run_line_magic({NOT_FIRST!r}, '')\n"]
    return lines
