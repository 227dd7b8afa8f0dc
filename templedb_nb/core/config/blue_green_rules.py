"""What is wrong with how a group is switched between slots, with the key that it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from posixpath import normpath

from templedb_nb.core.config.document import problem
from templedb_nb.core.health import reading
from templedb_nb.core.health.variables import malformed
from templedb_nb.core.secrets.url_passwords import without_url_passwords
from templedb_nb.core.slots.filling import asks_of_slot, check_of, filled, lacking
from templedb_nb.model.blue_green import BlueGreen, Router, RouterStatus, RouterType
from templedb_nb.model.config import DeployConfig, Group, GroupKind
from templedb_nb.model.finding import Finding, Severity
from templedb_nb.model.health import Check, HealthRole

_NEEDS = {
    RouterType.SYMLINK: ("path", "to"),
    RouterType.TEMPLATE: ("file", "content", "reload_command", "status"),
    RouterType.COMMAND: ("switch_command", "status"),
}
_KEYS = tuple(dict.fromkeys(key for needed in _NEEDS.values() for key in needed))


def complaints(config: DeployConfig) -> Iterator[Finding]:
    """Yield what is wrong with the slots and routers of all groups."""
    places: dict[str, str] = {}
    for place, group in enumerate(config.groups):
        if group.blue_green is None:
            continue
        at = f"groups[{place}].blue_green"
        yield from _on_group(at, group, group.blue_green)
        yield from _on_router(f"{at}.router", group.blue_green)
        where = group.blue_green.router.place and normpath(group.blue_green.router.place)
        if where and where in places:
            message = f"group {places[where]!r} switches {where}, too"
            yield problem(f"{at}.router", message, "give each group a router of its own")
        places.setdefault(where, group.name)


def _on_group(at: str, group: Group, wanted: BlueGreen) -> Iterator[Finding]:
    if group.kind is GroupKind.MIGRATIONS:
        message = f"group {group.name!r} has migrations: a database has no slots"
        yield problem(at, message, "put blue_green into the group that deploys the program")
        return
    if not group.deploy_command:
        message = f"group {group.name!r} deploys nothing into a slot"
        yield problem(at, message, "set a deploy_command")
    gates = reading.of_group(group, HealthRole.GATE)
    if not gates:
        message = f"group {group.name!r} has no health check: traffic never goes to a slot unasked"
        yield problem(at, message, "add health_check to the group, with {slot} in it")
    elif not any(asks_of_slot(check) for check in gates):
        message = "no health check of the group names the slot that it asks"
        mend = "write {slot}, or {slot:NAME} for one of its values, into its url"
        yield replace(problem(at, message, mend), severity=Severity.WARNING)
    yield from _on_passwords(at, wanted)
    for check in gates:
        if asks_of_slot(check) and _asks_alike(check, wanted):
            message = f"{check.name} asks the same of several slots: they would be one place"
            yield problem(f"{at}.slots", message, "give each slot values of its own")
        for text in (getattr(check, "url", ""), getattr(check, "host", "")):
            yield from _values(f"{at}.slots", check.name, text, wanted)


def _on_passwords(at: str, wanted: BlueGreen) -> Iterator[Finding]:
    for slot in wanted.slots:
        for name, text in slot.values:
            if without_url_passwords(text) != text:
                mend = "keep it in a variable of the target, which commands get: templedb env set"
                yield problem(f"{at}.slots.{slot.name}.{name}", "contains a password", mend)


def _asks_alike(check: Check, wanted: BlueGreen) -> bool:
    asked = {check_of(check, slot, "") for slot in wanted.slots}
    return len(asked) < len({slot.name for slot in wanted.slots})


def _values(at: str, where: str, text: str, wanted: BlueGreen) -> Iterator[Finding]:
    for slot in wanted.slots:
        for name in lacking(text, slot):
            message = f"{slot.name} has no value {name}, which {where} names"
            yield problem(f"{at}.{slot.name}", message)


def _on_router(at: str, wanted: BlueGreen) -> Iterator[Finding]:
    router = wanted.router
    for key in _KEYS:
        given, needed = bool(getattr(router, key)), key in _NEEDS[router.type]
        if needed and not given:
            yield problem(f"{at}.{key}", f"is missing: a router of type {router.type} needs it")
        if given and not needed:
            yield problem(f"{at}.{key}", f"means nothing for a router of type {router.type}")
    yield from _texts(at, router, wanted)
    if router.status:
        yield from _on_status(f"{at}.status", router.status)


def _texts(at: str, router: Router, wanted: BlueGreen) -> Iterator[Finding]:
    for key, text in (("to", router.to), ("content", router.content)):
        if not text:
            continue
        if without_url_passwords(text) != text:
            mend = "let the router read it from where it is kept; the config is checked in"
            yield problem(f"{at}.{key}", "contains a password", mend)
        yield from _values(at.replace(".router", ".slots"), f"router.{key}", text, wanted)
        texts = [filled(text, slot) for slot in wanted.slots]
        texts = [normpath(each) for each in texts] if key == "to" else texts
        if len(set(texts)) < len(texts):
            message = "is the same for several slots"
            yield problem(f"{at}.{key}", message, "write {slot} or {slot:NAME} into it")


def _on_status(at: str, status: RouterStatus) -> Iterator[Finding]:
    if bool(status.url) == bool(status.command):
        yield problem(at, "needs either url or command")
    if status.url and bool(status.header) == bool(status.pattern):
        yield problem(at, "needs either header or pattern: what of the answer names the slot")
    if status.url and not re.match(r"https?://[^/\s]", status.url):
        yield problem(f"{at}.url", f"{without_url_passwords(status.url)!r} is not an http URL")
    if malformed(status.url):
        message = "has a {var:…} that names no variable"
        yield problem(f"{at}.url", message, "write {var:NAME}, without spaces")
    if without_url_passwords(status.url) != status.url:
        yield problem(f"{at}.url", "contains a password", "a status page must not need one")
    if status.command and (status.header or status.pattern):
        yield problem(at, "header and pattern are for url")
    if status.pattern:
        yield from _pattern(f"{at}.pattern", status.pattern)


def _pattern(at: str, text: str) -> Iterator[Finding]:
    try:
        found = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        yield problem(at, f"is not a regular expression: {error}")
        return
    if found.groups < 1:
        yield problem(at, "has no group: its first group must be the slot's name")
