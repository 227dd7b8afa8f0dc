"""How any value reads: the words that every other module of this package adds to."""

from __future__ import annotations

import json
from functools import singledispatch
from typing import Any

from templedb_nb.model.finding import Finding, Severity
from templedb_nb.model.listings import (
    Coded,
    CommandOutcome,
    Document,
    ShownConfig,
)
from templedb_nb.views.format import shown, table

INDENT = "  "
LISTED = 10
FINDINGS = 50
"""At most this many findings are listed."""


@singledispatch
def text(value: Any) -> str:
    """Return *value* as a person would like to read it."""
    return str(value)


@text.register
def _(value: Coded) -> str:
    return text(value.value)


@text.register
def _(value: CommandOutcome) -> str:
    return "\n".join([value.text, *(f"{INDENT}{line}" for line in value.also)])


@text.register
def _(value: Document) -> str:
    body = value.document
    return body.rstrip("\n") if isinstance(body, str) else json.dumps(body, indent=2)


@text.register
def _(value: ShownConfig) -> str:
    if value.format == "yaml":
        import yaml

        return str(
            yaml.safe_dump(dict(value.document), sort_keys=False, allow_unicode=True)
        ).rstrip()
    return json.dumps(value.document, indent=2, ensure_ascii=False)


def findings(found: tuple[Finding, ...]) -> list[str]:
    """Return findings, the gravest first, a line each; of very many the gravest."""
    order = list(Severity)
    ranked = sorted(found, key=lambda each: order.index(each.severity))
    lines = [f"{INDENT}{each.severity:<8} {shown(str(each))}" for each in ranked[:FINDINGS]]
    if (more := len(ranked) - FINDINGS) > 0:
        lines.append(f"{INDENT}… and {more} more, which --json lists")
    return lines


def columns(rows: list[list[str]]) -> list[str]:
    """Return rows of cells as aligned lines."""
    return table([""] * len(rows[0]), rows).split("\n")[1:]
