"""What is wrong with the artifacts of a config, and what its commands call them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from templedb_nb.core.config import globs
from templedb_nb.core.config.document import problem
from templedb_nb.core.secrets.url_passwords import without_url_passwords
from templedb_nb.model.artifact import ArtifactRule
from templedb_nb.model.config import DeployConfig, Group
from templedb_nb.model.finding import Finding
from templedb_nb.model.work_folder import WorkFolderKind

FOLDER = "TEMPLEDB_ARTIFACTS"


def variable(name: str) -> str:
    """Return the environment variable that tells where an artifact is."""
    return f"TEMPLEDB_ARTIFACT_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}"


def complaints(config: DeployConfig) -> Iterator[Finding]:
    """Yield what is wrong with the artifacts of all groups, and with where they are kept."""
    for place, group in enumerate(config.groups):
        if group.artifacts:
            yield from _on_group(f"groups[{place}]", group)
    yield from _names_alike(config)
    if without_url_passwords(config.artifacts_store) != config.artifacts_store:
        mend = "leave it out: the library takes credentials from its own settings"
        yield problem("artifacts_store", "contains a password", mend)


def _on_group(at: str, group: Group) -> Iterator[Finding]:
    if not group.build_command:
        message = f"group {group.name!r} names artifacts, but builds nothing"
        yield problem(f"{at}.artifacts", message, "set a build_command")
    if group.workdir is not WorkFolderKind.RELEASE:
        message = "artifacts are kept from the copy of the release, and placed there"
        yield problem(f"{at}.workdir", message, "leave out workdir: project in this group")
    for n, rule in enumerate(group.artifacts):
        yield from _on_rule(f"{at}.artifacts[{n}]", rule)


def _on_rule(at: str, rule: ArtifactRule) -> Iterator[Finding]:
    if bool(rule.files) == bool(rule.image_from):
        yield problem(at, f"artifact {rule.name!r} needs either files or image_from")
    for n, pattern in enumerate(rule.files):
        for complaint in globs.complaints(pattern):
            yield problem(f"{at}.files[{n}]", f"{pattern!r} {complaint}")
    segments = rule.image_from.split("/")
    if rule.image_from and (set(segments) & {"", ".", ".."} or "\0" in rule.image_from):
        message = f"{rule.image_from!r} is not the path of a file in the work folder"
        yield problem(f"{at}.image_from", message, "write it as build/digest")


def _names_alike(config: DeployConfig) -> Iterator[Finding]:
    """Yield names that more than one artifact has, also by the variable that stands for it."""
    seen: dict[str, str] = {}
    for at, rule in _placed(config.groups):
        name = variable(rule.name)
        if name in seen:
            other = seen[name]
            alike = "appears more than once" if other == rule.name else f"is {other!r} in {name}"
            yield problem(f"{at}.name", f"{rule.name!r} {alike}", "give it another name")
        seen.setdefault(name, rule.name)


def _placed(groups: Iterable[Group]) -> Iterator[tuple[str, ArtifactRule]]:
    for place, group in enumerate(groups):
        for n, rule in enumerate(group.artifacts):
            yield f"groups[{place}].artifacts[{n}]", rule
