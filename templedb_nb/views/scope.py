"""Whose history is shown, in words: the title of a table, of a chart, and of their texts."""

from __future__ import annotations

from templedb_nb.model.history import HistoryScope
from templedb_nb.views.format import moment


def scope_words(scope: HistoryScope) -> str:
    """Return which runs were asked for: ``on staging since …``; nothing where it is all."""
    asked = [
        f"on {scope.target}" if scope.target else "",
        f"since {moment(scope.since)}" if scope.since else "",
        f"that are {' or '.join(map(_word, scope.status))}" if scope.status else "",
    ]
    return " ".join(each for each in asked if each)


def whose(slug: str, scope: HistoryScope) -> str:
    """Return a project, and which of its runs: ``shop on staging``."""
    return f"{slug} {scope_words(scope)}".rstrip()


def _word(status: str) -> str:
    return status.replace("_", " ")
