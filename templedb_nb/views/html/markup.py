"""HTML that cannot be written wrongly: text is escaped, what is not text says so by its type."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import TypeAlias

from templedb_nb.views.format import masked, shown


class Html(str):
    """Markup; every other text is escaped before it stands beside it."""

    __slots__ = ()


Child: TypeAlias = "Html | str | Iterable[Child] | None"
VOID = frozenset({"br", "wbr"})


def tag(name: str, *children: Child, **attributes: str | bool | None) -> Html:
    """Return an element; ``class_`` stands for class, and True for an attribute without a value."""
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """Return children side by side; control characters in text are made visible."""
    return Html("".join(_child(each) for each in children))


def prose(text: str) -> Html:
    """Return text with its line breaks."""
    return Html("<br>".join(_child(line) for line in masked(text).split("\n")))


def unbroken(text: str) -> Html:
    """Return text whose words stay on one line, with a style sheet or without."""
    return Html(_child(text).replace(" ", "&nbsp;"))


def block(text: str, line: Callable[[str], Html] = join) -> Html:
    """Return text of several lines, as it stands, in a block of its own; *line* dresses each."""
    dressed = (line(each.expandtabs()) for each in masked(text).split("\n"))
    return Html(f"<pre>{chr(10).join(dressed)}</pre>")


def _child(child: Child) -> str:
    match child:
        case None:
            return ""
        case Html():
            return child
        case str():
            return escape(shown(masked(child)), quote=False)
        case _:
            return join(*child)


def _attribute(key: str, value: str | bool | None) -> str:  # noqa: FBT001 - as HTML has them
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(shown(masked(value)))}"'
