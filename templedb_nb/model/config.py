"""How a project is deployed: ordered groups of work."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from templedb_nb.model.artifact import DEFAULT_LIMIT, ArtifactRule
from templedb_nb.model.blue_green import BlueGreen
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import HealthRole, JsonExpectation
from templedb_nb.model.layout import Layout
from templedb_nb.model.lifecycle import NO_LIFECYCLE, Lifecycle, PromotionGates
from templedb_nb.model.rollback import ALL_TRIGGERS, AfterFailure, RollbackTrigger
from templedb_nb.model.target import DATABASE_URL, DatabaseName, OrderPolicy
from templedb_nb.model.work_folder import WorkFolderKind


class GroupKind(StrEnum):
    """What a group's files are."""

    MIGRATIONS = "migrations"
    COMMANDS = "commands"


class Executor(StrEnum):
    """Who sends a migration to the server; a group's `AUTO` is decided file by file."""

    NATIVE = "native"
    PSQL = "psql"
    AUTO = "auto"


class OpaqueFiles(StrEnum):
    """What becomes of migrations behind one that only another tool can run."""

    REFUSE = "refuse"
    SKIP = "skip"


class HealthType(StrEnum):
    """How health is measured."""

    HTTP = "http"
    TCP = "tcp"
    COMMAND = "command"
    SQL = "sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A command before or after a group; a failing critical post hook fails the run."""

    command: str
    critical: bool = False
    timeout_s: int | None = None


class InconclusivePolicy(StrEnum):
    """What becomes of a try that could not be measured: a person looks, or it counts as bad."""

    PAUSE = "pause"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """A question to a deployed target, asked until it is answered or time is up."""

    type: HealthType
    name: str = ""
    url: str = ""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    expect_status: tuple[int, ...] = (200,)
    expect_body: str = ""
    expect_json: tuple[JsonExpectation, ...] = ()
    expect_version: str = ""
    follow_redirects: bool = False
    proxy: bool = False
    host: str = ""
    port: int | None = None
    command: str = ""
    query: str = ""
    expect: str = ""
    database: DatabaseName | None = None
    initial_delay_s: int = 0
    interval_s: int = 5
    timeout_s: int = 10
    deadline_s: int = 300
    success_threshold: int = 1
    failure_threshold: int = 3
    inconclusive: InconclusivePolicy = InconclusivePolicy.PAUSE
    role: HealthRole | None = None
    soak_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One ordered piece of a deployment; times are in seconds."""

    name: str
    order: int
    kind: GroupKind = GroupKind.COMMANDS
    file_patterns: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    pre_deploy: tuple[Hook, ...] = ()
    build_command: str = ""
    test_command: str = ""
    deploy_command: str = ""
    rollback_command: str = ""
    post_deploy: tuple[Hook, ...] = ()
    on_failure: tuple[Hook, ...] = ()
    required_env_vars: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    allow_dangerous_env: tuple[str, ...] = ()
    continue_on_failure: bool = False
    retry_attempts: int = 0
    retry_delay_s: int = 0
    timeout_s: int | None = None
    hook_timeout_s: int | None = None
    order_policy: OrderPolicy | None = None
    executor: Executor = Executor.NATIVE
    layout: Layout = Layout.AUTO
    order_file: str = ""
    placeholders: tuple[tuple[str, str], ...] = ()
    opaque: OpaqueFiles = OpaqueFiles.REFUSE
    ignore_histories: tuple[str, ...] = ()
    database: DatabaseName = DATABASE_URL
    workdir: WorkFolderKind = WorkFolderKind.RELEASE
    mutates: bool | None = None
    health_check: HealthCheck | None = None
    health_checks: tuple[HealthCheck, ...] = ()
    artifacts: tuple[ArtifactRule, ...] = ()
    blue_green: BlueGreen | None = None

    @property
    def checks(self) -> tuple[HealthCheck, ...]:
        """Return every health check of the group, however many it has."""
        return (*([self.health_check] if self.health_check else []), *self.health_checks)

    @property
    def commands(self) -> tuple[str, ...]:
        """Return every command text of the group, in the order of its phases."""
        hooks = [*(h.command for h in self.pre_deploy)]
        middle = [self.build_command, self.test_command, self.deploy_command, self.rollback_command]
        after = [h.command for h in (*self.post_deploy, *self.on_failure)]
        return tuple(text for text in (*hooks, *middle, *after) if text)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAlert:
    """After how many seconds a pending file is told as one that waits for too long; 0: never.

    `of_targets` has other times for some targets, by their names.
    """

    after_s: int = 14 * 86_400
    of_targets: tuple[tuple[str, int], ...] = ()

    def of(self, target: str) -> int:
        """Return what holds for that target."""
        return dict(self.of_targets).get(target, self.after_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployConfig:
    """Every group of a project, what follows a run that does not succeed, and the lifecycle."""

    groups: tuple[Group, ...] = field(default=())
    on_failure: AfterFailure = AfterFailure.STOP
    rollback_on: tuple[RollbackTrigger, ...] = ALL_TRIGGERS
    cancel_policy: AfterFailure = AfterFailure.STOP
    artifacts_store: str = ""
    artifacts_limit: int = DEFAULT_LIMIT
    lifecycle: Lifecycle = NO_LIFECYCLE
    promotion: tuple[tuple[str, PromotionGates], ...] = ()
    pending_alert: PendingAlert = PendingAlert()

    def gates(self, name: str) -> PromotionGates:
        """Return what must be true before a target of that name gets a release."""
        return dict(self.promotion).get(name, PromotionGates())

    def group(self, name: str) -> Group | None:
        """Return the group of that name."""
        return next((each for each in self.groups if each.name == name), None)
