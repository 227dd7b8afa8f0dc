"""An error as a card: what happened, every problem at once, and what mends it."""

from __future__ import annotations

from templedb_nb.errors import TempleError
from templedb_nb.views.html.card import Tone, card, facts, with_commands
from templedb_nb.views.html.markup import Html, prose, tag


def error_card(value: TempleError) -> Html:
    """Return an error as a card, without a heading: a table of contents lists no mistakes."""
    name = tag(
        "strong", tag("span", "✗ ", aria_hidden="true"), type(value).__name__, class_="tdb-bad"
    )
    problems = tag("ul", [tag("li", with_commands(each)) for each in value.problems])
    return card(
        Tone.BAD,
        tag("p", name, ": ", prose(value.message)),
        problems if value.problems else None,
        facts([("What to do", with_commands(value.hint))]),
    )
