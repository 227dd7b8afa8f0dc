"""The record of what servers did, and how it compares with what our rules say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from templedb_nb.core.lint.effects import seen
from templedb_nb.core.lint.locks.observed_effect import Kin, ObservedEffect
from templedb_nb.core.sql.cursor import words
from templedb_nb.core.sql.lexer import split
from templedb_nb.model.effect import LockMode
from tests.effects.measure import MODES, Measured
from tests.effects.statements import SEEN, UNSEEN, cases

PATH = Path(__file__).with_name("record.json")


@dataclass(frozen=True, slots=True)
class Row:
    """One statement on one kind of relation, and what each server did."""

    kind: str
    sql: str
    held_back: bool
    on: dict[str, str]


@dataclass(slots=True)
class Record:
    """Everything that was measured; `outcomes` by kind and statement, then by server."""

    date: str
    servers: dict[str, str] = field(default_factory=dict)
    graphs: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def add(self, server: str, kind: str, sql: str, measured: Measured) -> None:
        """Take in what one server did."""
        self.outcomes.setdefault((kind, sql), {})[server] = measured.text()

    def rows(self) -> Iterator[Row]:
        """Yield every row."""
        back = {(kind, sql) for kind, sql, held_back in cases() if held_back}
        for (kind, sql), on in self.outcomes.items():
            yield Row(kind, sql, (kind, sql) in back, on)

    def write(self, path: Path) -> None:
        """Write it: one line for each statement, equal outcomes once."""
        head = {"measured": self.date, "servers": self.servers, "seeds": [SEEN, UNSEEN]}
        lines = [json.dumps(head), json.dumps(self.graphs, separators=(",", ":"))]
        for (kind, sql), on in self.outcomes.items():
            same: dict[str, list[str]] = {}
            for server, text in on.items():
                same.setdefault(text, []).append(server)
            told = {" ".join(servers): text for text, servers in same.items()}
            lines.append(json.dumps([kind, sql, told], separators=(",", ":")))
        path.write_text("[\n" + ",\n".join(lines) + "\n]\n")

    @classmethod
    def read(cls, path: Path = PATH) -> Record:
        """Read it."""
        head, graphs, *rows = json.loads(path.read_text())
        found = cls(date=head["measured"], servers=head["servers"], graphs=graphs)
        for kind, sql, told in rows:
            own = {s: text for servers, text in told.items() for s in servers.split()}
            found.outcomes[kind, sql] = {s: own[s] for s in found.servers if s in own}
        return found

    def counts(self) -> list[Count]:
        """Return how the rules compare, for each server, seen and held back."""
        found = {(s, back): Count(s, back) for s in self.servers for back in (False, True)}
        for row, server, verdict in self.verdicts():
            found[server, row.held_back].add(verdict)
        return list(found.values())

    def verdicts(self) -> Iterator[tuple[Row, str, Judged]]:
        """Yield how the rules compare with each outcome."""
        for row in self.rows():
            (statement,) = split(row.sql).statements
            for server, text in row.on.items():
                told = seen(statement.tokens)
                graph = self.graphs.get(row.kind, {})  # no server had the kind
                yield row, server, judged(told, row.sql, text, graph)


class Verdict(StrEnum):
    """How our words about a statement compare with what a server did."""

    EXACT = "exact"
    MORE = "more"
    LESS = "LESS"
    UNKNOWN = "unknown"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and what differs."""

    verdict: Verdict
    why: tuple[str, ...] = ()


@dataclass(slots=True)
class Count:
    """How many outcomes of a server have each verdict."""

    server: str
    held_back: bool
    of: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))

    def add(self, judged: Judged) -> None:
        """Count one."""
        self.of[judged.verdict] += 1

    @property
    def less(self) -> int:
        """Return how many do more than is told."""
        return self.of[Verdict.LESS]


def judged(  # noqa: C901 - a list of comparisons
    told: ObservedEffect, sql: str, text: str, graph: dict[str, Any]
) -> Judged:
    """Compare what is told of a statement with the outcome *text* of a server."""
    if text.startswith("!"):
        return Judged(Verdict.REFUSED)
    ours = _Told(told, sql, graph)
    keys = {"ACS", "RS", "RX"} if ours.rows else {"ACS"}
    locks, rewritten, read, built, _ = [*text.split("|"), *[""] * 5][:5]
    less, more, kinds = [], [], graph["kinds"]
    measured = {name: mode for mode, _, name in (each.partition(":") for each in locks.split())}
    for name, mode in measured.items():
        weak = mode in keys and (mode == "RS" or name not in ours.named)
        if ours.mode(name) < _RANK[mode] and not weak:
            less.append(f"{name} takes {mode}, told {ours.mode(name)}")
    for name, rank in ours.named.items():
        strongest = max((_RANK[measured.get(n, "-")] for n in (name, *ours.parts(name))), default=0)
        if strongest < rank < UNSURE and name in kinds:
            more.append(f"{name} told {rank}, takes {measured.get(name)}")
    for name, rank in ours.near.items():
        if (
            _RANK[measured.get(name, "-")] < rank < UNSURE
            and name not in ours.named
            and kinds[name] in "rpvmf"
        ):
            more.append(f"{name} told {rank} beside, takes {measured.get(name)}")
    heaps = [n for n in rewritten.split() if kinds.get(n) in {"r", "m", "t"}]
    for what, is_so, says, surely in (
        ("rewritten", bool(heaps), ours.rewrites, ours.surely_rewrites),
        ("read", bool(read) or bool(built), ours.reads, ours.surely_reads),
    ):
        if is_so and not says:
            less.append(f"{what}: {rewritten or read or built}")
        elif surely and not is_so:
            more.append(f"not {what}")
    if less and not ours.unknown:
        return Judged(Verdict.LESS, tuple(less))
    if ours.unknown:
        return Judged(Verdict.UNKNOWN)
    return Judged(Verdict.MORE, tuple(more)) if more else Judged(Verdict.EXACT)


_RANK = {mode: place for place, mode in enumerate(("-", *MODES))}
UNSURE = len(_RANK)
"""The rank of a lock that is told as unknown: it is never too weak."""
_MODES = {lock: place for place, lock in enumerate(LockMode)}
_ROWS = words("SELECT INSERT UPDATE DELETE MERGE COPY ANALYZE REFRESH WITH TABLE LOCK GRANT")


class _Told:
    """What is told of a statement, on a stage."""

    def __init__(self, told: ObservedEffect, sql: str, graph: dict[str, Any]) -> None:
        self.told, self.graph = told, graph
        self.unknown = any(not name.key for name, _ in told.locked)
        self.alone = " ONLY " in sql
        self.named: dict[str, int] = {}
        self.near: dict[str, int] = {}
        for name, lock in told.locked:
            if name.key:
                self._take(self.named, self._placed(name.key[-1]), _MODES[lock])
                if told.beside:
                    self._take(self.near, name.key[-1], _MODES[lock])
        for each in told.also:
            for other in self._kin(each.name.key[-1], each.kin):
                self._take(self.near, other, _MODES[each.lock])
        note = told.note
        rows = (
            sql.split(maxsplit=1)[0] in _ROWS
            or " AS SELECT" in sql
            or " AS TABLE" in sql
            or " INTO " in sql
        )
        self.rows = sql.split(maxsplit=1)[0] in _ROWS
        self.rewrites = "rewrites the table" in note or "copies" in note or told.what in _EMPTYING
        self.surely_rewrites = "rewrites the table" in note and not _MAYBE.search(note)
        self.reads = (
            self.rewrites or "reads" in note or "builds" in note or "runs the view" in note or rows
        )
        self.surely_reads = bool(re.search("reads the whole|builds", note)) and not _MAYBE.search(
            note
        )

    def _take(self, into: dict[str, int], name: str, rank: int) -> None:
        into[name] = max(rank, into.get(name, 0))

    def _placed(self, name: str) -> str:
        """Return the table that is meant where an index is named."""
        if self.told.beside == "the table of":
            return self._up("table", name) or name
        return name

    def _up(self, word: str, name: str) -> str:
        return next((other for one, other in self.graph[word] if one == name), "")

    def parts(self, name: str) -> list[str]:
        """Return the partitions and children of a table, and those of these."""
        own = [child for child, parent in self.graph["parents"] if parent == name]
        return [*own, *(each for one in own for each in self.parts(one))]

    def _kin(self, name: str, kin: Kin) -> list[str]:  # noqa: C901 - one case for each
        above = [parent for child, parent in self.graph["parents"] if child == name]
        whole = [name, *self.parts(name)]
        match kin:
            case Kin.PARENT:
                return [each for each in above if self.graph["kinds"][each] == "p"]
            case Kin.ABOVE:
                return [*above, *(each for one in above for each in self._kin(one, Kin.ABOVE))]
            case Kin.PARTS:
                return self.parts(name)
            case Kin.DEFAULT:
                found = self._up("default", name)
                return [found, *self.parts(found)] if found else []
            case Kin.DEFAULT_BESIDE:
                return [one for each in above for one in self._kin(each, Kin.DEFAULT)]
            case Kin.REFERENCED:
                found = [b for a, b in self.graph["references"] if a in whole]
            case Kin.REFERENCING:
                found = [a for a, b in self.graph["references"] if b in whole]
            case Kin.DEPENDENTS:
                back = ("reads", "references", "parents", "needs", "owner")
                pairs = [(b, a) for word in back for a, b in self.graph.get(word, [])]
                reached = self._reach(pairs, whole)
                found = [*reached, *(b for a, b in self.graph["references"] if a in reached)]
            case Kin.INDEXES:
                owned = [a for a, b in self.graph["table"] if b in whole]
                return [*whole, *owned] if self.told.beside else owned + self._toast(owned)
            case Kin.SHORTENED:
                return whole
            case Kin.READ:
                found = self._reach(self.graph["reads"], whole)
        return [*found, *(each for one in found for each in self.parts(one))]

    def _toast(self, owned: list[str]) -> list[str]:
        """Return the indexes of TOAST tables among *owned*."""
        return [a for a, b in self.graph["table"] if b in owned]

    def _reach(self, pairs: list[tuple[str, str]], start: list[str]) -> list[str]:
        """Return what *pairs* lead to, over any number of steps."""
        found: list[str] = []
        for one in (more := list(start)):
            new = [b for a, b in pairs if a == one and b not in found]
            found += new
            more += new
        return found

    def mode(self, name: str) -> int:
        """Return the rank of the lock that is told of a relation, of what it is a part of, or owns it."""
        if (
            self.graph["kinds"].get(name) in {"i", "I"}
            and "reads of the table also wait" in self.told.note
        ):
            return UNSURE
        ranks = [self.named.get(name, 0), self.near.get(name, 0)]
        owners = [self._up(word, name) for word in ("table", "owner")]
        ranks += [self.mode(owner) for owner in owners if owner]
        if not self.alone:
            ranks += [rank for up, rank in self.named.items() if name in self.parts(up)]
        return max(ranks)


_EMPTYING = frozenset(
    {
        "truncate",
        "vacuum full",
        "cluster",
        "refresh materialized view",
        "refresh materialized view concurrently",
    }
)
_MAYBE = re.compile(r"\b(?:if|unless|may|maybe|where)\b")


def figures(record: Record) -> str:
    """Return the table of verdicts, in Markdown."""
    lines = [
        f"| PostgreSQL | part | {' | '.join(Verdict)} |",
        "|---|---|" + "---:|" * len(Verdict),
    ]
    for each in record.counts():
        part = "held back" if each.held_back else "seen"
        told = " | ".join(str(each.of[verdict]) for verdict in Verdict)
        lines.append(f"| {record.servers[each.server]} | {part} | {told} |")
    return "\n".join(lines)
