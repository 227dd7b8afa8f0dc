"""The table of measured effects: what statements did on each server, from the tests' record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tables import cell, table

import templedb_nb

RECORD = Path(templedb_nb.__file__).parent.parent / "tests" / "effects" / "record.json"
_LOCKS = {
    "ACS": "ACCESS SHARE",
    "RS": "ROW SHARE",
    "RX": "ROW EXCLUSIVE",
    "SUE": "SHARE UPDATE EXCLUSIVE",
    "S": "SHARE",
    "SRX": "SHARE ROW EXCLUSIVE",
    "X": "EXCLUSIVE",
    "AX": "ACCESS EXCLUSIVE",
}
_REFUSED = "!"


def effects() -> str:
    """Return one row for each statement and the kinds on which servers did the same."""
    head, graphs, *cases = json.loads(RECORD.read_text())
    servers = list(head["servers"])
    told: dict[str, dict[tuple[tuple[str, str], ...], list[str]]] = {}
    for kind, sql, on in cases:
        own = tuple(
            (_range(names.split(), servers), _words(text, graphs[kind]["kinds"]))
            for names, text in on.items()
        )
        if sql.startswith("ALTER TABLE t ") and _joins(sql):
            continue
        if all(outcome.startswith("refused") for _, outcome in own):
            continue
        told.setdefault(sql, {}).setdefault(_merged(own, servers), []).append(kind)
    rows = [
        (f"`{sql}`" if not place else "", "; ".join(kinds), _outcomes(outcomes))
        for sql, same in sorted(told.items())
        for place, (outcomes, kinds) in enumerate(
            sorted(same.items(), key=lambda each: -len(each[1]))
        )
    ]
    versions = ", ".join(head["servers"].values())
    first = f"Measured on {head['measured']}, on PostgreSQL {versions}."
    return f"{first}\n\n{table(('statement', 'kinds', 'what happened'), map(_cells, rows))}"


def _cells(row: tuple[str, ...]) -> list[str]:
    return [cell(each) for each in row]


def _joins(sql: str) -> bool:
    """Return whether a statement is a pair of actions."""
    depth = 0
    for sign in sql:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and not depth:
            return True
    return False


def _merged(own: tuple[tuple[str, str], ...], servers: list[str]) -> tuple[tuple[str, str], ...]:
    """Return the outcomes once each, with the servers that had them."""
    by_text: dict[str, list[str]] = {}
    for span, text in own:
        by_text.setdefault(text, []).extend(_spread(span, servers))
    return tuple((_range(names, servers), text) for text, names in by_text.items())


def _spread(span: str, servers: list[str]) -> list[str]:
    found: list[str] = []
    for part in span.split(", "):
        first, _, last = part.partition(" to ")
        found += servers[servers.index(first) : servers.index(last or first) + 1]
    return found


def _range(names: list[str], servers: list[str]) -> str:
    """Return versions as ranges, such as ``13 to 15, 18``."""
    places = sorted(servers.index(each) for each in names)
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return ", ".join(
        servers[run[0]] if len(run) == 1 else f"{servers[run[0]]} to {servers[run[-1]]}"
        for run in runs
    )


def _outcomes(outcomes: tuple[tuple[str, str], ...]) -> str:
    if len(outcomes) == 1:
        return outcomes[0][1]
    return "; ".join(f"**{span}**: {text}" for span, text in outcomes)


def _words(text: str, kinds: dict[str, str]) -> str:
    if text.startswith(_REFUSED):
        return f"refused ({text[1:]})"
    locks, rewritten, read, built, waits = [*text.split("|"), *[""] * 5][:5]
    by_mode: dict[str, list[str]] = {}
    for each in locks.split():
        mode, _, name = each.partition(":")
        if kinds.get(name) in {"r", "p", "v", "m", "f"}:
            by_mode.setdefault(mode, []).append(name)
    parts = [
        f"{_LOCKS[mode]} on {', '.join(names)}"
        for mode, names in sorted(by_mode.items(), key=lambda each: -list(_LOCKS).index(each[0]))
    ]
    tables = [each for each in rewritten.split() if kinds.get(each) in {"r", "m"}]
    parts += [f"rewrites {', '.join(tables)}"] if tables else []
    parts += [f"reads {', '.join(read.split())}"] if read else []
    parts += ["builds an index"] if built else []
    parts += ["waits for older transactions"] if waits else []
    return ", ".join(parts) or "no table"


PARTS: dict[str, Callable[[], str]] = {"effects": effects}
