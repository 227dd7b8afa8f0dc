"""Signs, words and colours: the signs are those of the cards, and no colour says anything alone."""

from __future__ import annotations

from rich.text import Text

from templedb_nb.model.event import Outcome
from templedb_nb.model.step_result import StepState
from templedb_nb.views.ansi import pieces
from templedb_nb.views.format import shown
from templedb_nb.views.html.card import Tone
from templedb_nb.views.html.run import OUTCOMES, STATES, WAITS

STYLES = {
    Tone.GOOD: "green",
    Tone.BAD: "bold red",
    Tone.LOUD: "yellow",
    Tone.QUIET: "dim",
    Tone.PLAIN: "",
}
RUNNING = Tone.LOUD, "▸"
WAITING = WAITS
PROTECTED = "▲"
SQL_LINES = 20_000
"""SQL with more lines is shown without the looks of its words."""
_SQL = {"Keyword": "bold", "Comment": "dim italic", "String": "green", "Number": "cyan"}


def toned(tone: Tone, text: str) -> Text:
    """Return a text that is drawn as *tone* has it."""
    return Text(shown(text), style=STYLES[tone])


def marked(tone: Tone, sign: str, words: str) -> Text:
    """Return words behind their sign."""
    return Text(f"{sign} {shown(words)}", style=STYLES[tone])


def ended(outcome: Outcome | None, words: str) -> Text:
    """Return how a run ended, or that it goes on, in *words*."""
    return marked(*(OUTCOMES[outcome] if outcome else RUNNING), words)


def step_state(state: StepState, *, waits: bool = False) -> Text:
    """Return where a step stands."""
    return marked(*WAITING, "waits") if waits else marked(*STATES[state], state.value)


def written(line: str) -> Text:
    """Return a line that a command wrote: with its colours, without what controls a terminal."""
    found = Text(no_wrap=True)
    for look, text in pieces(line):
        marks = (("bold", look.bold), ("dim", look.faint), ("italic", look.italic),
                 ("underline", look.underlined), (look.colour, look.colour))  # fmt: skip
        found.append(text.expandtabs(), " ".join(name for name, on in marks if on))
    return found


def prose(text: str) -> list[Text]:
    """Return a text of ours, line by line; its first words stand out."""
    return [_line(line) for line in text.split("\n")]


def _line(line: str) -> Text:
    found = written(line)
    found.no_wrap = False
    head, colon, _ = line.partition(":")
    if colon and head in {"error", "hint", "next", "failed", "warning", "waits"}:
        found.stylize("bold", 0, len(head) + 1)
    if line.startswith(("+ ", "- ")):
        found.stylize("green" if line[0] == "+" else "red")
    return found


def sql(text: str) -> list[Text]:
    """Return SQL line by line, numbered, its words dressed."""
    text = text.rstrip("\n")
    lines = [Text()]
    dressed = _words(text) if text.count("\n") < SQL_LINES else iter([("", text)])
    for style, words in dressed:
        first, *rest = words.split("\n")
        lines[-1].append(_visible(first), style)
        lines += [Text.assemble((_visible(each), style)) for each in rest]  # not the whole line's
    wide = len(str(len(lines)))
    return [
        Text.assemble((f"{n:>{wide}}  ", "dim"), line, no_wrap=True)
        for n, line in enumerate(lines, 1)
    ]


def _visible(text: str) -> str:
    return shown(text.removesuffix("\r").expandtabs())


def _words(text: str) -> list[tuple[str, str]]:
    try:
        from pygments.lexers.sql import PostgresLexer
    except ImportError:
        return [("", text)]
    lexer = PostgresLexer(stripnl=False, ensurenl=False)
    return [(_style(str(kind)), words) for kind, words in lexer.get_tokens(text)]


def _style(kind: str) -> str:
    """Return the look of a token, such as ``Token.Literal.String.Single``."""
    parts = kind.split(".")
    return next((style for name, style in _SQL.items() if name in parts), "")
