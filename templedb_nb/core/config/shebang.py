"""The first line of a script, which names its interpreter, as the kernel and env(1) read it."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass

HEAD = 256
"""So many bytes of a file the kernel looks at."""
_SPLIT = ("-S", "--split-string")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shebang:
    """The interpreter of a script, and what the line says behind it.

    A carriage return at the end of the line belongs to the last word: that is how it is read.
    """

    interpreter: str
    rest: str = ""

    @property
    def crlf(self) -> bool:
        """Return whether the line ends as lines do on Windows."""
        return (self.rest or self.interpreter).endswith("\r")

    @property
    def through_env(self) -> str:
        """Return the program that env(1) is to find on PATH, or nothing where that is not plain."""
        if self.interpreter.rpartition("/")[2] != "env":
            return ""
        words = self.rest.split(" ")
        if words[0] in _SPLIT:
            words = [each for each in words[1:] if each]
        first = words[0] if words else ""
        return "" if first.startswith("-") or "=" in first or "/" in first else first


def shebang(head: bytes) -> Shebang | None:
    """Return what the first line of a file that begins with *head* says, or None."""
    if not head.startswith(b"#!"):
        return None
    line = head[2:].split(b"\n", 1)[0].decode(errors="replace").strip(" \t")
    interpreter, _, rest = line.replace("\t", " ").partition(" ")
    return Shebang(interpreter=interpreter, rest=rest.strip(" ")) if interpreter.strip() else None
