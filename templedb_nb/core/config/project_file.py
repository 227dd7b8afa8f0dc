"""``templedb.yaml``: a project's config, targets and variable references, checked in."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any  # Any: a JSON document, whose shape is read here

from templedb_nb.core.approval import signers
from templedb_nb.core.config.document import CONFIG, TEXT, VARIABLE, build, problem
from templedb_nb.core.config.environ import is_reference
from templedb_nb.core.config.groups import on_health
from templedb_nb.core.config.keys.health import HEALTH_CHECK
from templedb_nb.core.fleet.labels import key_fault, value_fault
from templedb_nb.core.fleet.url_template import is_template, template_faults
from templedb_nb.core.notifications.receiver_keys import RECEIVERS, FileReceiver, file_receivers
from templedb_nb.core.secrets.url_passwords import without_url_passwords
from templedb_nb.core.values.schema import (
    NAME,
    Choice,
    Duration,
    Flag,
    Key,
    ListOf,
    Object,
    PairsOf,
    WholeNumber,
)
from templedb_nb.core.windows.rules import WINDOWS
from templedb_nb.model.config import DeployConfig, HealthCheck
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.project import Slug
from templedb_nb.model.rollback import AfterFailure, RollbackTrigger
from templedb_nb.model.target import (
    TEXT_FIELDS,
    FindingLevel,
    OrderPolicy,
    Target,
    TargetName,
    TargetType,
)
from templedb_nb.model.variable import Keeping, Variable
from templedb_nb.model.window import ordered

PATH = "templedb.yaml"


def _given(**given: Any) -> dict[str, Any]:
    return given


VARIABLES = PairsOf(VARIABLE, TEXT)
TARGET = Object(
    _given,
    (
        Key("type", Choice(TargetType), "The kind of target; a label.", TargetType.DATABASE),
        Key("provider", TEXT, "Who hosts it; a label.", ""),
        Key("host", TEXT, "The host; a label.", ""),
        Key("region", TEXT, "The region; a label.", ""),
        Key("url", TEXT, "The public URL; a label.", ""),
        Key("labels", PairsOf(TEXT, TEXT), "Free facts by which selectors find it.", ()),
        Key("protected", Flag(), "Runs only plans that have an approval.", False),  # noqa: FBT003 - a default
        Key(
            "order_policy",
            Choice(OrderPolicy),
            "What a plan does with a migration out of order. Default: linear if protected, else"
            " non-linear.",
            None,
        ),
        Key(
            "approvals",
            WholeNumber(1),
            "How many people must approve a plan. Default: 1 if protected.",
            None,
        ),
        Key("approvers", ListOf(TEXT), "Who may approve. Default: anybody.", ()),
        Key(
            "self_approval",
            Flag(),
            "Whether the author of a plan may approve it. Default: not if protected.",
            None,
        ),
        Key("approval_expires_s", Duration(), "How long an approval is valid; 0: no limit.", 0),
        Key("signed", Flag(), "Accepts only signed approvals.", False),  # noqa: FBT003 - a default
        Key(
            "signers",
            ListOf(TEXT),
            "Who may sign: lines of an allowed_signers file, NAME KEYTYPE KEY. Default: nobody.",
            (),
        ),
        Key(
            "lint",
            Choice(FindingLevel),
            "What a plan does with risky statements. Default: warn.",
            None,
        ),
        Key(
            "drift",
            Choice(FindingLevel),
            "What a plan does with drift. Default: warn.",
            None,
        ),
        Key(
            "on_failure",
            Choice(AfterFailure),
            "What follows a run that fails here. Default: what the config says.",
            None,
        ),
        Key(
            "rollback_on",
            ListOf(Choice(RollbackTrigger)),
            "Which ends of a run roll back here. Default: what the config says.",
            (),
        ),
        Key(
            "cancel_policy",
            Choice(AfterFailure),
            "What follows a run that a person cancels here. Default: what the config says.",
            None,
        ),
        Key(
            "pre_approve_rollback",
            Flag(),
            "Whether the approvals of a run count for the rollback that its plan names.",
            False,  # noqa: FBT003 - a default
        ),
        Key("windows", WINDOWS, "When runs may begin here, and when not. Default: always.", ()),
        Key("variables", VARIABLES, "References of this target: env:NAME, file:PATH.", ()),
        Key("health_check", HEALTH_CHECK, "What must hold after the whole deployment.", None),
        Key("health_checks", ListOf(HEALTH_CHECK), "The same, for more than one check.", ()),
    ),
)
DOCUMENT = Object(
    _given,
    (
        *CONFIG.keys,
        Key("targets", PairsOf(NAME, TARGET), "Where the project is deployed.", ()),
        Key("variables", VARIABLES, "References of the project: env:NAME, file:PATH.", ()),
        Key("notifications", RECEIVERS, "Who is notified, by name.", ()),
    ),
    title="templedb project file",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """What a checked-in file says."""

    config: DeployConfig
    targets: tuple[Target, ...]
    variables: tuple[Variable, ...]
    findings: tuple[Finding, ...]
    health: Mapping[TargetName, tuple[HealthCheck, ...]] = field(default_factory=dict)
    """The targets' own checks, beside those of the groups."""
    receivers: tuple[FileReceiver, ...] = ()


def parse(document: object, slug: Slug, leads: Callable[[str], str] = lambda _: "") -> ProjectFile:
    """Return what *document* says, with every complaint about its form.

    *leads* tells where a link leads that a path of the project goes through, if that is outside.
    """
    findings: list[Finding] = []

    def complain(at: str, message: str) -> None:
        findings.append(problem(f"{PATH}: {at}" if at else PATH, message))

    read = DOCUMENT.read(document, "", complain)
    config = build(read, findings)
    named = [(TargetName(name), given) for name, given in read["targets"]]
    variables = _variables(slug, None, read["variables"], findings, leads)
    for name, given in named:
        variables += _variables(slug, name, given["variables"], findings, leads)
    targets = tuple(_target(name, given, findings) for name, given in named)
    health = {name: _health(name, given, findings) for name, given in named}
    for group in config.groups:
        at = f"{PATH}: groups.{group.name}.env"
        for variable, text in group.env:
            findings += _outside(f"{at}.{variable}", text, leads)
    receivers = tuple(_receivers(slug, read["notifications"], findings, leads))
    return ProjectFile(
        receivers=receivers,
        config=config,
        targets=targets,
        variables=tuple(variables),
        findings=tuple(findings),
        health=health,
    )


def _target(name: TargetName, given: dict[str, Any], findings: list[Finding]) -> Target:
    elsewhere = {"variables", "health_check", "health_checks"}
    own = {key: value for key, value in given.items() if key not in elsewhere}
    for label in ("provider", "host", "region", "url"):
        if without_url_passwords(own[label]) != own[label]:
            at, mend = f"{PATH}: targets.{name}.{label}", "leave the password out"
            findings.append(problem(at, "contains a password, but this file is checked in", mend))
    lines, wrong = signers.signers("\n".join(own["signers"]))
    at = f"{PATH}: targets.{name}.signers"
    findings += [problem(at, told) for told in wrong]
    if own["signed"] and not lines and not wrong:
        findings.append(problem(at, "names nobody, but signed: true requires signatures"))
    for key, value in own["labels"]:
        told = _own_field(key) or key_fault(key) or value_fault(value)
        findings += [problem(f"{PATH}: targets.{name}.labels.{key}", told)] if told else []
    own |= {"signers": lines, "windows": ordered(own["windows"]), "labels": dict(own["labels"])}
    return Target(name=name, from_file=True, **own)


def _own_field(key: str) -> str:
    return f"{key} is a key of the target itself" if key in TEXT_FIELDS else ""


def _health(
    name: TargetName, given: dict[str, Any], findings: list[Finding]
) -> tuple[HealthCheck, ...]:
    one, many = given["health_check"], given["health_checks"]
    at = f"{PATH}: targets.{name}.health_checks"
    if one and many:
        findings.append(
            problem(at, "cannot be combined with health_check", "put all of them into one list")
        )
    found = (*([one] if one else []), *many)
    findings += on_health(at, f"target {name}", found)
    return found


def _variables(
    slug: Slug,
    target: TargetName | None,
    pairs: Any,
    findings: list[Finding],
    leads: Callable[[str], str],
) -> list[Variable]:
    at = f"{PATH}: targets.{target}.variables" if target else f"{PATH}: variables"
    for name, text in pairs:
        if is_template(text):
            findings += [problem(f"{at}.{name}", told) for told in template_faults(text)]
        elif not is_reference(text) and not text.startswith("duckdb:"):
            mend = f"use a reference such as env:{name}, or set the value: templedb env set"
            findings.append(
                problem(f"{at}.{name}", "is a value, but this file is checked in", mend)
            )
        findings += _outside(f"{at}.{name}", text, leads)
    return [
        Variable(
            project=slug,
            target=target,
            name=name,
            keeping=_keeping(text),
            text=text,
        )
        for name, text in pairs
    ]


def _keeping(text: str) -> Keeping:
    by_name = is_reference(text) or is_template(text)
    return Keeping.REFERENCE if by_name else Keeping.PLAIN


def _receivers(
    slug: Slug, pairs: Any, findings: list[Finding], leads: Callable[[str], str]
) -> Iterator[FileReceiver]:
    """Yield who is notified, with every complaint about them."""

    def report(at: str, message: str, mend: str) -> None:
        findings.append(problem(f"{PATH}: {at}", message, mend))

    for each in file_receivers(slug, pairs, is_reference, report):
        for secret in each[2]:
            findings.extend(_outside(f"{PATH}: notifications.{each[0]}", secret.text, leads))
        yield each


def _outside(at: str, text: str, leads: Callable[[str], str]) -> list[Finding]:
    """Tell of a file outside of the project that a checked-in file makes deployments read."""
    path = text.removeprefix("file:")
    if path == text:
        return []
    whole = posixpath.normpath(path)
    if path.startswith("~") or whole.startswith("/") or whole.split("/")[0] == "..":
        message = f"reads {path}, which is outside of the project"
    elif place := leads(path):
        message = f"reads {path}, a link to {place}, outside of the project"
    else:
        return []
    return [Finding(severity=Severity.NOTE, topic=Topic.VARIABLE, message=message, where=at)]
