"""What a layout makes of a folder: which files are migrations, under which key, in which order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from functools import lru_cache

from templedb_nb.core.sql.directives import Remark
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.layout import Layout, Reading

_RENAME = (
    "give a new number to the one that no database has applied, or take it away: add"
    ' "!PATH" to file_patterns'
)
_COMMENT = re.compile(r"[^\n]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolMark:
    """A line of a text that only one tool's files have."""

    tool: str
    line: int
    words: str

    @property
    def evidence(self) -> str:
        """Return the mark as messages show it."""
        return f"line {self.line}: {self.words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderView:
    """What was seen in files beside their names: marks in texts, and the texts of small helpers.

    `marks` are by the path of a text that was read, () where it has none; `beside` has files such
    as ``metadata.toml``. `texts` are whole migrations, for tools whose order or proof is in them;
    bytes that are no UTF-8 are surrogates there.
    """

    marks: Mapping[str, tuple[ToolMark, ...]] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


NOTHING_SEEN = FolderView()


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFolder:
    """The SQL files of one folder that a pattern matched, and all that lies around them.

    `files` are paths in the order of their names; `there` has every path of the release.
    """

    base: str
    files: tuple[str, ...]
    there: frozenset[str]
    look: FolderView = NOTHING_SEEN
    values: tuple[tuple[str, str], ...] = ()

    def beside(self, pattern: re.Pattern[str], *, below: bool = False) -> list[str]:
        """Return the files of the folder whose names match; with *below*, those further down."""
        own: Iterable[str] = self.lies(self.base)
        if below:
            start = "" if self.base == "." else f"{self.base}/"
            own = (path for path in self.there if path.startswith(start))
        return sorted(path for path in own if pattern.fullmatch(last(path)))

    def lies(self, base: str) -> Sequence[str]:
        """Return the files that lie right in a folder of the release."""
        return _by_folder(self.there).get(base, ())


@lru_cache(maxsize=2)
def _by_folder(there: frozenset[str]) -> Mapping[str, Sequence[str]]:
    """Return the files of each folder, once for all groups of a release."""
    found: dict[str, list[str]] = {}
    for path in there:
        found.setdefault(parent(path), []).append(path)
    return found


@lru_cache(maxsize=2)
def file_names(there: frozenset[str]) -> frozenset[str]:
    """Return the names of files without their folders, once for all groups of a release."""
    return frozenset(map(last, there))


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One migration: its file, its key, how it is read, and the file that rolls it back.

    Files of one `base` have an order among themselves. `home` is the folder of the layout, if that
    is not the base: an order file is the base of all that it lists.
    """

    path: str
    key: str
    reading: Reading | None = None
    down: str = ""
    base: str = "."
    home: str = ""

    @property
    def folder(self) -> str:
        """Return the folder in which its key is the only one of its kind."""
        return self.home or self.base


@dataclass(frozen=True, slots=True, kw_only=True)
class Placements:
    """The migrations of a folder in their order."""

    files: tuple[Placed, ...]
    downs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A text in parts: each is as long as the text, with blanks for what is not of it.

    `no_transaction` is the line that forbids a transaction, and `words` what stands there. `text`
    is the whole one with the values of its placeholders, where it has any. Where a file holds
    several migrations, the parts are of one alone: `line` is where they begin, the checksum is of
    `whole`, and `own` is the text that reads alone as it reads in the file.
    """

    up: str
    down: str | None = None
    text: str = ""
    whole: str = ""
    own: str = ""
    line: int = 1
    no_transaction: int = 0
    words: str = ""
    problems: tuple[Remark, ...] = ()


def last(path: str) -> str:
    """Return the name of a file without its folder."""
    return path.rpartition("/")[2]


def parent(path: str) -> str:
    """Return the folder of a file."""
    return path.rpartition("/")[0] or "."


def joined(base: str, name: str) -> str:
    """Return the path of a name below a folder."""
    return name if base == "." else f"{base}/{name}"


def only(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return *text* with a blank for each character outside of *spans*; its lines stay."""
    parts, at = [], 0
    for start, end in spans:
        parts += [_COMMENT.sub(" ", text[at:start]), text[start:end]]
        at = end
    return "".join([*parts, _COMMENT.sub(" ", text[at:])])


def complaint(where: str, message: str, mend: str = "") -> Finding:
    """Return a finding about a file or folder that forbids a run."""
    return Finding(
        severity=Severity.ERROR, topic=Topic.MIGRATION, message=message, where=where, mend=mend
    )


def left_out(where: str, message: str, mend: str = "") -> Finding:
    """Return a finding about a file that is not a migration here, and looks like one."""
    return Finding(
        severity=Severity.WARNING, topic=Topic.MIGRATION, message=message, where=where, mend=mend
    )


def twice(placed: Sequence[Placed]) -> list[Finding]:
    """Return a finding for each key that two files claim."""
    found, by_key = [], dict[str, str]()
    for each in placed:
        if each.key in by_key:
            message = f"has the key {each.key}; so has {by_key[each.key]}"
            found.append(complaint(each.path, message, _RENAME))
        by_key.setdefault(each.key, each.path)
    return found


def by_number(
    layout: Layout, folder: MigrationFolder, name: re.Pattern[str], *, by_letters: bool = False
) -> Placements:
    """Place files that *name* matches by the number that is its group ``version``.

    With *by_letters* their names decide on the order. A file without a number is left out, as the
    tool itself does.
    """
    reading = Reading(layout=layout)
    placed, findings = [], []
    for path in folder.files:
        if found := name.fullmatch(last(path)):
            key = found["version"]
            placed.append(Placed(path=path, key=key, reading=reading, base=folder.base))
        else:
            message = (
                f"does not begin with a number, so {layout} does not accept it: it is left out"
            )
            findings.append(left_out(path, message))
    if not by_letters:
        placed.sort(key=lambda each: (int(each.key), each.path))
    return Placements(files=tuple(placed), findings=(*findings, *twice(placed)))
