"""What checkers need of a target: values, databases, the folder and variables of commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from templedb_nb.app.deploy.case import DeployContext
from templedb_nb.app.deploy.connections import Connections
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.workspace import ReleaseFolder, Workspace
from templedb_nb.app.environment import Environment
from templedb_nb.app.project.variables import Variables
from templedb_nb.core.config.environ import inherited
from templedb_nb.core.plan.health_steps import checks
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.errors import ConfigError, FilesError, SecretError
from templedb_nb.health.checkers import Checkers
from templedb_nb.health.command import CommandChecker
from templedb_nb.health.http import HttpChecker
from templedb_nb.health.libraries import refuse_unfit
from templedb_nb.health.sql import AskedDatabase, SqlChecker
from templedb_nb.health.tcp import TcpChecker
from templedb_nb.model.command import Invocation
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import CommandCheck, SqlCheck
from templedb_nb.model.serialization import short
from templedb_nb.model.step import Step
from templedb_nb.model.target import DATABASE_URL
from templedb_nb.model.variable import Keeping
from templedb_nb.model.work_folder import WorkFolderKind
from templedb_nb.shell.runner import SupervisedShell, bash


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSurroundings:
    """Makes the checkers of one target."""

    plans: Plans
    variables: Variables
    connections: Connections
    workspace: Workspace
    masker: Masker
    system: Environment

    def checkers(
        self,
        case: DeployContext,
        tree: str,
        held: ExitStack,
        invocation: Callable[[CommandCheck], Invocation] | None = None,
    ) -> Checkers:
        """Return a checker for each kind; a work folder is kept for as long as *held* is.

        *invocation* starts commands as a run does; else they have a folder of their own.
        """
        self.learn(case)
        environment = inherited(self.system.environ)
        mask = self.masker.mask
        value = self.value(case)
        return Checkers(
            http=HttpChecker(value=value, mask=mask, environment=environment, release=tree),
            tcp=TcpChecker(value=value, mask=mask, environment=environment),
            command=CommandChecker(
                shell=SupervisedShell(self.masker),
                invocation=invocation or self.invocation(case, tree, held),
            ),
            sql=SqlChecker(
                database=self._database(case),
                target=case.target.name,
                title=f"templedb:health:{case.project.known_as}",
                mask=mask,
                environment=environment,
            ),
        )

    def checker(
        self,
        case: DeployContext,
        steps: Sequence[Step],
        held: ExitStack,
        invocation: Callable[[CommandCheck], Invocation],
    ) -> Checkers | None:
        """Return what measures health for the steps of a plan; what it lacks is told at once."""
        asked = checks(steps)
        if not asked:
            return None
        refuse_unfit(asked)
        return self.checkers(case, case.release.tree, held, invocation)

    def learn(self, case: DeployContext) -> None:
        """Mask every secret of the target: an answer may hold one that no check names."""
        for name in case.known.names - set(case.known.unreadable):
            with suppress(SecretError):
                self.variables.reveal(name, case.known, case.given, case.root)

    def value(self, case: DeployContext) -> Callable[[str], str]:
        """Return what gives the value of a variable of the target."""

        def value(name: str) -> str:
            found = self.variables.reveal(name, case.known, case.given, case.root)
            if found is None:
                raise ConfigError(f"{name} has no value")
            source = case.known.source(name)
            if source is not None and source.keeping is not Keeping.PLAIN:
                self.masker.add(name, found.reveal().lower())  # as libraries write a host
            return found.reveal()

        return value

    def _database(self, case: DeployContext) -> Callable[[SqlCheck], AskedDatabase]:
        known = self.plans.databases(case)

        def database(check: SqlCheck) -> AskedDatabase:
            name = check.database or next(iter(known), None)
            url = self.variables.reveal(name or DATABASE_URL, case.known, case.given, case.root)
            if url is None:
                hint = f"templedb env set {case.project.slug} {name} --target {case.target.name}"
                raise ConfigError(f"{name} of {check.name} has no value", hint=hint)
            around = self.variables.around(case.known, case.given, case.root)
            return self.connections.health_query(url, name or DATABASE_URL, case.root, around)

        return database

    def invocation(
        self, case: DeployContext, tree: str, held: ExitStack
    ) -> Callable[[CommandCheck], Invocation]:
        """Return what says how a command of a group is started outside of a run."""
        folders: list[ReleaseFolder] = []

        def place(check: CommandCheck) -> str:
            if check.workdir is WorkFolderKind.RELEASE:
                if not folders:
                    folders.append(self.workspace.apart(case, held, "health"))
                return folders[0].path()
            if case.root is None:
                message = f"group {check.group} works in the project's folder, which is gone"
                raise FilesError(message, hint=f"restore the folder {case.project.root}")
            return str(case.root)

        def invocation(check: CommandCheck) -> Invocation:
            group = case.current.config.group(check.group)
            names = case.known.names | set(group.required_env_vars if group else ())
            own, allowed = dict(check.environment), check.allow_dangerous_env
            facts = {
                "TEMPLEDB_PROJECT": case.project.slug,
                "TEMPLEDB_TARGET": case.target.name,
                "TEMPLEDB_RELEASE": short(tree),
                "TEMPLEDB_GROUP": check.group,
                "TEMPLEDB_STEP": "health",
                "DEPLOYMENT_TARGET": case.target.name,
            }
            return Invocation(
                argv=bash(check.command),
                cwd=place(check),
                environment={**self.workspace.environment(case, names, own, allowed), **facts},
            )

        return invocation
