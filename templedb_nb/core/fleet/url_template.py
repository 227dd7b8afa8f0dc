"""Addresses of many targets from one text: ``template:postgresql://app:{DB_PASSWORD}@{host}/{slug}``.

A name in braces that begins with a lower-case letter is a label of the target (or its name, host,
region …); another is a variable. In a URL, values are escaped, so that none can become another
part of it; elsewhere only plain words are taken from labels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from templedb_nb.core.fleet.labels import key_fault
from templedb_nb.core.fleet.selector import FACTS
from templedb_nb.core.secrets.url_passwords import without_url_passwords
from templedb_nb.errors import SecretError
from templedb_nb.model.dataclass import dataclass

TEMPLATE = "template:"
"""A variable whose text begins so has a value of its own on each target."""
_BRACES = re.compile(r"\{([^{}]*+)\}")
_VARIABLE = re.compile(r"[A-Z_][A-Za-z0-9_]*+")
_URL = re.compile(r"(?!duckdb:)[a-z][a-z0-9+.-]*+://")
_WORD = re.compile(r"\w[\w.@+-]*+")
_HOST = ":,[]"
"""What the host of an address may hold: ports, several hosts, an address of IPv6."""
HINT = "templedb env set DATABASE_URL 'template:postgresql://{PGUSER}:{PGPASSWORD}@{host}/{slug}'"


def is_template(text: str) -> bool:
    """Return whether the text of a variable says how each target's value is made."""
    return text.startswith(TEMPLATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlTemplate:
    """A template that was read: texts, with a name between each two of them."""

    texts: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def sample(self) -> str:
        """Return what it may become; empty if its beginning is a variable's."""
        return "1".join(self.texts) if self.texts[0] else ""

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the variables whose values it needs, each once."""
        found = (each for each in self.names if _VARIABLE.fullmatch(each))
        return tuple(dict.fromkeys(found))

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels that it needs, each once."""
        found = (each for each in self.names if not _VARIABLE.fullmatch(each))
        return tuple(dict.fromkeys(found))


def url_template(text: str) -> UrlTemplate:
    """Read the text of a template, with or without its prefix, or raise what is wrong with it."""
    if problems := template_faults(text):
        raise SecretError("the template cannot be used", hint=HINT, problems=problems)
    parts = _parts(text)
    return UrlTemplate(texts=tuple(parts[::2]), names=tuple(parts[1::2]))


def template_faults(text: str) -> list[str]:
    """Return everything that is wrong with the text of a template."""
    parts = _parts(text)
    texts, names = parts[::2], parts[1::2]
    problems = []
    if any("{" in each or "}" in each for each in texts):
        problems.append("a brace is not closed; for one that is meant, write %7B or %7D")
    strange = (n for n in dict.fromkeys(names) if not _VARIABLE.fullmatch(n) and n not in FACTS)
    problems += [f"{{{n}}} names neither a label nor a variable" for n in strange if key_fault(n)]
    without = "".join(texts)
    if without_url_passwords(without) != without:
        problems.append("it contains a password; put a variable in its place: {DB_PASSWORD}")
    return problems


def _parts(text: str) -> list[str]:
    return _BRACES.split(text.removeprefix(TEMPLATE).strip())


def filled(template: UrlTemplate, labels: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """Return the text for one target, or raise with every label that it lacks or that is unfit."""
    problems = [f"the target has no label {n}" for n in template.labels if n not in labels]
    url = _URL.match(template.texts[0])
    if not url:
        unfit = (n for n in template.labels if n in labels and not _WORD.fullmatch(labels[n]))
        told = "outside of a URL, a label may hold only letters, digits and _ . - @ +"
        problems += [f"the label {name} is {labels[name]!r}: {told}" for name in unfit]
    if problems:
        hint = "templedb target label NAME KEY=VALUE"
        first, *more = problems
        raise SecretError(f"its template cannot be filled: {first}", hint=hint, problems=more)
    made = [template.texts[0]]
    for at, name in enumerate(template.names, start=1):
        value = labels[name] if name in template.labels else variables[name]
        after = "".join(template.texts[at:])
        made += [_escaped(value, "".join(made), after) if url else value, template.texts[at]]
    return "".join(made)


def _escaped(value: str, before: str, after: str) -> str:
    """Return a value as its part of a URL holds it; that of the host may name ports."""
    authority = before.split("://", 1)[1]
    inside = "/" not in authority and "?" not in authority
    host = inside and "@" not in after.split("/", 1)[0]
    return quote(value, safe=_HOST if host else "")
