"""Health: what is asked of a deployed target, each try of it, and what the tries came to."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, TypeAlias

from templedb_nb.exit_code import ExitCode
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Slug
from templedb_nb.model.target import DatabaseName, TargetName
from templedb_nb.model.work_folder import WorkFolderKind

EVIDENCE = 4096
"""So many bytes of an answer are kept."""
BODY_LIMIT = 1 << 20
"""A body with more bytes than this is not an answer of a health check."""


class Health(StrEnum):
    """How a try, a check or a target is; inconclusive says that nobody could measure it."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    INCONCLUSIVE = "inconclusive"


class HealthRole(StrEnum):
    """When a run asks a check: before its success, or for a while after all gates."""

    GATE = "gate"
    SOAK = "soak"


class Measured(StrEnum):
    """What a run knows of health: the outcome of its checks, or why there is none."""

    NO_GATE = "no gate"
    """The plan had no health check: nobody can say how the target is."""
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    INCONCLUSIVE = "inconclusive"
    NOT_MEASURED = "not measured"
    """There are checks, and the run ended before they were settled."""


class Cause(StrEnum):
    """Why a try came out as it did; core/health/outcomes says what each one means."""

    MET = "met"
    REFUSED = "refused"
    RESET = "reset"
    TLS_TIMEOUT = "tls_timeout"
    ANSWER_TIMEOUT = "answer_timeout"
    BODY_TIMEOUT = "body_timeout"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NAME = "certificate_name"
    CERTIFICATE_REFUSED = "certificate_refused"
    TLS_FAILED = "tls_failed"
    NO_HTTP = "no_http"
    REDIRECTED = "redirected"
    STATUS = "status"
    TOO_LARGE = "too_large"
    BODY = "body"
    JSON = "json"
    VERSION = "version"
    EXIT_STATUS = "exit_status"
    COMMAND_KILLED = "command_killed"
    COMMAND_TIMEOUT = "command_timeout"
    QUERY_ANSWER = "query_answer"
    QUERY_FAILED = "query_failed"
    QUERY_TIMEOUT = "query_timeout"
    NAME_UNKNOWN = "name_unknown"
    NAME_TIMEOUT = "name_timeout"
    NO_ROUTE = "no_route"
    CONNECT_TIMEOUT = "connect_timeout"
    UNKNOWN_CA = "unknown_ca"
    PROXY = "proxy"
    COMMAND_NOT_FOUND = "command_not_found"
    DATABASE = "database"
    NOT_SENT = "not_sent"
    NOT_MEASURED = "not_measured"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a check is asked, and how many answers settle it; times are in seconds.

    `soak_s` is for how long a soak asks; a gate is settled by its thresholds.
    """

    initial_delay_s: int = 0
    interval_s: int = 5
    timeout_s: int = 10
    deadline_s: int = 300
    success_threshold: int = 1
    failure_threshold: int = 3
    inconclusive_fails: bool = False
    soak_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonExpectation:
    """What every value at `path` of a JSON body must be; the values are kept as texts."""

    path: str
    equals: str = ""
    matches: str = ""
    below: str = ""
    above: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCheck:
    """An HTTP answer; ``{var:NAME}`` in `url` and `headers` stands for a value of the target."""

    kind: ClassVar[str] = "http"

    name: str
    group: str
    timing: Timing
    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    expect_status: tuple[int, ...] = (200,)
    expect_body: str = ""
    expect_json: tuple[JsonExpectation, ...] = ()
    expect_version: str = ""
    follow_redirects: bool = False
    proxy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpCheck:
    """A port that accepts a connection."""

    kind: ClassVar[str] = "tcp"

    name: str
    group: str
    timing: Timing
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCheck:
    """A command that exits with 0; it runs as the commands of its group do."""

    kind: ClassVar[str] = "command"

    name: str
    group: str
    timing: Timing
    command: str
    environment: tuple[tuple[str, str], ...] = ()
    allow_dangerous_env: tuple[str, ...] = ()
    workdir: WorkFolderKind = WorkFolderKind.RELEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlCheck:
    """A query of the target's database; without `expect`, the first value of its one row is true.

    `database` is empty for the only one that the target has.
    """

    kind: ClassVar[str] = "sql"

    name: str
    group: str
    timing: Timing
    query: str
    expect: str = ""
    database: DatabaseName | None = None


Check: TypeAlias = HttpCheck | TcpCheck | CommandCheck | SqlCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one try found; `evidence` is of the answer, masked and at most `EVIDENCE` bytes."""

    cause: Cause
    message: str
    latency_ms: int
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One try of a check; `at_ms` counts from the check's begin, on a clock that never goes back.

    `at_ms` is when the try began.
    """

    started: datetime
    at_ms: int
    latency_ms: int
    outcome: Health
    cause: Cause
    message: str
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAnswer:
    """What all tries of one check came to, and why."""

    name: str
    type: str
    outcome: Health
    message: str
    tries: tuple[Try, ...]

    @property
    def evidence(self) -> str:
        """Return what is kept of the last answer."""
        return next((each.evidence for each in reversed(self.tries) if each.evidence), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """How a target is, by each of its checks; `release` is what it was taken to run."""

    json_kind: ClassVar[str] = "HealthReport"

    slug: Slug
    target: TargetName
    rows: tuple[CheckAnswer, ...]
    release: str = ""

    @property
    def outcome(self) -> Health:
        """Return the worst of the outcomes; without a check nobody knows."""
        found = {each.outcome for each in self.rows}
        if Health.UNHEALTHY in found:
            return Health.UNHEALTHY
        return Health.HEALTHY if found == {Health.HEALTHY} else Health.INCONCLUSIVE

    @property
    def exit_code(self) -> ExitCode:
        """Return what the outcome means to whoever started the process."""
        match self.outcome:
            case Health.HEALTHY:
                return ExitCode.OK
            case Health.UNHEALTHY:
                return ExitCode.UNCHANGED
            case Health.INCONCLUSIVE:
                return ExitCode.INCONCLUSIVE
