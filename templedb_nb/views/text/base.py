"""How any value reads: the words that every other module of this package adds to."""

from __future__ import annotations

import json
from functools import singledispatch
from typing import Any

from templedb_nb.model.finding import Finding, Severity, errors
from templedb_nb.model.listings import (
    Coded,
    CommandOutcome,
    Document,
    ShownConfig,
    Validation,
)
from templedb_nb.model.plan import Preview
from templedb_nb.model.start import Started
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


def following(command: str) -> list[str]:
    """Return the line that says what comes next, if something does."""
    return [f"next: {command}"] if command else []


def without_next(told: str) -> str:
    """Return what is said without what comes next: whoever asked for quiet knows."""
    return "\n".join(e for e in told.split("\n") if not e.lstrip().startswith("next: "))


def reasons(value: Any) -> list[str]:
    """Return what forbids a plan, or makes a config invalid, a line each."""
    found = value.preview if isinstance(value, Started) else value
    if not isinstance(found, Preview | Validation):
        return []
    return [str(each) for each in errors(found.findings)]


def columns(rows: list[list[str]]) -> list[str]:
    """Return rows of cells as aligned lines."""
    return table([""] * len(rows[0]), rows).split("\n")[1:]
