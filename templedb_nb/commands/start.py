"""The way to a project's first plan, in one command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Command, Effect, pass_call
from templedb_nb.commands.proposal_options import answering, with_builds
from templedb_nb.model.dataclass import dataclass

if TYPE_CHECKING:
    from templedb_nb.core.migrations.proposal import Proposal, ProposalAnswers
    from templedb_nb.model.project import Project
    from templedb_nb.model.start import Started
    from templedb_nb.model.target import Target

HIDDEN = "give the address on standard input: --database-url - < FILE, or as a reference: env:NAME"


@click.command(cls=Command, effect=Effect.CHANGES, repeatable=True)
@click.argument("path", required=False, metavar="[PATH]", type=click.Path(path_type=Path))
@click.option("--slug", metavar="NAME", help="The project's name. Default: the folder's name.")
@click.option("-t", "--target", metavar="TARGET",
              help="The target's name. It is added if the project has no target.")  # fmt: skip
@click.option("--database-url", "url", metavar="-|REFERENCE",
              help="-: read the address from stdin. Else env:NAME or file:PATH.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Ask nothing: a doubt is an error with its answers.")
@answering
@pass_call
def start(call: Call, /, path: Path | None, *, yes: bool, **how: Any) -> Started:
    """Import the folder PATH, propose its config, add a target, and show the first plan.

    At each doubt you are asked; the address of the database is not shown. Without a terminal, or
    with --yes, a doubt is an error (78) that names the option for each answer. What is there
    already stays as it is, so that you can repeat the command. Nothing is deployed.

    \b
    Examples:
      templedb start
      templedb start ./shop --target staging
      templedb start ./shop --target staging --database-url - --yes < url.txt
    """
    from templedb_nb.core.config.environ import is_reference
    from templedb_nb.core.migrations.proposal import ProposalAnswers

    url, slug, target = how.pop("url"), how.pop("slug"), how.pop("target")
    place = path or Path()
    if not place.is_dir() and _like_address(str(place)):
        raise click.UsageError(f"PATH is the address of a database: {HIDDEN}")
    if url is not None and url != "-" and not is_reference(url) and not _is_file(url):
        raise click.UsageError(f"an address in a command's words can be seen by others: {HIDDEN}")
    walk = _WayToPlan(call=call, place=place, asks=call.asks and not yes)
    project = walk.project(slug)
    walk.config(project, ProposalAnswers(**how))
    found = walk.target(project, target)
    walk.databases(project, found, url)
    return walk.plan(project, found)


def _like_address(text: str) -> bool:
    from templedb_nb.core.address.dsn_check import like_one

    return "://" in text or like_one(text)


def _is_file(url: str) -> bool:
    from templedb_nb.core.secrets.url_passwords import without_url_passwords

    return url.startswith("duckdb:") and without_url_passwords(url) == url


@dataclass
class _WayToPlan:
    """Does one thing after the other, and keeps the single commands that do the same."""

    call: Call
    place: Path
    asks: bool
    commands: list[str] = field(default_factory=list)

    @property
    def again(self) -> str:
        """Return the words of this command, to which an answer is added."""
        return f"templedb start {shlex.quote(str(self.place))}"

    def project(self, slug: str | None) -> Project:
        """Take the folder in, under the name that it has here already, if it has one."""
        from templedb_nb.errors import ConfigError, UsageProblem

        app, root = self.call.app, self.place.expanduser().absolute()
        known = [each.slug for each in app.projects.all() if each.root == str(root)]
        named = slug or (known[0] if len(known) == 1 else None)
        if named is None and known:
            named = self._pick(f"{root} is imported as several projects", known, "--slug NAME")
        while True:
            try:
                with self.call.output.working(f"importing the files of {self.place}"):
                    synced = app.projects.import_(self.place, named, None)
                break
            except (ConfigError, UsageProblem) as error:
                if not root.is_dir() or slug or error.problems:
                    raise
                named = self._say("the project's name", error.message, "--slug NAME")
        made = synced.project
        said = f" --slug {made.slug}" if made.slug != root.name else ""
        self._did(f"templedb project import {shlex.quote(str(self.place))}{said}", synced)
        return made

    def config(self, project: Project, answers: ProposalAnswers) -> None:
        """Propose a config and keep it, unless there is one, or deploy.sh is the deployment."""
        from templedb_nb.app.project.next_steps import SCRIPT

        app = self.call.app
        release = app.projects.release(project, None)
        if app.configs.current(project, release).config.groups:
            self._tell(f"{project.slug} has a config: {app.targets.current(project).origin}")
            return
        proposal, answers = self._settled(project, answers)
        if not proposal.config.groups and not proposal.doubts and release.entry(SCRIPT):
            self._tell(f"{SCRIPT} is the whole deployment: there is no config")
            return
        with app.state.transaction():
            skipped = app.projects.seen(project)
            release = app.projects.release(project, None)
            proposed = app.configs.init(
                project, release, answers, skipped, force=False, again=self.again
            )
        if answers.write_order:
            app.projects.sync(project)
        self._did(f"templedb deploy init {project.slug}{_words(answers)}", proposed)

    def _settled(
        self, project: Project, answers: ProposalAnswers
    ) -> tuple[Proposal, ProposalAnswers]:
        """Return what the files speak for, once a person has settled the doubts."""
        app = self.call.app
        release = app.projects.release(project, None)
        proposal = app.configs.proposal(release, answers)
        while self.asks and proposal.doubts and proposal.answers:
            self._tell("\n".join(f"  - {each}" for each in proposal.doubts))
            ways = [each.strip() for each in proposal.answers]
            chosen = self._pick("the files leave open what runs, or in which order", ways, "")
            answers = _answered(answers, chosen)
            proposal = app.configs.proposal(release, answers)
        answers = with_builds(self.call if self.asks else None, proposal, answers)
        return app.configs.proposal(release, answers), answers

    def target(self, project: Project, named: str | None) -> Target:
        """Return the target that is meant; a project without any gets its first one."""
        from templedb_nb.errors import UnknownName

        targets = self.call.app.targets
        every = targets.all(project)
        names = [each.name for each in every]
        if every:
            if named is not None and named not in names:
                message = f"project {project.slug} has other targets, and none of that name"
                hint = f"name one of them, or see templedb target list {project.slug}"
                raise UnknownName(message, hint=hint, problems=names)
            if named is None and len(every) > 1:
                named = self._pick("the project has several targets", names, "--target NAME")
            return targets.pick(project, None, named)
        if named is None:
            why = "the project has no target yet"
            named = self._say("the target's name", why, "--target NAME", "local")
        with self.call.app.state.transaction():
            made = targets.add(project, named, {})
        self._did(f"templedb target add {project.slug} {made.name}")
        return made

    def databases(self, project: Project, target: Target, url: str | None) -> None:
        """Store the address of each database that has none, and try it."""
        from templedb_nb.errors import ConfigError, TargetError
        from templedb_nb.model.target import DATABASE_URL

        app = self.call.app
        current = app.targets.current(project)
        missing = list(app.next_steps.missing(project, target, current))
        if url is not None:
            alone = missing[0] if len(missing) == 1 else DATABASE_URL
            self._address(project, target, alone, self._given(url, alone))
            missing = [each for each in missing if each != alone]
        if missing and not self.asks:
            words = f"--target {target.name}"
            sets = [f"templedb env set {project.slug} {n} {words} < FILE" for n in missing]
            have = "has" if len(missing) == 1 else "have"
            message = f"{' and '.join(missing)} of target {target.name} {have} no value"
            hint = f"{self.again} {words} --database-url - < FILE, or --database-url env:NAME"
            raise ConfigError(message, hint=hint if len(missing) == 1 else "; ".join(sets))
        for name in missing:
            while True:
                try:
                    self._address(project, target, name, self._given("-", name))
                    self._try(project, target)
                    break
                except (ConfigError, TargetError) as error:
                    self._tell("\n".join(error.lines(self.call.masked)))

    def _given(self, url: str, name: str) -> str:
        from templedb_nb.errors import ConfigError

        value = self.call.ask_secret(name) if url == "-" else url
        if not value.strip():
            hint = f"{self.again} --database-url - < FILE, or --database-url env:NAME"
            raise ConfigError(f"the value of {name} is empty", hint=hint)
        return value

    def _address(self, project: Project, target: Target, name: str, value: str) -> None:
        from templedb_nb.core.config.environ import is_reference
        from templedb_nb.model.variable import Keeping

        app = self.call.app
        with app.state.transaction():
            doubts = app.addresses.checked(project, {name: value})
            app.variables.set(project, target.name, {name: value}, Keeping.SEALED)
        self._tell("\n".join(doubts))
        told = f" {shlex.quote(value.strip())}" if is_reference(value) else " < FILE"
        command = f"templedb env set {project.slug} {name} --target {target.name}{told}"
        if command not in self.commands:
            self._did(command)

    def _try(self, project: Project, target: Target) -> None:
        from templedb_nb.model.selection import Selection

        with self.call.output.working("connecting to the target"):
            self.call.app.overview.probe(Selection(project=project.slug, target=target.name))

    def plan(self, project: Project, target: Target) -> Started:
        """Return the plan of the first run, and the command that carries it out."""
        from templedb_nb.exits import exit_code
        from templedb_nb.model.selection import Selection
        from templedb_nb.model.start import Started

        choice = Selection(project=project.slug, target=target.name)
        with self.call.output.working("reading the files and the target"):
            preview = replace(self.call.app.deployments.plan(choice), dry_run=True)
        run = f"templedb deploy run {project.slug} --target {target.name}"
        self.commands.append(f"{run} --dry-run")
        following = "" if exit_code(preview) or not preview.plan.work else run
        return Started(preview=preview, commands=tuple(self.commands), next=following)

    def _pick(self, what: str, ways: Sequence[str], option: str) -> str:
        """Return the way that a person chooses, by its number or its name."""
        if not self.asks:
            self._refuse(what, option, ways)
        self._tell("\n".join([what, *(f"  {n}. {each}" for n, each in enumerate(ways, 1))]))
        while True:
            said = self.call.ask(f"which one, 1 to {len(ways)}", "")
            if said.isdecimal() and 1 <= int(said) <= len(ways):
                return ways[int(said) - 1]
            if said in ways:
                return said

    def _say(self, what: str, why: str, option: str, default: str = "") -> str:
        if not self.asks:
            self._refuse(why, option)
        self._tell(why)
        return self.call.ask(what, default)

    def _refuse(self, why: str, option: str, ways: Sequence[str] = ()) -> None:
        from templedb_nb.errors import ConfigError

        raise ConfigError(why, hint=f"{self.again} {option}", problems=ways)

    def _did(self, command: str, value: object = None) -> None:
        """Keep a command as one that this walk stands for, and say what it came to."""
        from templedb_nb.views.text import text

        self.commands.append(command)
        self._tell(f"$ {command}" + ("" if value is None else f"\n{text(value)}"))

    def _tell(self, told: str) -> None:
        if told:
            self.call.output.progress(self.call.cleaned(told))


def _answered(answers: ProposalAnswers, chosen: str) -> ProposalAnswers:
    """Return the answers with one more, as `deploy init` would read it."""
    words = shlex.split(chosen.split(",", maxsplit=1)[0])
    named = tuple(b for a, b in pairwise(words) if a == "--folder")
    return replace(
        answers,
        folders=named or answers.folders,
        write_order=answers.write_order or "--write-order" in words,
        by_name=answers.by_name or "--by-name" in words,
    )


def _words(answers: ProposalAnswers) -> str:
    """Return the options of `deploy init` that give these answers."""
    words = [f"--folder {shlex.quote(each)}" for each in answers.folders]
    flags = {"--each": answers.each, "--write-order": answers.write_order}
    flags |= {"--by-name": answers.by_name, "--build": bool(answers.build)}
    words += [option for option, said in flags.items() if said]
    return "".join(f" {each}" for each in words)
