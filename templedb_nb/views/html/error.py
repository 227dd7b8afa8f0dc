"""An error as a card: what happened, every problem at once, and what fixes it."""

from __future__ import annotations

from templedb_nb.errors import InternalError, TempleError
from templedb_nb.views.html.card import Tone, card, facts, with_commands
from templedb_nb.views.html.markup import Html, block, prose, tag


def error_card(value: TempleError) -> Html:
    """Return an error as a card, without a heading: a table of contents lists no mistakes."""
    name = tag(
        "strong", tag("span", "✗ ", aria_hidden="true"), type(value).__name__, class_="tdb-bad"
    )
    return card(
        Tone.BAD,
        tag("p", name, ": ", prose(value.message)),
        _problems(value) if value.problems else None,
        facts([("What to do", with_commands(value.hint))]),
    )


def _problems(value: TempleError) -> Html:
    if isinstance(value, InternalError):  # a traceback, whose indents matter
        return block("\n".join(value.problems))
    return tag("ul", [tag("li", with_commands(each)) for each in value.problems])
