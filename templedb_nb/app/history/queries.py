"""Questions to targets: read only, without templedb's lock, every known secret masked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from templedb_nb.app.deploy.case import DeployContext
from templedb_nb.app.deploy.connections import Connections
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.variables import Variables
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.core.values.query_expectation import Expectation, asking_for, evidence, unmet
from templedb_nb.errors import Ambiguous, ConfigError, ExpectationFailed, UnknownName
from templedb_nb.model.history import Answer
from templedb_nb.model.query import Question
from templedb_nb.model.selection import Selection
from templedb_nb.model.target import DATABASE_URL, DatabaseName
from templedb_nb.ports.store import Transactions


class Queries:
    """Use cases that only read what a target holds."""

    def __init__(
        self,
        state: Transactions,
        projects: Projects,
        plans: Plans,
        ledgers: Connections,
        variables: Variables,
        masker: Masker,
    ) -> None:
        """Ask the databases of targets."""
        self._state = state
        self._projects = projects
        self._plans = plans
        self._ledgers = ledgers
        self._variables = variables
        self._masker = masker

    def answer(
        self,
        choice: Selection,
        asked: Question,
        database: str | None = None,
        expected: Expectation | None = None,
    ) -> Answer:
        """Return the answer of a target's database, or raise `ExpectationFailed`."""
        with self._state.transaction():
            project = self._projects.pick(choice.project)
            case = self._plans.case(project, choice.target, sync=False)
        named = self._database(case, database)
        url = self._variables.reveal(named, case.known, case.given, case.root)
        if url is None or named in case.known.unreadable:
            hint = f"templedb env set {project.slug} {named} --target {case.target.name}"
            problem = case.known.unreadable.get(named, f"{named} has no value")
            message = f"target {case.target.name} has no database to connect to"
            raise ConfigError(message, hint=hint, problems=[problem])
        asked = asking_for(asked, expected) if expected else asked
        title = f"templedb:query:{case.project.known_as}"
        around = self._variables.around(case.known, case.given, case.root)
        found = self._ledgers.answer(url, case.target.name, named, case.root, title, asked, around)
        if expected and (came := unmet(expected, found)):
            message = f"expected {expected.said}, but got {came}"
            told = evidence(found) if expected.value is None or len(found.rows) != 1 else []
            hint = "to see the answer, run the same query without --expect"
            raise ExpectationFailed(message, problems=told, hint=hint)
        return self._masked(found)

    def _database(self, case: DeployContext, named: str | None) -> DatabaseName:
        known = self._plans.databases(case)
        if named is not None:
            if named not in known:
                message = f"target {case.target.name} has no database {typed(named)!r}"
                raise UnknownName(message, problems=known, hint="name one of these")
            return DatabaseName(named)
        if len(known) > 1:
            hint = f"name one: --database {known[0]}"
            message = f"target {case.target.name} has several databases"
            raise Ambiguous(message, hint=hint, problems=known)
        return known[0] if known else DATABASE_URL

    def _masked(self, found: Answer) -> Answer:
        rows = tuple(tuple(self._cell(cell) for cell in row) for row in found.rows)
        return replace(found, rows=rows)

    def _cell(self, cell: Any) -> Any:
        match cell:
            case str():
                return self._masker.mask(cell)
            case list() | tuple():
                return [self._cell(each) for each in cell]
            case dict():
                return {self._cell(key): self._cell(each) for key, each in cell.items()}
            case bytes():
                text = cell.decode("latin-1")
                return cell if self._masker.mask(text) == text else self._masker.mask(text)
            case _:
                return cell
