"""An error as a card: what happened, every problem at once, and what fixes it."""

from __future__ import annotations

from templedb_nb.errors import InternalError, TempleError, shortened
from templedb_nb.views.html.card import Tone, card, facts, with_commands
from templedb_nb.views.html.markup import Html, block, prose, tag


def error_card(value: TempleError) -> Html:
    """Return an error as a card, without a heading: a table of contents lists no mistakes."""
    name = tag(
        "strong", tag("span", "✗ ", aria_hidden="true"), type(value).__name__, class_="tdb-bad"
    )
    return card(
        Tone.BAD,
        tag("p", name, ": ", prose(shortened(value.message))),
        _problems(value) if value.problems else None,
        facts([("What to do", with_commands(value.hint))]),
    )


def _problems(value: TempleError) -> Html:
    if isinstance(value, InternalError):  # a traceback, whose indents matter
        return block("\n".join(value.problems))
    listed = [tag("li", with_commands(shortened(each))) for each in value.problems[: value.listed]]
    more = len(value.problems) - value.listed
    return tag("ul", listed, tag("li", f"… and {more} more") if more > 0 else None)
