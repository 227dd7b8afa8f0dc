"""What of a project of the older TempleDB becomes what here: decided, not done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from templedb_nb.core.config.document import parse
from templedb_nb.core.values.schema import NAME
from templedb_nb.exit_code import ExitCode
from templedb_nb.model.config import DeployConfig
from templedb_nb.model.event import Outcome, RunFinished, RunId, RunStarted, Stamped
from templedb_nb.model.finding import errors
from templedb_nb.model.legacy_project import OlderProject, Row
from templedb_nb.model.target import Target, TargetName, TargetType

_KINDS = {
    "database": TargetType.DATABASE,
    "edge_function": TargetType.EDGE_FUNCTION,
    "serverless": TargetType.EDGE_FUNCTION,
    "static_site": TargetType.STATIC_SITE,
}
_OUTCOMES = {"success": Outcome.SUCCEEDED, "failed": Outcome.FAILED}
_ROLLED_BACK = "was rolled back"
_NO_END = "the older TempleDB did not record how it ended"


def config_of(project: OlderProject) -> tuple[DeployConfig | None, list[str]]:
    """Return the project's deployment config, if it has one that holds here, and what was left."""
    if not project.config.strip():
        return None, []
    try:
        document = json.loads(project.config)
    except ValueError as error:
        return None, [f"config: is not JSON ({error})"]
    if not isinstance(document, dict):
        return None, ["config: is not an object"]
    left = [
        f"config: {key} is not imported"
        for key in ("health_check", "secret_sources")
        if document.pop(key, None)
    ]
    found, findings = parse(document)
    if wrong := errors(findings):
        return None, [*left, *(f"config: {each}" for each in wrong)]
    return found, left


def targets_of(project: OlderProject) -> tuple[list[Target], list[str]]:
    """Return the targets that have a row, and those that variables or history alone name."""
    made: dict[str, Target] = {}
    for row in sorted(project.targets, key=lambda each: each.get("target_type") != "database"):
        made.setdefault(str(row["target_name"]), _target(row))
    used = [each.target for each in project.variables if each.target]
    used += [str(each["target_name"]) for each in project.migrations]
    used += [str(each["target"]) for each in project.deployments]
    for name in used:
        made.setdefault(name, Target(name=TargetName(name)))
    wrong = [name for name in made if _unfit(name)]
    left = [f"target {name!r}: a name may hold only letters, digits, _ . -" for name in wrong]
    return [made[name] for name in sorted(made) if name not in wrong], left


def _target(row: Row) -> Target:
    return Target(
        name=TargetName(str(row["target_name"])),
        type=_KINDS.get(str(row.get("target_type")), TargetType.SERVICE),
        provider=str(row.get("provider") or ""),
        host=str(row.get("host") or ""),
        region=str(row.get("region") or ""),
        url=str(row.get("access_url") or ""),
    )


def _unfit(name: str) -> bool:
    complaints: list[str] = []
    NAME.read(name, "target", lambda _, message: complaints.append(message))
    return bool(complaints)


def histories_of(project: OlderProject) -> tuple[tuple[str, int], ...]:
    """Return how many migrations the file says were applied, by target."""
    applied: dict[str, int] = {}
    for row in project.migrations:
        if row.get("status") == "success":
            name = str(row["target_name"])
            applied[name] = applied.get(name, 0) + 1
    return tuple(sorted(applied.items()))


def runs_of(project: OlderProject, known_as: str) -> Iterator[tuple[Stamped, ...]]:
    """Yield each deployment as the events of a run; the same row gives the same run again."""
    for row in project.deployments:
        begun = _moment(row.get("deployed_at"))
        if begun is not None:
            yield _run(project.slug, known_as, row, begun)


def _run(slug: str, known_as: str, row: Row, begun: datetime) -> tuple[Stamped, ...]:
    run, took = _run_id(slug, row, begun), int(float(_number(row.get("duration_seconds"))) * 1000)
    started = RunStarted(
        plan="",
        content_hash="",
        project=known_as,
        slug=slug,
        target=str(row["target"]),
        started_by=str(row.get("deployed_by") or ""),
        host="",
        pid=0,
        release=0,
        steps=(),
    )
    ended = begun + timedelta(milliseconds=took)
    return (
        Stamped(run=run, seq=1, at=begun, elapsed_ms=0, event=started),
        Stamped(run=run, seq=2, at=ended, elapsed_ms=took, event=_end(row)),
    )


def _end(row: Row) -> RunFinished:
    told, status = str(row.get("notes") or ""), str(row.get("status"))
    outcome = _OUTCOMES.get(status, Outcome.UNKNOWN)
    if status == "rolled_back":
        told, outcome = "; ".join(filter(None, (_ROLLED_BACK, told))), Outcome.FAILED
    if outcome is Outcome.SUCCEEDED:
        return RunFinished(outcome=outcome, exit_code=ExitCode.OK, message=told)
    if outcome is Outcome.FAILED:
        return RunFinished(outcome=outcome, exit_code=ExitCode.CHANGED, message=told)
    return RunFinished(outcome=outcome, exit_code=ExitCode.UNRESOLVED, message=told or _NO_END)


def _run_id(slug: str, row: Row, begun: datetime) -> RunId:
    """Return a UUID of version 7 whose random part is a hash of the row: one row, one run."""
    seed = json.dumps([slug, row.get("id"), row["target"], begun.isoformat()])
    number = int(begun.timestamp() * 1000) << 80
    number |= int.from_bytes(hashlib.sha256(seed.encode()).digest()[:10])
    number = (number & ~(0xF << 76)) | (0x7 << 76)
    digits = f"{(number & ~(0x3 << 62)) | (0x2 << 62):032x}"
    return RunId("-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])))


def _number(found: object) -> str:
    return str(found) if isinstance(found, int | float) else "0"


def _moment(found: object) -> datetime | None:
    """Return a time of SQLite's, which is UTC where it names no zone."""
    try:
        at = datetime.fromisoformat(str(found))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
