"""SQL with its words highlighted: by weight and slant, and by colour if there is a style."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import groupby
from typing import TypeAlias

from templedb_nb.views.html.markup import Html, join, tag

Kind: TypeAlias = str
Lexer: TypeAlias = Callable[[str], Iterator[tuple[Kind, str]]]
LOOKS = {
    "keyword": ("b", "tdb-keyword"),
    "comment": ("i", "tdb-comment"),
    "string": ("span", "tdb-string"),
    "number": ("span", "tdb-literal"),
}


def sql_block(text: str) -> Html:
    """Return SQL in a block of its own; all plain where Pygments, which IPython has, is missing."""
    told = _lexer()(text.expandtabs())
    pieces = ((kind, "".join(each for _, each in them)) for kind, them in groupby(told, _kind))
    return tag("pre", Html("".join(_dressed(kind, piece) for kind, piece in pieces)))


def _kind(told: tuple[Kind, str]) -> Kind:
    return told[0]


def _dressed(kind: Kind, text: str) -> str:
    lines = "\n".join(join(line) for line in text.split("\n"))
    if kind not in LOOKS or text.isspace():
        return lines
    element, looks = LOOKS[kind]
    return tag(element, Html(lines), class_=looks)


@cache
def _lexer() -> Lexer:
    """Return what tells the words of SQL apart, by kinds that `LOOKS` knows."""
    try:
        from pygments.lexers.sql import PostgresLexer
        from pygments.token import Comment, Keyword, Number, String
    except ImportError:
        return lambda text: iter([("", text)])
    kinds = ((Comment, "comment"), (String.Name, ""), (String, "string"), (Keyword, "keyword"))
    lexer = PostgresLexer(stripnl=False, ensurenl=False)

    def told(text: str) -> Iterator[tuple[Kind, str]]:
        for token, words in lexer.get_tokens(text):
            kind = next((kind for family, kind in kinds if token in family), "")
            yield "number" if token in Number and words != "." else kind, words

    return told
