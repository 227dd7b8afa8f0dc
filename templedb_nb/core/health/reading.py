"""Health checks as a config has them become checks that can be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

from templedb_nb.model.config import DeployConfig, HealthCheck, HealthType, InconclusivePolicy
from templedb_nb.model.health import (
    Check,
    CommandCheck,
    HttpCheck,
    SqlCheck,
    TcpCheck,
    Timing,
)

TARGET = "target"
"""The first part of the name of a target's own checks."""


def checks(config: DeployConfig, own: Sequence[HealthCheck] = ()) -> tuple[Check, ...]:
    """Return the checks of every group, in the groups' order, then those of the target itself.

    They must have no complaint.
    """
    groups = sorted(config.groups, key=lambda group: (group.order, group.name))
    found = [check for group in groups for check in _named(group.name, group.checks, group.name)]
    return (*found, *_named(TARGET, own, ""))


def names(written: Sequence[HealthCheck]) -> list[str]:
    """Return the name of each check of one place: its own, or its type and a number."""
    taken = {each.name for each in written if each.name}
    found: list[str] = []
    for each in written:
        name = each.name or next(n for n in _numbered(each.type) if n not in taken)
        taken.add(name)
        found.append(name)
    return found


def _numbered(kind: HealthType) -> Iterator[str]:
    yield kind.value
    number = 2
    while True:
        yield f"{kind.value}-{number}"
        number += 1


def _named(place: str, written: Sequence[HealthCheck], group: str) -> Iterable[Check]:
    for name, each in zip(names(written), written, strict=True):
        yield _check(f"{place}/{name}", group, each)


def _check(name: str, group: str, written: HealthCheck) -> Check:
    timing = _timing(written)
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
            return CommandCheck(name=name, group=group, timing=timing, command=written.command)
        case HealthType.SQL:
            return SqlCheck(
                name=name,
                group=group,
                timing=timing,
                query=written.query,
                expect=written.expect,
                database=written.database,
            )


def _timing(written: HealthCheck) -> Timing:
    same = {each.name for each in fields(HealthCheck)} & {each.name for each in fields(Timing)}
    strict = written.inconclusive is InconclusivePolicy.FAIL
    return Timing(inconclusive_fails=strict, **{name: getattr(written, name) for name in same})
