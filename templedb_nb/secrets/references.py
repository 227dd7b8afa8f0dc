"""References in place of values: ``env:NAME`` and ``file:PATH``, read at the run."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from templedb_nb.core.config.home_folder import expanded
from templedb_nb.errors import SecretError

LIMIT = 1 << 20


def read_reference(text: str, process: Mapping[str, str], root: Path | None) -> str:
    """Return the value that *text* points at; a relative path is below *root*."""
    kind, _, rest = text.partition(":")
    match kind:
        case "env":
            if rest not in process:
                hint = f"export {rest}, or set a value instead of the reference"
                raise SecretError(f"{text}: the environment has no variable {rest}", hint=hint)
            return process[rest]
        case "file":
            return _file(text, expanded(rest), root)
        case _:
            raise SecretError(f"{kind}: is not a kind of reference: use env: or file:")


def _file(text: str, path: Path, root: Path | None) -> str:
    whole = path if path.is_absolute() or root is None else root / path
    try:
        kind = whole.stat().st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISFIFO(kind):
            raise SecretError(f"{text}: {whole} is not a file")
        with whole.open("rb") as file:
            raw = file.read(LIMIT + 1)
        if len(raw) > LIMIT:
            raise SecretError(f"{text}: the file is larger than {LIMIT} bytes")
        return raw.decode().removesuffix("\n")
    except (OSError, ValueError) as error:
        raise SecretError(f"{text}: cannot read {whole}: {_why(error)}") from None


def _why(error: OSError | ValueError) -> str:
    """Return what is wrong with a file, and nothing that stands in it."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
