"""Why a program cannot be started, as a person can act on it."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from templedb_nb.core.config.shebang import HEAD, Shebang, shebang
from templedb_nb.errors import NotStarted
from templedb_nb.model.command import Invocation

_LINE_ENDS = "save it with LF line ends; in .gitattributes: *.sh text eol=lf"
_FIRST_LINE = "let its first line name an installed one: #!/usr/bin/env bash"


def refuse_lost(invocation: Invocation) -> None:
    """Raise if a script asks env(1) for an interpreter that is not on PATH.

    env itself would start, and its status tells nobody whether the script did.
    """
    line = _first_line(invocation)
    wanted = line.through_env if line else ""
    if not line or not wanted:
        return
    path = invocation.environment.get("PATH", os.defpath)
    if shutil.which(wanted, path=path) is None:
        why = f"its interpreter {shown(wanted)}, which {line.interpreter} needs, is not on PATH"
        raise _not_started(invocation, why, _LINE_ENDS if line.crlf else _FIRST_LINE)


def not_started(invocation: Invocation, place: str, number: int) -> NotStarted:
    """Return the error for a command of which the kernel said *number* at *place*.

    *place* is the folder to work in, or the program.
    """
    program, text = invocation.argv[0], os.strerror(number)
    if place == invocation.cwd:
        hint = "restore the folder, or run again: a release is written again"
        return _not_started(invocation, f"its folder {place}: {text}", hint)
    if "/" not in program and number == errno.ENOENT:
        path = invocation.environment.get("PATH", os.defpath)
        return _not_started(
            invocation, f"it is not on PATH ({path})", f"install {program}, or fix PATH"
        )
    found = _explained(invocation, number)
    return _not_started(invocation, *(found or (text, "")))


def shown(word: str) -> str:
    """Return a name with what cannot be seen in it spelt out."""
    return word if word.isprintable() else repr(word)


def _explained(invocation: Invocation, number: int) -> tuple[str, str] | None:
    """Return what is wrong with the program's file, and what fixes it, if its bytes tell."""
    file, line = _file(invocation), _first_line(invocation)
    if number == errno.EACCES and not os.access(file, os.X_OK):
        return "it is not executable", f"chmod +x {invocation.argv[0]}"
    if line is not None and number in {errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR}:
        what = "does not exist" if number == errno.ENOENT else os.strerror(number)
        why = f"its interpreter {shown(line.interpreter)}: {what}"
        return why, _LINE_ENDS if line.crlf else _FIRST_LINE
    head = _head(file)
    if number == errno.ENOENT and head.startswith(b"\x7fELF"):
        return "the loader that the program requires does not exist", "build it for this system"
    if number != errno.ENOEXEC:
        return None
    if head.startswith(b"\x7fELF"):
        return "it is a program for another kind of machine", "build it for this one"
    if head.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte-order mark", "save it as UTF-8 without one"
    return "its first line names no interpreter", "let it begin with #!/usr/bin/env bash"


def _first_line(invocation: Invocation) -> Shebang | None:
    return shebang(_head(_file(invocation))) if "/" in invocation.argv[0] else None


def _file(invocation: Invocation) -> Path:
    return Path(invocation.cwd) / invocation.argv[0]


def _head(file: Path) -> bytes:
    with suppress(OSError), file.open("rb") as opened:
        return opened.read(HEAD)
    return b""


def _not_started(invocation: Invocation, why: str, hint: str) -> NotStarted:
    program = invocation.argv[0].removeprefix("./")
    return NotStarted(f"{program} cannot be started: {why}", hint=hint)
