"""Health checks as a config has them become checks that can be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace

from templedb_nb.model.config import (
    DeployConfig,
    Group,
    HealthCheck,
    HealthType,
    InconclusivePolicy,
)
from templedb_nb.model.health import (
    Check,
    CommandCheck,
    HealthRole,
    HttpCheck,
    SqlCheck,
    TcpCheck,
    Timing,
)
from templedb_nb.model.work_folder import WorkFolderKind

TARGET = "target"
"""The first part of the name of a target's own checks."""


def checks(config: DeployConfig, own: Sequence[HealthCheck] = ()) -> tuple[Check, ...]:
    """Return the checks of every group, in the groups' order, then those of the target itself.

    They must have no complaint.
    """
    found = [check for group in by_order(config) for check in of_group(group)]
    return (*found, *of_target(own))


def by_order(config: DeployConfig) -> list[Group]:
    """Return the groups of a config in their order."""
    return sorted(config.groups, key=lambda group: (group.order, group.name))


def of_group(group: Group, role: HealthRole | None = None) -> tuple[Check, ...]:
    """Return the checks of a group, or those that a run asks in one role."""
    return _in_role(group.checks, [*_named(group.name, group.checks, group)], role)


def of_target(own: Sequence[HealthCheck], role: HealthRole | None = None) -> tuple[Check, ...]:
    """Return the checks of a target, or those that a run asks in one role."""
    return _in_role(own, [*_named(TARGET, own, None)], role)


def roles(written: HealthCheck) -> frozenset[HealthRole]:
    """Return when a run asks a check; one that says for how long, and no more, is asked in both."""
    if written.role is not None:
        return frozenset({written.role})
    return frozenset({HealthRole.GATE, *([HealthRole.SOAK] if written.soak_s else [])})


def _in_role(
    written: Sequence[HealthCheck], found: Sequence[Check], role: HealthRole | None
) -> tuple[Check, ...]:
    if role is None:
        return tuple(found)
    chosen = (check for each, check in zip(written, found, strict=True) if role in roles(each))
    if role is HealthRole.SOAK:
        return tuple(chosen)
    return tuple(replace(check, timing=replace(check.timing, soak_s=0)) for check in chosen)


def names(written: Sequence[HealthCheck]) -> list[str]:
    """Return the name of each check of one place: its own, or its type and a number."""
    taken = {each.name for each in written if each.name}
    numbered = {
        kind: (name for name in _numbered(kind) if name not in taken) for kind in HealthType
    }
    return [each.name or next(numbered[each.type]) for each in written]


def _numbered(kind: HealthType) -> Iterator[str]:
    yield kind.value
    number = 2
    while True:
        yield f"{kind.value}-{number}"
        number += 1


def _named(place: str, written: Sequence[HealthCheck], group: Group | None) -> Iterable[Check]:
    for name, each in zip(names(written), written, strict=True):
        yield _check(f"{place}/{name}", group, each)


def _check(name: str, of: Group | None, written: HealthCheck) -> Check:
    timing, group = _timing(written), of.name if of else ""
    match written.type:
        case HealthType.HTTP:
            return HttpCheck(
                name=name,
                group=group,
                timing=timing,
                url=written.url,
                method=written.method,
                headers=written.headers,
                expect_status=written.expect_status,
                expect_body=written.expect_body,
                expect_json=written.expect_json,
                expect_version=written.expect_version,
                follow_redirects=written.follow_redirects,
                proxy=written.proxy,
            )
        case HealthType.TCP:
            port = written.port or 0
            return TcpCheck(name=name, group=group, timing=timing, host=written.host, port=port)
        case HealthType.COMMAND:
            return CommandCheck(
                name=name,
                group=group,
                timing=timing,
                command=written.command,
                environment=of.env if of else (),
                allow_dangerous_env=of.allow_dangerous_env if of else (),
                workdir=of.workdir if of else WorkFolderKind.RELEASE,
            )
        case HealthType.SQL:
            return SqlCheck(
                name=name,
                group=group,
                timing=timing,
                query=written.query,
                expect=written.expect,
                database=written.database or (of.database if of else None),
            )


def _timing(written: HealthCheck) -> Timing:
    same = {each.name for each in fields(HealthCheck)} & {each.name for each in fields(Timing)}
    strict = written.inconclusive is InconclusivePolicy.FAIL
    return Timing(inconclusive_fails=strict, **{name: getattr(written, name) for name in same})
