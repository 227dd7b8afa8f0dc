"""A config overlay: what is different for one plan alone, and never becomes the config.

It names groups that are there and keys of them. Objects merge, lists and single values replace,
and ``null`` returns a key to its default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any  # Any: a JSON document, whose shape is read here

from templedb_nb.core.config import document as configs
from templedb_nb.core.config import groups
from templedb_nb.core.config.document import problem
from templedb_nb.core.values.schema import nearest
from templedb_nb.model.config import DeployConfig
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic, errors
from templedb_nb.model.plan import Overlaid
from templedb_nb.model.serialization import canonical

FIXED = {
    "name": "names the group that is changed",
    "kind": "can only be set in the config: it decides what the files are",
    "database": "can only be set in the config: it decides which ledger records the migrations",
}
NOT_SET = "not set"
_PLACE = re.compile(r"groups\[(\d+)\]")
_ELSEWHERE = frozenset({"targets", "variables"})

Complain = Callable[[str, str], None]
Groups = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What a plan was made of beside the config: `text` is canonical JSON, empty for none."""

    text: str = ""
    changes: tuple[Overlaid, ...] = ()
    findings: tuple[Finding, ...] = ()


NO_OVERLAY = Overlay()


def overlaid(config: DeployConfig, document: object) -> tuple[DeployConfig, Overlay]:
    """Return the config under the overlay; the bare one, with every complaint, if it is unfit."""
    findings: list[Finding] = []

    def complain(at: str, message: str) -> None:
        findings.append(problem(f"overlay: {at}" if at else "overlay", message))

    given = _groups(document, complain)
    _refuse_fixed(config, given, complain)
    merged, complaints = _merged(config, given)
    if findings or complaints:
        return config, Overlay(findings=(*findings, *complaints))
    changes = tuple(differences(config, merged))
    if not changes:
        return config, Overlay(findings=(_nothing(),))
    text = canonical({"groups": _without_floats(given)}).decode()
    return merged, Overlay(text=text, changes=changes)


def _without_floats(value: Any) -> Any:
    """Return *value* with each float as its text, which every key that takes one reads alike.

    A float has no canonical form.
    """
    match value:
        case float():
            return repr(value)
        case Mapping():
            return {key: _without_floats(each) for key, each in value.items()}
        case list():
            return [_without_floats(each) for each in value]
        case _:
            return value


def document_of(text: str) -> object:
    """Return the document that an overlay's text stands for; None for no overlay."""
    return json.loads(text) if text else None


def differences(before: DeployConfig, after: DeployConfig) -> list[Overlaid]:
    """Return what differs, a key a line, objects by their own keys."""
    old = {each["name"]: each for each in configs.document(before)["groups"]}
    found: list[Overlaid] = []
    for group in configs.document(after)["groups"]:
        found += _changed(group["name"], old.get(group["name"], {}), group)
    return found


def _groups(document: object, complain: Complain) -> dict[str, dict[str, Any]]:
    """Return the keys of each group that is named, in a list or by its name."""
    if not isinstance(document, Mapping):
        complain("", "must be an object with the key groups: {groups: {NAME: {timeout: 5m}}}")
        return {}
    for key in document:
        if key in _ELSEWHERE:
            complain(str(key), "is not part of an overlay, which changes only groups")
        elif key != "groups":
            complain(str(key), f"is not a known key{nearest(key, ['groups'])}")
    listed = document.get("groups")
    if isinstance(listed, list):
        listed = _by_name(listed, complain)
    if not isinstance(listed, Mapping):
        complain("groups", "must be a list of groups, or an object of them by their names")
        return {}
    for name, keys in listed.items():
        if not isinstance(keys, Mapping):
            complain(f"groups.{name}", "must be an object of keys")
    return {str(name): dict(keys) for name, keys in listed.items() if isinstance(keys, Mapping)}


def _by_name(listed: list[Any], complain: Complain) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for n, each in enumerate(listed):
        name = each.get("name") if isinstance(each, Mapping) else None
        if not isinstance(name, str):
            complain(f"groups[{n}]", "must be an object with the name of a group")
        elif name in found:
            complain(f"groups[{n}].name", f"{name!r} appears more than once")
        else:
            found[name] = {key: value for key, value in each.items() if key != "name"}
    return found


def _refuse_fixed(config: DeployConfig, given: Groups, complain: Complain) -> None:
    known = [group.name for group in config.groups]
    for name, keys in given.items():
        if name not in known:
            more = "" if known else "; the project has no config yet"
            complain(f"groups.{name}", f"is not a group of the config{nearest(name, known)}{more}")
        for key in keys:
            if key in FIXED:
                complain(f"groups.{name}.{key}", FIXED[key])


def _merged(config: DeployConfig, given: Groups) -> tuple[DeployConfig, tuple[Finding, ...]]:
    whole = configs.document(config)
    base = whole["groups"]
    fit = {name: {k: v for k, v in each.items() if k not in FIXED} for name, each in given.items()}
    document = whole | {"groups": [_merge(each, fit.get(each["name"], {})) for each in base]}
    merged, findings = configs.parse(document)
    known = set(groups.check(config))
    found = errors((*findings, *(each for each in groups.check(merged) if each not in known)))
    return merged, tuple(_named(each, config) for each in found)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(under, Mapping):
            merged[key] = _merge(under, value)
        else:
            merged[key] = value
    return merged


def _named(found: Finding, config: DeployConfig) -> Finding:
    """Name the group of a finding as the overlay does: by its name."""
    where = _PLACE.sub(lambda at: f"groups.{config.groups[int(at[1])].name}", found.where)
    return problem(f"overlay: {where}", found.message, found.mend, topic=found.topic)


def _changed(at: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Overlaid]:
    found: list[Overlaid] = []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old or {}, Mapping) and isinstance(new or {}, Mapping):
            found += _changed(f"{at}.{key}", old or {}, new or {})
        else:
            found.append(Overlaid(at=f"{at}.{key}", before=_written(old), after=_written(new)))
    return found


def _written(value: Any) -> str:
    return NOT_SET if value is None else json.dumps(value, ensure_ascii=False)


def _nothing() -> Finding:
    message = "changes nothing: the config says the same"
    return Finding(severity=Severity.NOTE, topic=Topic.CONFIG, message=message, where="overlay")
