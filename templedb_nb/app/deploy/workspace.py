"""Where the commands of a run work: their folder, their variables, the programs that run them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import field
from pathlib import Path
from typing import TypeAlias

from templedb_nb.app.artifacts.artifacts import Artifacts
from templedb_nb.app.artifacts.run_artifacts import RunArtifacts
from templedb_nb.app.deploy.case import DeployContext, OpenTarget
from templedb_nb.app.deploy.psql_address import PsqlAddress
from templedb_nb.app.environment import Environment
from templedb_nb.app.project.variables import Variables
from templedb_nb.core.address.libpq import SESSION
from templedb_nb.core.address.route import passed_on
from templedb_nb.core.config.command_template import with_file_variable
from templedb_nb.core.config.environ import inherited, permitted
from templedb_nb.core.plan.health_steps import checks
from templedb_nb.core.plan.planner import sees_folder
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.core.slots.commands import of_step as switch_commands
from templedb_nb.errors import Busy, FilesError
from templedb_nb.files.built_groups import BuiltGroups
from templedb_nb.model.command import Invocation
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import RunId
from templedb_nb.model.health import CommandCheck
from templedb_nb.model.phase import Phase
from templedb_nb.model.plan import Plan
from templedb_nb.model.serialization import short
from templedb_nb.model.step import ArtifactStep, Command, RunCommand, RunScript
from templedb_nb.model.switch_step import RoutedGroup, SwitchSlot
from templedb_nb.model.work_folder import WorkFolderKind
from templedb_nb.ports.shell import Psql, Shell
from templedb_nb.store.advice import room

Environments: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""A group, and what it says of its variables."""


@dataclass(slots=True, kw_only=True)
class RunWorkspace:
    """What one run's commands work with; the folder is made at the first need."""

    shell: Shell
    psql: Psql
    case: DeployContext
    run: RunId
    plan: Plan
    environments: Mapping[Environments, Mapping[str, str]]
    reach: PsqlAddress
    folder: ReleaseFolder
    leave_state: Callable[[], None]
    """Closes the state, which a command may open."""
    artifacts: RunArtifacts | None = None

    def invocation(self, step: Command, attempt: str) -> Invocation:
        """Return how a step's command is started."""
        if self.artifacts:
            self.artifacts.begin(step)
        prepared = Invocation(
            argv=_argv(step),
            cwd=self._cwd(step),
            environment={
                **self.reach.environment(self.environments[_own(step)]),
                **self._facts(step, attempt),
            },
            timeout_s=step.timeout_s if isinstance(step, RunCommand) else None,
        )
        self.leave_state()  # last: to prepare may have read it
        return prepared

    def check(self, check: CommandCheck) -> Invocation:
        """Return how the command of a health check is started, as those of its group are."""
        prepared = Invocation(
            argv=_bash(check.command),
            cwd=self._cwd(check),
            environment={
                **self.reach.environment(self.environments[_own(check)]),
                **self._about(check.group, Phase.HEALTH),
            },
        )
        self.leave_state()  # last: to prepare may have read it
        return prepared

    def _cwd(self, step: Command | CommandCheck) -> str:
        if step.workdir is WorkFolderKind.RELEASE:
            return self.folder.path()
        if self.case.root is None:
            message = f"group {step.group} works in the project's folder, which is gone"
            raise FilesError(message, hint=f"restore the folder {self.case.project.root}")
        return str(self.case.root)

    def _facts(self, step: Command, attempt: str) -> dict[str, str]:
        file = step.file or ""
        facts = {**self._about(step.group, step.phase), "TEMPLEDB_ATTEMPT": attempt}
        # Not for health checks, which are also asked outside of runs: they would differ there.
        facts |= self.artifacts.environment if self.artifacts else {}
        if file:
            facts["TEMPLEDB_FILE"] = f"./{file}" if file.startswith("-") else file
        return facts

    def _about(self, group: str, phase: Phase) -> dict[str, str]:
        return {
            "TEMPLEDB_RUN_ID": self.run,
            "TEMPLEDB_PLAN": self.plan.id,
            "TEMPLEDB_PROJECT": self.case.project.slug,
            "TEMPLEDB_RELEASE": short(self.case.release.tree),
            "TEMPLEDB_TARGET": self.plan.target,
            "TEMPLEDB_GROUP": group,
            "TEMPLEDB_STEP": phase.value,
            "DEPLOYMENT_TARGET": self.plan.target,
        }


@dataclass(slots=True, kw_only=True)
class ReleaseFolder:
    """The release as files, written when a command first needs them."""

    case: DeployContext
    root: Path
    held: ExitStack
    plan: str = ""
    """The plan whose commands work there."""
    _made: str = field(default="", init=False)

    @property
    def built(self) -> BuiltGroups:
        """Return which groups have begun to build there."""
        return BuiltGroups(folder=self.root, plan=self.plan)

    def path(self) -> str:
        """Return the folder with the release's files in it."""
        from templedb_nb.files.workfolder import BlobDamaged, PathsUnfit
        from templedb_nb.files.workfolder import WorkFolder as Folders

        if not self._made:
            folder, files = Folders(self.root), self.case.release.files
            try:
                self.built.leave_out_others()
                folder.materialise(files, lambda blobs: self.case.read(blobs).items())
            except PathsUnfit as error:
                message = "the release cannot be written as files"
                raise FilesError(message, problems=error.problems) from None
            except (BlobDamaged, OSError) as error:
                raise FilesError(f"the release cannot be written as files: {error}") from None
            self._made = str(folder.tree)
        return self._made


class Workspace:
    """Prepares the place of a run: everything that could be missing is found before it begins."""

    def __init__(
        self,
        folder: Path,
        variables: Variables,
        artifacts: Artifacts,
        masker: Masker,
        system: Environment,
        leave_state: Callable[[], None],
    ) -> None:
        """Keep work folders below *folder*; *leave_state* is called before each command."""
        self._artifacts = artifacts
        self._folder = folder
        self._variables = variables
        self._masker = masker
        self._system = system
        self._leave_state = leave_state

    def prepare(
        self, opened: OpenTarget, plan: Plan, run: RunId, held: ExitStack, resumes: str = ""
    ) -> RunWorkspace:
        """Resolve every value, and hold the target's work folder for as long as *held* is.

        *resumes* is the run that is gone on with: what it has kept is known.
        """
        from templedb_nb.shell.psql import PsqlProgram
        from templedb_nb.shell.runner import SupervisedShell

        case = opened.case
        folder = ReleaseFolder(case=case, root=self._root(case), held=held, plan=plan.id)
        if any(sees_folder(step) for step in plan.steps):
            self._hold(folder, held)
        shell = SupervisedShell(self._masker)
        reach = PsqlAddress(sessions=opened.sessions, urls=opened.urls, masker=self._masker)
        return RunWorkspace(
            shell=shell,
            psql=PsqlProgram(shell, _around, reach.place, folder.path, self._for_psql()),
            case=case,
            run=run,
            plan=plan,
            environments=self._environments(case, plan),
            reach=reach,
            folder=folder,
            leave_state=self._leave_state,
            artifacts=self._kept(case, plan, folder, resumes),
        )

    def _kept(
        self, case: DeployContext, plan: Plan, folder: ReleaseFolder, resumes: str
    ) -> RunArtifacts | None:
        """Return what keeps and places artifacts, if the plan has a step for that."""
        if not any(isinstance(step, ArtifactStep) for step in plan.steps):
            return None
        store = case.current.config.artifacts_store
        beside = () if case.artifacts is None else (case.artifacts,)
        sources = (*beside, *self._artifacts.sources(store, case.root))
        return RunArtifacts(
            plan=plan,
            home=folder.root,
            tree=folder.path,
            release=case.release.paths,
            built=folder.built,
            place_of=lambda name: self._artifacts.place(name, case.root),
            sources=sources,
            content=self._artifacts.content,
            known=lambda: self._artifacts.kept_by(resumes, sources),
            mask=self._masker.mask,
        )

    def _for_psql(self) -> dict[str, str]:
        """Return what psql gets beside its connection; a session begins as psycopg's does."""
        process = self._system.environ
        return {**inherited(process), **{n: process[n] for n in SESSION & process.keys()}}

    def _root(self, case: DeployContext) -> Path:
        name = hashlib.sha256(f"{case.project.slug}\0{case.target.name}".encode()).hexdigest()[:8]
        return self._folder / f"{case.project.slug}-{case.target.name}-{name}"

    def _hold(self, folder: ReleaseFolder, held: ExitStack) -> None:
        from templedb_nb.files.workfolder import FolderOccupied
        from templedb_nb.files.workfolder import WorkFolder as Folders

        try:
            held.enter_context(Folders(folder.root).hold())
        except FolderOccupied as error:
            message = f"another run of {folder.case.project.slug} to {folder.case.target.name}"
            raise Busy(f"{message} has the work folder", hint="wait for it to end") from error
        except OSError as error:
            message = f"cannot make the work folder {folder.root}: {error.strerror}"
            hint = f"{room(folder.root, error)}; nothing was executed"
            raise FilesError(message, hint=hint) from error

    def _environments(self, case: DeployContext, plan: Plan) -> dict[Environments, dict[str, str]]:
        """Return what the commands of each group get, every secret known to the masker.

        The names are those of the plan, which is what people approved.
        """
        found: dict[Environments, dict[str, str]] = {}
        asked = (check for check in checks(plan.steps) if isinstance(check, CommandCheck))
        for step in (*_commands(plan), *asked):
            if _own(step) not in found:
                own = {} if isinstance(step, RunScript) else dict(step.environment)
                allowed = () if isinstance(step, RunScript) else step.allow_dangerous_env
                found[_own(step)] = self.environment(case, plan.variables, own, allowed)
        return found

    def apart(self, case: DeployContext, held: ExitStack, purpose: str) -> ReleaseFolder:
        """Return a folder for the release that no run uses, held for as long as *held* is."""
        root = self._root(case)
        folder = ReleaseFolder(case=case, root=root.with_name(f"{root.name}-{purpose}"), held=held)
        self._hold(folder, held)
        return folder

    def environment(
        self,
        case: DeployContext,
        names: Iterable[str],
        own: Mapping[str, str],
        allowed: Sequence[str],
    ) -> dict[str, str]:
        """Return what a command gets: the values of *names*, and what its group says itself."""
        found = {**inherited(self._system.environ), **passed_on(self._system.environ)}
        for name in sorted(permitted({*names, *own}, allowed)):
            value = self._variables.reveal(name, case.known, case.given, case.root, own)
            if value is not None:
                found[name] = value.reveal()
        return found


def _around(*args: object, **named: object) -> tuple[str, str]:
    from templedb_nb.targets.postgres.apply.psql import around

    return around(*args, **named)  # type: ignore[arg-type]  # the wrapped method has these parameters


def _argv(step: Command) -> tuple[str, ...]:
    from templedb_nb.shell.runner import bash

    if isinstance(step, RunScript):
        starter = (f"./{step.file}",) if step.executable else ("bash", step.file)
        return (*starter, *step.arguments)
    return bash(with_file_variable(step.command))


def _bash(command: str) -> tuple[str, ...]:
    from templedb_nb.shell.runner import bash

    return bash(command)


def _commands(plan: Plan) -> Iterator[Command | RoutedGroup]:
    """Yield everything of a plan that may run as a command, also to switch traffic or to ask."""
    for step in plan.steps:
        if isinstance(step, RunCommand | RunScript):
            yield step
        if isinstance(step, RunCommand) and step.slot:
            yield step.slot.routed
        if isinstance(step, SwitchSlot):
            yield step.routed
            yield from switch_commands(step)


def _own(step: Command | CommandCheck | RoutedGroup) -> Environments:
    """Return what tells the environments of commands apart."""
    return step.group, () if isinstance(step, RunScript) else step.environment
