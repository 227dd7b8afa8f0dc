"""squawk, a linter of PostgreSQL migrations: another program, asked once for many files.

It gets the part of each file that goes up, with the file's own lines, and no variable.
https://squawkhq.com; the form of its JSON is that of version 2.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.lint import SQUAWK, Complaint

_SECONDS = 60
_MOST = 16 << 20
"""So many bytes of its answer are read: it may repeat whole statements."""
_LEFT_OUT = frozenset({
    "prefer-robust-stmts", "require-lock-timeout", "require-statement-timeout", "syntax-error",
    "require-timeout-settings", "prefer-big-int", "prefer-bigint-over-int", "unused-ignore",
    "prefer-bigint-over-smallint", "prefer-identity", "prefer-text-field", "prefer-timestamp-tz",
    "prefer-repack", "require-table-schema", "transaction-nesting", "ban-uncommitted-transaction",
    "ban-concurrent-index-creation-in-transaction", "require-enum-value-ordering",
})  # fmt: skip
"""Matters of taste, and what holds here anyway: exactly once, a lock_timeout, the right mode."""
_NAMELESS = ("Renaming a trigger ", "Renaming a policy ")
"""What no statement of a client names, so that no client breaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SquawkFile:
    """One text for squawk, and the line of its file on which it begins.

    `together` says that it runs in a transaction.
    """

    file: str
    text: str
    together: bool
    line: int = 1


def program() -> str | None:
    """Return squawk's path: beside this Python, else wherever the person has it."""
    beside = Path(sys.executable).parent
    return shutil.which("squawk", path=str(beside)) or shutil.which("squawk")


def check(
    squawk: str, sheets: Sequence[SquawkFile], version: int
) -> tuple[list[tuple[Complaint, ...]], str]:
    """Return what squawk says of each of *sheets*, and why it could not, if so.

    *version* is the server's major one; 0 leaves the choice to squawk.
    """
    found: list[list[Complaint]] = [[] for _ in sheets]
    with tempfile.TemporaryDirectory(prefix="templedb-") as folder:
        for together in (True, False):
            own = {n: each for n, each in enumerate(sheets) if each.together is together}
            told, trouble = _ask(squawk, own, version, Path(folder) / str(together), together)
            if trouble:
                return [], trouble
            for number, each in told:
                found[number].append(each)
    return [tuple(each) for each in found], ""


def _ask(
    squawk: str,
    sheets: Mapping[int, SquawkFile],
    version: int,
    folder: Path,
    together: bool,  # noqa: FBT001 - one of two passes
) -> tuple[list[tuple[int, Complaint]], str]:
    if not sheets:
        return [], ""
    folder.mkdir()
    names = {f"{number}.sql": number for number in sheets}
    for name, number in names.items():
        (folder / name).write_text(sheets[number].text)
    words = [squawk, "--reporter", "json"]
    words += ["--assume-in-transaction"] if together else []
    words += [f"--pg-version={version}.0"] if version else []
    said, errors = folder / "said", folder / "errors"
    try:
        with said.open("wb") as out, errors.open("wb") as err:
            subprocess.run(  # noqa: S603 - words of ours
                [*words, *names], cwd=folder, stdout=out, stderr=err, timeout=_SECONDS,
                check=False, env={"PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        if said.stat().st_size > _MOST:
            return [], f"squawk wrote more than {_MOST >> 20} MiB, which was not read"
        rows = json.loads(said.read_bytes() or b"[]")
        return [(n, _complaint(row, sheets[n])) for n, row in _rows(rows, names)], ""
    except (OSError, subprocess.SubprocessError) as error:
        return [], f"squawk could not be run: {error}"
    except (ValueError, KeyError, TypeError, RecursionError):
        with errors.open("rb") as file:
            told = file.read(1000).decode("utf-8", "replace").strip().splitlines()
        return [], f"squawk wrote an unknown format: {told[0] if told else 'nothing'}"


def _rows(rows: Iterable[Any], names: Mapping[str, int]) -> Iterable[tuple[int, Any]]:
    return (
        (names[row["file"]], row)
        for row in rows
        if row["rule_name"] not in _LEFT_OUT and not row["message"].startswith(_NAMELESS)
    )


def _complaint(row: Any, sheet: SquawkFile) -> Complaint:
    return Complaint(
        rule=row["rule_name"],
        file=sheet.file,
        line=int(row["line"]) + sheet.line,
        column=int(row["column"]) + 1,
        message=row["message"],
        mend=row["help"] or "",
        source=SQUAWK,
    )
