"""Which value a name will have, described by its source and never by the value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType

from templedb_nb.core.config.groups import DANGEROUS
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.variable import Keeping, Scope, ValueSource, Variable

INHERITED = frozenset(
    {
        "PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL", "TERM",
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
        "http_proxy", "https_proxy", "no_proxy", "all_proxy",
        "SSL_CERT_FILE", "SSL_CERT_DIR",
    }
)  # fmt: skip


NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNames:
    """The names that have a value somewhere; no value is among them."""

    kept: tuple[Variable, ...] = ()
    options: frozenset[str] = frozenset()
    process: frozenset[str] = field(default=frozenset(), repr=False)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    """Those of the target, and its fields that are like them: templates are filled from them."""

    @property
    def names(self) -> frozenset[str]:
        """Return the names that every command of the target gets."""
        return frozenset(v.name for v in self.kept) | self.options

    def source(self, name: str, own: Mapping[str, str] = NOTHING) -> ValueSource | None:
        """Return where the value of *name* comes from; *own* is what a group says itself.

        The highest precedence wins.
        """
        if name in self.options:
            return ValueSource(name=name, scope=Scope.OPTION, keeping=Keeping.SEALED)
        if name in own:
            return ValueSource(name=name, scope=Scope.GROUP, keeping=_literal(own[name]))
        if kept := effective(self.kept).get(name):
            return ValueSource(name=name, scope=kept.scope, keeping=kept.keeping)
        if name in self.process:
            return ValueSource(name=name, scope=Scope.ENVIRONMENT, keeping=Keeping.SEALED)
        return None


def effective(kept: Iterable[Variable]) -> dict[str, Variable]:
    """Return the variable that holds for each name: a target's own before its project's."""
    ranked = sorted(kept, key=lambda each: each.scope is Scope.TARGET)
    return {each.name: each for each in ranked}


def inherited(process: Mapping[str, str]) -> dict[str, str]:
    """Return what a command gets of our own environment."""
    return {n: v for n, v in process.items() if n in INHERITED or n.startswith("LC_")}


def permitted(names: Iterable[str], allowed: Sequence[str]) -> frozenset[str]:
    """Return the names that may reach a command: those that change no program's start."""
    return frozenset(n for n in names if n in allowed or not DANGEROUS.fullmatch(n))


def is_reference(text: str) -> bool:
    """Return whether a text points at a value in place of being one."""
    return text.startswith(("env:", "file:"))


def _literal(text: str) -> Keeping:
    return Keeping.REFERENCE if is_reference(text) else Keeping.PLAIN
