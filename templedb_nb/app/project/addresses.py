"""Addresses of databases, looked at when they are set and when a config is checked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from templedb_nb.app.deploy.case import DeployContext
from templedb_nb.app.environment import Environment
from templedb_nb.app.project.targets import Targets
from templedb_nb.app.project.variables import Variables
from templedb_nb.core.address.dsn import AddressProblem
from templedb_nb.core.address.dsn_check import fault, like_one
from templedb_nb.core.config import groups
from templedb_nb.core.config.document import problem
from templedb_nb.core.config.environ import is_reference
from templedb_nb.core.fleet.url_template import is_template, url_template
from templedb_nb.errors import ConfigError, SecretError
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Topic
from templedb_nb.model.project import Project
from templedb_nb.model.target import DATABASE_URL
from templedb_nb.secrets.references import read_reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Tells of a wrong address at once, and not when somebody deploys."""

    targets: Targets
    variables: Variables
    system: Environment

    def checked(self, project: Project, pairs: Mapping[str, str]) -> tuple[str, ...]:
        """Return what is doubtful in new values; raise where a group's database would be lost."""
        databases = {DATABASE_URL, *groups.databases(self.targets.current(project).config)}
        root = Path(project.root) if project.root else None
        wrong, doubtful = [], []
        for name, text in pairs.items():
            found = self._fault(text, root, databases=name in databases)
            if found and name in databases:
                wrong.append((name, found))
            elif found:
                told = f"if {name} is the address of a database: {found.what} ({found.mend})"
                doubtful.append(told)
        if wrong:
            raise _refusal(wrong)
        return tuple(doubtful)

    def _fault(self, text: str, root: Path | None, *, databases: bool) -> AddressProblem | None:
        value = text
        if is_template(text):
            value = url_template(text).sample
            if not value:
                return None
        elif is_reference(text):
            try:
                value = read_reference(text, self.system.environ, root).strip()
            except SecretError:
                return None
        return fault(value) if databases or like_one(value) else None

    def of_file(self, case: DeployContext, name: str) -> bool:
        """Return whether the address of a database is known here, and that of a DuckDB file."""
        if name in case.known.unreadable:
            return False
        value = self.variables.reveal(name, case.known, case.given, case.root)
        return value is not None and value.reveal().strip().startswith("duckdb:")

    def findings(self, case: DeployContext, names: Collection[str]) -> Iterator[Finding]:
        """Yield an error for each address of a case that can be read and leads nowhere."""
        for name in sorted(set(names) - case.known.unreadable.keys()):
            value = self.variables.reveal(name, case.known, case.given, case.root)
            if value is not None and (found := fault(value.reveal().strip())):
                message = f"is not a database address: {found.what}"
                yield problem(name, message, found.mend, topic=Topic.VARIABLE)


def _refusal(wrong: Iterable[tuple[str, AddressProblem]]) -> ConfigError:
    told = [f"{name} is not a database address: {found.what}" for name, found in wrong]
    hints = dict.fromkeys(found.mend for _, found in wrong)
    first, *more = told
    return ConfigError(f"{first}; nothing was stored", hint="; ".join(hints), problems=more)
