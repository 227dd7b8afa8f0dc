"""The references of the config: a table for each object that a document may hold."""

from __future__ import annotations

from enum import Enum

from tables import cell, linked, table

from templedb_nb.core.config import document, project_file
from templedb_nb.core.config.keys import blue_green as blue_green_keys
from templedb_nb.core.config.keys import lifecycle as lifecycle_keys
from templedb_nb.core.config.keys.blue_green import SlotNames
from templedb_nb.core.config.keys.lifecycle import Stages
from templedb_nb.core.config.keys.pending_alert import AlertAfter
from templedb_nb.core.health.outcomes import OUTCOMES
from templedb_nb.core.notifications import receiver_keys
from templedb_nb.core.notifications.kinds import DEFAULT, KINDS
from templedb_nb.core.values import schema
from templedb_nb.core.windows import rules
from templedb_nb.model.lifecycle import Lifecycle
from templedb_nb.model.notification import NotificationKind


def project() -> str:
    """Return the reference of a whole document."""
    return _object(project_file.DOCUMENT)


def group() -> str:
    """Return the reference of a group."""
    return _object(document.GROUP)


def hook() -> str:
    """Return the reference of a hook."""
    return _object(document.HOOK)


def health_check() -> str:
    """Return the reference of a health check."""
    return _object(document.HEALTH_CHECK)


def artifact() -> str:
    """Return the reference of an artifact."""
    return _object(document.ARTIFACT)


def expect_json() -> str:
    """Return the reference of an expectation of JSON."""
    return _object(document.EXPECT_JSON)


def promotion_gates() -> str:
    """Return the reference of what must be true before a promotion."""
    return _object(lifecycle_keys.GATES)


def blue_green() -> str:
    """Return the reference of how a group is switched between slots."""
    return _object(blue_green_keys.BLUE_GREEN)


def router() -> str:
    """Return the reference of what sends traffic to a slot."""
    return _object(blue_green_keys.ROUTER)


def router_status() -> str:
    """Return the reference of how a router is asked."""
    return _object(blue_green_keys.ROUTER_STATUS)


def outcomes() -> str:
    """Return what each cause says of a target's health."""
    rows = [
        (f"`{cause.value}`", found.value, cell(meaning))
        for cause, (found, meaning) in OUTCOMES.items()
    ]
    return table(("cause", "outcome", "what was seen"), rows)


def receiver() -> str:
    """Return the reference of a receiver of notifications."""
    return _object(receiver_keys.RECEIVER)


def notifications() -> str:
    """Return what people are notified of."""
    rows = [
        (f"`{kind.value}`", facts.urgency.value, "yes" if kind in DEFAULT else "", facts.meaning)
        for kind, facts in KINDS.items()
        if kind is not NotificationKind.TEST
    ]
    return table(("event", "severity", "default", "what happened"), rows)


def target() -> str:
    """Return the reference of a target."""
    return _object(project_file.TARGET)


def windows() -> str:
    """Return the reference of a target's deployment windows."""
    return _object(rules.WINDOWS)


def window() -> str:
    """Return the reference of a rule of deployment windows."""
    return _object(rules.RULE)


def _object(found: schema.Object) -> str:
    rows = [
        (f"`{key.name}`", _kind(key.shape), _default(key), cell(linked(key.doc)))
        for key in found.keys
    ]
    return table(("key", "value", "default", "what it says"), rows)


def _kind(found: schema.Shape) -> str:  # noqa: C901, PLR0912 - a case a shape
    match found:
        case schema.Text():
            return _WORDS.get(found, "word" if found.says else "text")
        case schema.WholeNumber(least=least, most=most):
            return f"whole number, {least} {f'to {most}' if most is not None else 'or more'}"
        case schema.Duration(least=least):
            return f"duration, {least} s or more" if least else "duration"
        case schema.ByteSize():
            return "bytes: whole number, `500MB`, `2GiB`"
        case schema.Scalar():
            return "text, number, `true` or `false`"
        case schema.Flag():
            return "`true` or `false`"
        case schema.Choice(words=words):
            return ", ".join(f"`{word.value}`" for word in words)
        case schema.ListOf(item=item, single=single):
            return f"list of {_plural(_kind(item))}{'; or one alone' if single else ''}"
        case schema.PairsOf(name=name, item=item):
            return f"object: {_kind(name)} to {_kind(item)}"
        case schema.TextOr(key=key, long=long):
            return f"{_kind(long)}, or a text: its `{key}`"
        case schema.Object():
            return _PLACES[id(found)]
        case AlertAfter():
            return "duration or `off`, or object: name to duration or `off`"
        case SlotNames():
            return "list of names, or object: name to an object of variables to texts"
        case Stages():
            return "list of names or of lists of names, or object: name to names"
        case _:
            raise TypeError(f"the reference cannot name a {type(found).__name__}")


def _plural(kind: str) -> str:
    return f"{kind}s" if kind in {"text", "name", "variable"} else f"items, each {kind}"


_WORDS = {document.NAME: "name", document.VARIABLE: "variable"}


_PLACES = {
    id(document.HOOK): "a [hook](#hook)",
    id(document.ARTIFACT): "an [artifact](#artifact)",
    id(document.HEALTH_CHECK): "a [health check](#health-check)",
    id(document.EXPECT_JSON): "an [expectation of JSON](#expectation-of-json)",
    id(document.GROUP): "a [group](#group)",
    id(rules.WINDOWS): "[deployment windows](#deployment-windows)",
    id(rules.RULE): "a [rule](#deployment-windows)",
    id(blue_green_keys.BLUE_GREEN): "[blue-green](#blue-green)",
    id(blue_green_keys.ROUTER): "a [router](#router)",
    id(blue_green_keys.ROUTER_STATUS): "a [router status](#router-status)",
    id(lifecycle_keys.GATES): "[promotion gates](#promotion-gates)",
    id(project_file.TARGET): "a [target](#target)",
    id(receiver_keys.RECEIVER): "a [receiver](#receiver)",
}


def _default(key: schema.Key) -> str:
    match key.default:
        case schema.REQUIRED:
            return "required"
        case Enum() as word:
            return f"`{word.value}`"
        case bool() as flag:
            return f"`{str(flag).lower()}`"
        case None | "" | () | Lifecycle():
            return ""
        case tuple() as several:
            return ", ".join(f"`{each}`" for each in several)
        case other:
            return f"`{other}`"


# --- events -----------------------------------------------------------------------------------


PARTS = (
    project,
    group,
    hook,
    artifact,
    health_check,
    expect_json,
    blue_green,
    router,
    router_status,
    promotion_gates,
    outcomes,
    target,
    receiver,
    notifications,
    windows,
    window,
)
"""What writes each part of the config's reference."""
