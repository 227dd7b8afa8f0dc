"""What a server said, read from the output of psql, which prints it in the server's language."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from templedb_nb.model.server_message import MessageLevel, ServerMessage

ENGLISH: Mapping[str, MessageLevel] = {each.value: each for each in MessageLevel}
_LINE = re.compile(r"psql:(?:(?P<file>.+?):(?P<line>\d+):)? ?(?P<word>[^\s:]+):  (?P<said>.*)")
_LONGEST = 1 << 16


class MessageFinder:
    """Finds messages in output that comes in pieces."""

    def __init__(self, file: str, ours: Collection[str], words: Mapping[str, MessageLevel]) -> None:
        """Read what comes of *file*; *words* are the server's for its ranks.

        What comes of the files in *ours* is not told.
        """
        self._file = file
        self._ours = ours
        self._words = {**ENGLISH, **words}
        self._rest = ""

    def feed(self, text: str) -> Iterator[ServerMessage]:
        """Yield the messages in the lines that are whole by now."""
        *lines, rest = (self._rest + text).split("\n")
        self._rest = rest[:_LONGEST]
        for line in lines:
            if line.startswith("psql:") and (found := _LINE.match(line)):
                yield from self._message(found)

    def _message(self, found: re.Match[str]) -> Iterator[ServerMessage]:
        level, file = self._words.get(found["word"]), found["file"]
        if level is None or file in self._ours:
            return
        elsewhere = file is not None and file != self._file
        said = f"{file}:{found['line']}: {found['said']}" if elsewhere else found["said"]
        line = 0 if elsewhere else int(found["line"] or 0)
        yield ServerMessage(level=level, message=said, line=line, in_output=True)
