"""A line of a command's output, with its colours, as HTML."""

from __future__ import annotations

from templedb_nb.views import ansi
from templedb_nb.views.html.card import Tone, toned
from templedb_nb.views.html.markup import Html, join, tag

TONES = {"red": Tone.BAD, "green": Tone.GOOD, "yellow": Tone.LOUD}
"""The colours that mean something; the others are drawn as the text is."""


def terminal_line(line: str) -> Html:
    """Return *line* as a terminal would have shown it."""
    return join([_piece(look, text) for look, text in ansi.pieces(line)])


def _piece(look: ansi.TextStyle, text: str) -> Html:
    made = join(text)
    for given, name in ((look.bold, "strong"), (look.italic, "em"), (look.underlined, "u")):
        made = tag(name, made) if given else made
    tone = TONES.get(look.colour) or (Tone.QUIET if look.faint else None)
    return toned(tone, made) if tone else made
