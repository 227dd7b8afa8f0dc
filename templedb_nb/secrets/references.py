"""References in place of values: ``env:NAME`` and ``file:PATH``, read at the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from templedb_nb.errors import SecretError

LIMIT = 1 << 20


def read_reference(text: str, process: Mapping[str, str], root: Path | None) -> str:
    """Return the value that *text* points at; a relative path is below *root*."""
    kind, _, rest = text.partition(":")
    match kind:
        case "env":
            if rest not in process:
                hint = f"export {rest}, or set a value in place of the reference"
                raise SecretError(f"{text}: this process has no variable {rest}", hint=hint)
            return process[rest]
        case "file":
            return _file(text, Path(rest).expanduser(), root)
        case _:
            raise SecretError(f"{kind}: is no kind of reference; env: and file: are")


def _file(text: str, path: Path, root: Path | None) -> str:
    whole = path if path.is_absolute() or root is None else root / path
    try:
        if whole.stat().st_size > LIMIT:
            raise SecretError(f"{text}: the file is larger than {LIMIT} bytes")
        return whole.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"{text}: cannot read {whole}: {error}") from error
