"""Deployment config: a document becomes a `DeployConfig`, with every complaint at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any  # Any: a JSON document, whose shape is read here

from templedb_nb.core.config import globs
from templedb_nb.core.config.keys.blue_green import (
    BLUE_GREEN,
    ROUTER,
    ROUTER_STATUS,
    slots_document,
)
from templedb_nb.core.config.keys.health import EXPECT_JSON, HEALTH_CHECK
from templedb_nb.core.config.keys.lifecycle import GATES, lifecycle_document
from templedb_nb.core.config.keys.pending_alert import pending_alert_document
from templedb_nb.core.config.keys.top import TOP_KEYS
from templedb_nb.core.values.schema import (
    NAME,
    Choice,
    Duration,
    Flag,
    Key,
    ListOf,
    Object,
    PairsOf,
    Text,
    TextOr,
    WholeNumber,
    nearest,
)
from templedb_nb.model.artifact import ArtifactRule
from templedb_nb.model.blue_green import BlueGreen, Router, RouterStatus, Slot
from templedb_nb.model.config import (
    DeployConfig,
    Executor,
    Group,
    GroupKind,
    HealthCheck,
    Hook,
    OpaqueFiles,
    PendingAlert,
)
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.health import JsonExpectation
from templedb_nb.model.layout import Layout
from templedb_nb.model.lifecycle import Lifecycle, PromotionGates
from templedb_nb.model.serialization import to_plain
from templedb_nb.model.target import DATABASE_URL, OrderPolicy
from templedb_nb.model.work_folder import WorkFolderKind

VARIABLE = Text(r"[A-Za-z_][A-Za-z0-9_]*", "is not an environment variable name")
TEXT = Text()
DAY = 86_400

HOOK = Object(
    Hook,
    (
        Key("command", TEXT, "What to run, by bash with -euo pipefail."),
        Key("critical", Flag(), "If this post_deploy hook fails, the run fails.", False),  # noqa: FBT003 - a default
        Key("timeout", Duration(1), "How long it may take.", None, "timeout_s"),
    ),
)

ARTIFACT = Object(
    ArtifactRule,
    (
        Key("name", NAME, "The artifact's name; unique over all groups."),
        Key("files", ListOf(TEXT), "Files in the work folder, as patterns of file_patterns.", ()),
        Key(
            "image_from",
            TEXT,
            "A file that the build writes: one line, the reference of an image with its digest.",
            "",
        ),
    ),
)

GROUP_KEYS = (
    Key("name", NAME, "The group's name; unique."),
    Key("order", WholeNumber(0), "Its place; unique. Default: its place in the list.", None),
    Key(
        "kind",
        Choice(GroupKind),
        "What its files are. Default: derived from name and patterns.",
        None,
    ),
    Key(
        "file_patterns",
        ListOf(TEXT),
        "Files, as relative patterns; `**` only as a folder, `!…` takes files away.",
        (),
    ),
    Key("depends_on", ListOf(NAME), "Groups that must come before.", ()),
    Key("pre_deploy", ListOf(TextOr("command", HOOK)), "Commands to run first.", ()),
    Key("build_command", TEXT, "Builds; runs before the tests.", ""),
    Key("test_command", TEXT, "Tests what was built.", ""),
    Key("deploy_command", TEXT, "Deploys; runs once per file if it contains {file}.", ""),
    Key(
        "rollback_command",
        TEXT,
        "Runs in place of deploy_command where a rollback brings this release back.",
        "",
    ),
    Key(
        "post_deploy",
        ListOf(TextOr("command", HOOK)),
        "Commands to run after a successful deployment.",
        (),
    ),
    Key(
        "on_failure",
        ListOf(TextOr("command", HOOK)),
        "Commands to run after a step of the group has failed; how they end changes nothing.",
        (),
    ),
    Key("required_env_vars", ListOf(VARIABLE), "Names that must have a value.", ()),
    Key("env", PairsOf(VARIABLE, TEXT), "Values or references (env:NAME, file:PATH).", ()),
    Key(
        "allow_dangerous_env",
        ListOf(VARIABLE),
        "Names such as LD_PRELOAD that commands may get.",
        (),
    ),
    Key(
        "continue_on_failure",
        Flag(),
        "Later groups run even if this one fails; the run still ends as failed.",
        False,  # noqa: FBT003 - a default
    ),
    Key("retry_attempts", WholeNumber(0, 100), "How often a failed command is retried.", 0),
    Key("retry_delay", Duration(), "The wait before a retry.", 0, "retry_delay_s"),
    Key(
        "timeout", Duration(1), "How long a command may take. Default: no limit.", None, "timeout_s"
    ),
    Key(
        "hook_timeout",
        Duration(1),
        "How long a hook without a timeout may take. Default: no limit.",
        None,
        "hook_timeout_s",
    ),
    Key(
        "order_policy",
        Choice(OrderPolicy),
        "What a plan does with a migration out of order. Default: non-linear. The stricter of group"
        " and target applies.",
        None,
    ),
    Key(
        "executor",
        Choice(Executor),
        "What sends migrations to the server. auto: psql, for the files that only psql can run.",
        Executor.NATIVE,
    ),
    Key(
        "layout",
        Choice(Layout),
        "Which tool's convention the migration files follow. Default: detected for each folder.",
        Layout.AUTO,
    ),
    Key(
        "order_file",
        TEXT,
        "A file of the project that lists the migrations in order, one path per line.",
        "",
    ),
    Key(
        "placeholders",
        PairsOf(TEXT, Text(r"[^\r\n]*", "must be one line")),
        "Values for ${name} in migrations of layout flyway, and :NAME of graphile-migrate.",
        (),
    ),
    Key(
        "opaque",
        Choice(OpaqueFiles),
        "Migrations that only another tool can run: refuse to deploy later ones, or skip them.",
        OpaqueFiles.REFUSE,
    ),
    Key(
        "ignore_histories",
        ListOf(TEXT),
        "Tables of other tools (NAME or SCHEMA.NAME) that tell of no migration of this group.",
        (),
    ),
    Key(
        "database",
        VARIABLE,
        "The variable with the database's address. Default: DATABASE_URL.",
        None,
    ),
    Key(
        "workdir",
        Choice(WorkFolderKind),
        "Where commands run: in a copy of the release, or in the project's folder.",
        WorkFolderKind.RELEASE,
    ),
    Key(
        "mutates",
        Flag(),
        "Whether its commands change the target. Default: deploy_command, post_deploy, on_failure"
        " do.",
        None,
    ),
    Key("health_check", HEALTH_CHECK, "What must hold after the group.", None),
    Key("health_checks", ListOf(HEALTH_CHECK), "The same, for more than one check.", ()),
    Key("artifacts", ListOf(ARTIFACT), "What the build makes, and later deployments reuse.", ()),
    Key(
        "blue_green",
        BLUE_GREEN,
        "Deploys into a slot that serves nobody, and then switches traffic to it.",
        None,
    ),
)


def _group(**given: Any) -> dict[str, Any]:
    return given


GROUP = Object(_group, GROUP_KEYS, title="group")
CONFIG = Object(
    _group,
    (Key("groups", ListOf(GROUP), "The groups of a deployment, in order."), *TOP_KEYS),
    title="templedb deployment config",
)


def parse(
    document: object, config_shape: Object = CONFIG
) -> tuple[DeployConfig, tuple[Finding, ...]]:
    """Return the config that *document* stands for, and every complaint about its form."""
    findings: list[Finding] = []

    def complain(at: str, message: str) -> None:
        findings.append(problem(at or "config", message))

    read = config_shape.read(document, "", complain)
    return build(read, findings), tuple(findings)


def build(read: Mapping[str, Any], findings: list[Finding]) -> DeployConfig:
    """Return the config that a document says, with the defaults that depend on other keys."""
    groups = read["groups"] or ()
    made = tuple(_settled(each, place) for place, each in enumerate(groups, start=1))
    findings += _duplicates("name", [g.name for g in made])
    findings += _duplicates("order", [g.order for g in made])
    findings += _unknown_stages(read["lifecycle"], read["promotion"])
    return DeployConfig(groups=made, **{key.fills: read[key.name] for key in TOP_KEYS})


_COMPARED = 100
"""With so many names of a lifecycle a wrong one is compared."""


def _unknown_stages(lifecycle: Lifecycle, gates: Sequence[tuple[str, Any]]) -> list[Finding]:
    """Refuse gates of a target that the lifecycle does not have: it may be misspelt."""
    known = frozenset(lifecycle.names)
    few = lifecycle.names[:_COMPARED]
    return [
        problem(f"promotion.{name}", f"is not in the lifecycle{nearest(name, few)}")
        for name, _ in gates
        if lifecycle and name not in known
    ]


def _settled(given: dict[str, Any], place: int) -> Group:
    order = place if given["order"] is None else given["order"]
    kind = given["kind"] or _kind(given)
    return Group(
        **given | {"order": order, "kind": kind, "database": given["database"] or DATABASE_URL}
    )


def _kind(given: Mapping[str, Any]) -> GroupKind:
    patterns = globs.including(given["file_patterns"])
    sql = bool(patterns) and all(str(p).endswith(".sql") for p in patterns)
    named = given["name"] == GroupKind.MIGRATIONS
    return GroupKind.MIGRATIONS if named or sql else GroupKind.COMMANDS


def _duplicates(key: str, values: list[Any]) -> list[Finding]:
    twice = {value for value, times in Counter(values).items() if times > 1 and value != ""}
    firsts = {value: n for n, value in reversed([*enumerate(values)])}
    return [
        problem(f"groups[{n}].{key}", f"{value!r} appears more than once")
        for n, value in enumerate(values)
        if value in twice and firsts[value] != n
    ]


def problem(at: str, message: str, mend: str = "", *, topic: Topic = Topic.CONFIG) -> Finding:
    """Return a finding that forbids a run."""
    return Finding(severity=Severity.ERROR, topic=topic, message=message, where=at, mend=mend)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a deployment config."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **CONFIG.schema()}


def document(config: DeployConfig) -> dict[str, Any]:
    """Return the document that `parse` reads back into *config*; defaults are left out."""
    bare = DeployConfig()
    said = {
        key.name: _value_document(key, getattr(config, key.fills))
        for key in TOP_KEYS
        if getattr(config, key.fills) != getattr(bare, key.fills)
    }
    return {"groups": [_group_document(group) for group in config.groups], **said}


def _group_document(group: Group) -> dict[str, Any]:
    bare = Group(name=group.name, order=group.order)
    out: dict[str, Any] = {}
    for key in GROUP_KEYS:
        value = getattr(group, key.fills)
        inherent = key.name in {"name", "order", "kind"}
        if inherent or value != getattr(bare, key.fills):
            out[key.name] = _value_document(key, value)
    return out


_SHAPES: Mapping[type, Object] = {
    HealthCheck: HEALTH_CHECK,
    ArtifactRule: ARTIFACT,
    JsonExpectation: EXPECT_JSON,
    PromotionGates: GATES,
    BlueGreen: BLUE_GREEN,
    Router: ROUTER,
    RouterStatus: ROUTER_STATUS,
}


def _value_document(key: Key, value: Any) -> Any:
    if shape := _SHAPES.get(type(value)):
        return _object_document(shape, value)
    match value:
        case Lifecycle():
            return lifecycle_document(value)
        case PendingAlert():
            return pending_alert_document(value)
        case (Slot(), *_):
            return slots_document(value)
        case tuple() if isinstance(key.shape, PairsOf):
            return {name: _value_document(key, each) for name, each in value}
        case tuple():
            return [_item_document(key, each) for each in value]
        case _:
            return to_plain(value)


def _item_document(key: Key, item: Any) -> Any:
    return _hook_document(item) if isinstance(item, Hook) else _value_document(key, item)


def _hook_document(hook: Hook) -> Any:
    return hook.command if hook == Hook(command=hook.command) else _object_document(HOOK, hook)


def _object_document(shape: Object, value: Any) -> dict[str, Any]:
    defaults = {field.name: field.default for field in fields(value)}
    return {
        key.name: _value_document(key, getattr(value, key.fills))
        for key in shape.keys
        if getattr(value, key.fills) != defaults[key.fills]
    }
