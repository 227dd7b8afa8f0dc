"""Where the output of a step is kept."""

from __future__ import annotations

from typing import ClassVar

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Where the output of a step is kept; the digest is of the uncompressed text.

    `first_error` is the first line that tells of an error, with the lines behind it.
    """

    json_absent: ClassVar[tuple[str, ...]] = ("first_error",)

    path: str
    digest: str
    size: int
    first_error: str | None = None
