"""The first line of a command's output that tells of an error."""

from __future__ import annotations

import re

LONGEST = 400
"""So many characters of a line are looked at, and shown."""
FOLLOWING = 2
"""So many lines behind it are shown, too: compilers say there where it is."""
_LOOKS = re.compile(r"\x1b(?:\[[0-9;?]*[@-~]|[@-Z\\-_])")
_ERROR = re.compile(
    r"(?<![\w./-])(?:"
    r"(?:[A-Za-z_]\w*+\.)*+[A-Za-z]*(?:[Ee]rror|ERROR|Exception)(?:\[\w+\]|\s[A-Z]+\d+)?\]?:"
    r"|\[(?:ERROR|error|FATAL|fatal)\]|(?:npm |pnpm |yarn )?(?:ERR!|error\s)"
    r"|(?:FAIL|FAILED|FAILURE|FATAL|PANIC)\b|(?:fatal|panic|FATAL ERROR):"
    r"|undefined (?:reference|symbol)\b|undefined:"
    r"|(?:command )?not found$|No such file or directory$|Permission denied$"
    r")"
    r"|^E {2,}\S|^(?:\u2718|\u2717|\u00d7|\u25cf) "
)
_NONE = re.compile(r"\b(?:0|no|without) (?:errors?|failures?|failed)\b", re.IGNORECASE)


class FirstError:
    """Finds it in output that comes in pieces."""

    def __init__(self) -> None:
        """Begin before the first piece."""
        self._rest = ""
        self._found: list[str] = []

    def feed(self, text: str) -> None:
        """Take in the next piece of output, which is masked already."""
        if len(self._found) > FOLLOWING:
            return
        *lines, rest = (self._rest + text).split("\n")
        self._rest = rest[-4 * LONGEST :]
        for line in lines:
            self._line(line)

    def found(self) -> str:
        """Return the line, with those behind it, now that the output has ended; or nothing."""
        if self._rest:
            self._line(self._rest)
            self._rest = ""
        return "\n".join(self._found).rstrip()

    def _line(self, line: str) -> None:
        bare = _LOOKS.sub("", line.rstrip("\r").rpartition("\r")[2][: 2 * LONGEST])[:LONGEST]
        if 0 < len(self._found) <= FOLLOWING or (not self._found and _tells(bare)):
            self._found.append(bare.rstrip())


def _tells(line: str) -> bool:
    return bool(_ERROR.search(line)) and not _NONE.search(line)
