"""Groups: who runs their files, in which order they come, and what is wrong with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from heapq import heappop, heappush

from templedb_nb.core.config import artifact_rules, blue_green_rules, globs
from templedb_nb.core.config.command_template import (
    FILE,
    per_file,
    psql_template,
    quoted_file,
    unsafe_psql,
)
from templedb_nb.core.config.document import problem
from templedb_nb.core.health.complaints import objections
from templedb_nb.core.slots.filling import written_for
from templedb_nb.core.values.circles import circle
from templedb_nb.model.config import (
    DeployConfig,
    Executor,
    Group,
    GroupKind,
    HealthCheck,
)
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.target import DatabaseName

DANGEROUS = re.compile(
    r"LD_.*|DYLD_.*|PYTHON(PATH|HOME|STARTUP)|BASH_ENV|ENV|NODE_OPTIONS|PERL5(LIB|OPT)|RUBY(LIB|OPT)"
    r"|GIT_(SSH|EXEC_PATH|CONFIG.*)|PROMPT_COMMAND|SHELLOPTS|BASHOPTS|IFS|PS4"
)
SECRETIVE = re.compile(
    r"(?i)(pass(word|wd|phrase)?|secret|token|credential|api_?key|private_?key|dsn)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrating:
    """A group whose files are migrations that the ledger tracks."""

    database: DatabaseName
    executor: Executor
    recognised: bool = False


def migrating(group: Group) -> Migrating | None:
    """Return how the group's migrations run, or None if a command deploys its files.

    The common template ``psql $DATABASE_URL -f {file}`` is recognised and run natively: psql
    exits with 0 when a file's SQL fails, and leaves half of it applied.
    """
    if group.kind is not GroupKind.MIGRATIONS:
        return None
    if not group.deploy_command:
        return Migrating(database=group.database, executor=group.executor)
    template = psql_template(group.deploy_command)
    if template is None:
        return None
    return Migrating(database=template.database, executor=group.executor, recognised=True)


def databases(config: DeployConfig) -> tuple[DatabaseName, ...]:
    """Return the databases whose ledgers the config's migrations need, in the order of names."""
    found = {m.database for group in config.groups if (m := migrating(group))}
    return tuple(sorted(found))


def required(group: Group) -> tuple[str, ...]:
    """Return every name that the group cannot do without."""
    own = migrating(group)
    return tuple(dict.fromkeys([*([own.database] if own else []), *group.required_env_vars]))


def ordered(groups: Sequence[Group]) -> tuple[Group, ...]:
    """Return the groups by (order, name), each after those that it depends on.

    Groups of a cycle, which `check` reports, come last.
    """
    waiting = sorted(groups, key=lambda group: (group.order, group.name))
    names = {group.name for group in groups}
    needs = [set(group.depends_on) & names for group in waiting]
    behind: dict[str, list[int]] = {}
    for place, needed in enumerate(needs):
        for name in needed:
            behind.setdefault(name, []).append(place)
    ready = [place for place, needed in enumerate(needs) if not needed]  # in order: a heap
    done: dict[int, None] = {}
    first = 0
    while len(done) < len(waiting):
        while first in done:
            first += 1
        place = heappop(ready) if ready else first
        if place in done:
            continue
        done[place] = None
        for after in behind.pop(waiting[place].name, ()):
            needs[after].discard(waiting[place].name)
            if not needs[after]:
                heappush(ready, after)
    return tuple(waiting[place] for place in done)


def cycle(groups: Sequence[Group]) -> tuple[str, ...]:
    """Return one cycle of dependencies as a, b, a; empty if there is none."""
    return circle({group.name: group.depends_on for group in groups})


def check(config: DeployConfig, paths: Sequence[str] | None = None) -> tuple[Finding, ...]:
    """Return what is wrong with the groups; with *paths*, also patterns that match none of them."""
    found: list[Finding] = []
    names = {group.name for group in config.groups}
    for place, group in enumerate(config.groups):
        at = f"groups[{place}]"
        found += [*_dependencies(at, group, names), *_work(at, group), *_files(at, group)]
        found += [*_patterns(at, group, paths), *_environment(at, group)]
        found += _health(at, group)
    found += artifact_rules.complaints(config)
    found += blue_green_rules.complaints(config)
    if loop := cycle(config.groups):
        found.append(problem("groups", f"depends_on is circular: {' -> '.join(loop)}"))
    return tuple(found)


def _dependencies(at: str, group: Group, names: Container[str]) -> Iterable[Finding]:
    for n, name in enumerate(group.depends_on):
        if name not in names:
            yield problem(f"{at}.depends_on[{n}]", f"there is no group {name!r}")


def _work(at: str, group: Group) -> Iterable[Finding]:
    if not migrating(group) and not group.commands:
        does = "set a deploy_command, a build_command, a test_command or a hook"
        yield problem(at, f"group {group.name!r} has nothing to do", f"{does}, or kind: migrations")
    if group.kind is GroupKind.MIGRATIONS and not globs.including(group.file_patterns):
        yield problem(f"{at}.file_patterns", "a group of migrations needs patterns")
    if group.executor is not Executor.NATIVE and not migrating(group):
        yield problem(f"{at}.executor", "is for groups of migrations without a deploy_command")
    if group.test_command and not group.build_command and migrating(group):
        where = (
            "its test_command runs before its migrations; put it in post_deploy if it needs them"
        )
        yield _note(f"{at}.test_command", where)


def _files(at: str, group: Group) -> Iterable[Finding]:
    keys = [("build_command", group.build_command), ("test_command", group.test_command)]
    keys += [(f"pre_deploy[{n}]", hook.command) for n, hook in enumerate(group.pre_deploy)]
    keys += [(f"post_deploy[{n}]", hook.command) for n, hook in enumerate(group.post_deploy)]
    keys += [(f"on_failure[{n}]", hook.command) for n, hook in enumerate(group.on_failure)]
    for key, text in keys:
        if per_file(text):
            yield problem(f"{at}.{key}", f"{FILE} works only in deploy_command")
        if unsafe_psql(text):
            yield _unsafe(f"{at}.{key}")
    text = group.deploy_command
    if quoted_file(text):
        mend = "write it without quotes: it is inserted safely quoted"
        yield problem(f"{at}.deploy_command", f"{FILE} is inside quotes or a here-document", mend)
    if per_file(text) and not group.file_patterns:
        yield problem(f"{at}.deploy_command", f"{FILE} needs file_patterns")
    if text and not migrating(group) and unsafe_psql(text):
        yield _unsafe(f"{at}.deploy_command")


def _unsafe(at: str) -> Finding:
    message = "psql without ON_ERROR_STOP exits with 0 when the file's SQL fails"
    return problem(at, message, "add -v ON_ERROR_STOP=1", topic=Topic.COMMAND)


def _patterns(at: str, group: Group, paths: Sequence[str] | None) -> Iterable[Finding]:
    for n, pattern in enumerate(group.file_patterns):
        bare, where = pattern.removeprefix(globs.EXCEPT), f"{at}.file_patterns[{n}]"
        complaints = globs.complaints(bare)
        for complaint in complaints:
            yield problem(where, f"{pattern!r} {complaint}")
        if paths is not None and not complaints and not globs.match(bare, paths):
            found = problem(where, f"{pattern!r} matches no file of the project", topic=Topic.FILES)
            harmless = globs.excludes(pattern)
            yield replace(found, severity=Severity.WARNING) if harmless else found


def _environment(at: str, group: Group) -> Iterable[Finding]:
    slots = group.blue_green.slots if group.blue_green else ()
    every = [(f"{at}.env", group.env)]
    every += [(f"{at}.blue_green.slots.{slot.name}", slot.values) for slot in slots]
    for where, values in every:
        for name, value in values:
            if SECRETIVE.search(name) and not value.startswith(("env:", "file:")):
                mend = f"templedb env set {name} --target TARGET, or a reference such as env:{name}"
                yield problem(f"{where}.{name}", "looks like a secret in plain text", mend)
            if DANGEROUS.fullmatch(name) and name not in group.allow_dangerous_env:
                mend = f"if it is needed, name it in allow_dangerous_env: [{name}]"
                yield problem(f"{where}.{name}", "changes how programs load or start", mend)


def on_health(at: str, group: str, written: Sequence[HealthCheck]) -> Iterable[Finding]:
    """Yield what is wrong with the health checks of one place, each by its own key."""
    for place, health in enumerate(written):
        yield from _objections(f"{at}[{place}]", health)
    named = Counter(each.name for each in written if each.name)
    for name in sorted(each for each, times in named.items() if times > 1):
        yield problem(at, f"two checks of {group} have the name {name!r}")


def _health(at: str, group: Group) -> Iterable[Finding]:
    slot = group.blue_green.slots[0] if group.blue_green and group.blue_green.slots else None
    asked = tuple(written_for(each, slot) if slot else each for each in group.health_checks)
    if group.health_check:
        one = written_for(group.health_check, slot) if slot else group.health_check
        yield from _objections(f"{at}.health_check", one)
        if group.health_checks:
            mend = "put all of them into health_checks"
            yield problem(f"{at}.health_check", "cannot be combined with health_checks", mend)
    yield from on_health(f"{at}.health_checks", f"group {group.name!r}", asked)


def _objections(at: str, health: HealthCheck) -> Iterable[Finding]:
    for each in objections(health):
        severity = Severity.ERROR if each.forbids else Severity.WARNING
        found = problem(f"{at}.{each.key}", each.message, each.hint)
        yield replace(found, severity=severity)


def _note(at: str, message: str) -> Finding:
    return Finding(severity=Severity.NOTE, topic=Topic.CONFIG, message=message, where=at)
