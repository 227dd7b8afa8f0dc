"""Which word of a command is likely to come next: what completion offers first."""

from __future__ import annotations

from collections.abc import Sequence

from templedb_nb.model.selection import LAST

ORDER = {
    "": "status deploy start approve migration board query timeline approvals chart sql diff"
    " releases promote run use health drift target env config project lock blame reject notify"
    " runbook notebook fleet state ci completion tui",
    "deploy": "plan run status history show logs pick resume rollback stats config slots switch"
    " init",
    "migration": "status list show new lint history down resolve",
    "project": "sync show list files import remove",
    "target": "list show test add update label import",
    "env": "list set check import unset",
    "run": "attach cancel blockers unblock resolve",
    "lock": "show acquire release steal",
    "drift": "check diff accept",
    "health": "show check",
    "runbook": "run status inspect history",
    "notify": "list test send add",
    "fleet": "status plan run resume retry list approve history drift pause speed cancel define"
    " remove",
    "state": "show check backup gc init",
}
"""The words behind a noun, the most frequent first; others follow in their own order."""

FOLLOWS = {
    "use": ("status", "deploy plan", "board"),
    "status": ("deploy plan", "deploy run", "migration status"),
    "board": ("deploy plan", "approvals", "use"),
    "start": ("deploy run", "deploy plan", "status"),
    "project import": ("deploy init", "target add", "env set"),
    "deploy init": ("target add", "env set", "deploy config"),
    "target add": ("env set", "target test", "deploy plan"),
    "target import": ("target list", "env set", "deploy plan"),
    "env set": ("target test", "deploy plan", "env list"),
    "target test": ("deploy plan", "deploy run"),
    "project sync": ("deploy plan", "deploy run"),
    "migration new": ("migration lint", "deploy plan", "deploy run"),
    "migration lint": ("deploy plan", "deploy run"),
    "migration status": ("deploy plan", "migration show", "deploy run"),
    "config set": ("deploy plan", "deploy run"),
    "deploy config": ("deploy plan", "deploy run"),
    "deploy pick": ("deploy plan", "deploy run"),
    "deploy plan": ("deploy run", "approve", "approvals", "reject"),
    "approve": ("deploy run", "approvals", "promote"),
    "approvals": ("approve", "reject", "deploy run"),
    "deploy run": ("deploy status", "deploy logs", "health show", "deploy show", "timeline"),
    "deploy run failed": ("deploy logs", "deploy show", "deploy resume", "deploy rollback"),
    "deploy resume": ("deploy status", "deploy logs", "health show"),
    "deploy resume failed": ("deploy logs", "deploy rollback", "run resolve"),
    "deploy rollback": ("deploy status", "health show", "deploy history"),
    "deploy history": ("deploy show", "deploy logs", "diff", "timeline"),
    "deploy status": ("deploy history", "deploy logs", "deploy plan"),
    "deploy show": ("deploy logs", "diff", "deploy history"),
    "releases": ("promote", "deploy rollback", "diff"),
    "promote": ("approve", "deploy status", "health show"),
    "timeline": ("deploy history", "chart", "diff"),
    "chart": ("timeline", "deploy stats", "deploy history"),
    "drift check": ("drift diff", "drift accept"),
}
"""What usually follows a command; of one that failed, the key ends in ``failed``."""


def likely_first(words: Sequence[str], given: Sequence[str], last: str) -> list[str]:
    """Return *words*, which may follow those *given*, the likely ones first.

    *last* is the command that ran before in this notebook. The newest run comes before all names.
    """
    before = " ".join(each for each in given if not each.startswith("-"))
    start = f"{before} " if before else ""
    next_ = [
        each.removeprefix(start).split()[0]
        for each in FOLLOWS.get(last, ())
        if each.startswith(start)
    ]
    order = list(dict.fromkeys([LAST, *next_, *ORDER.get(before, "").split()]))
    places = {word: place for place, word in enumerate(order)}
    return sorted(words, key=lambda word: places.get(word, len(places)))
