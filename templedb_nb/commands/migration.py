"""Migrations: where each stands, and what people say of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Effect, group, on_target, pass_call, words
from templedb_nb.commands.override import OVERRIDE
from templedb_nb.commands.override import override as overridden
from templedb_nb.exit_code import ExitCode

if TYPE_CHECKING:
    from templedb_nb.app.deploy.runs import RunOptions
    from templedb_nb.model.down_proof import Proof
    from templedb_nb.model.foreign_history import Adoption
    from templedb_nb.model.history import MigrationHistory
    from templedb_nb.model.lint import LintReport
    from templedb_nb.model.listings import Coded, CommandOutcome, Document, MigrationShown
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.result import Result
    from templedb_nb.model.status import MigrationStatus

STATES = ("running", "applied", "reverted", "failed", "in_doubt")
TOOLS = (
    "golang-migrate", "dbmate", "goose", "flyway", "prisma", "supabase", "sqlx", "diesel",
    "atlas", "graphile-migrate", "postgrator", "refinery", "yoyo", "sqitch",
    "liquibase", "alembic", "tern", "river", "templedb",
)  # fmt: skip
FROM = "The tool, if the target has tables of several tools."
reason = click.option("--reason", default="", metavar="TEXT", help="The reason; recorded for good.")


@group("migration")
def commands() -> None:
    """Show which migrations are applied, and correct their ledger entries.

    Name a migration by its path, its file name, or a part that matches no other.
    """


@commands.command("list")
@words("[PROJECT]")
@on_target
@pass_call
def list_(call: Call, slug: str | None, target: str | None) -> MigrationStatus:
    """List every migration with its state, in the order in which they run."""
    return _status(call, slug, target)


@commands.command()
@words("[PROJECT]")
@on_target
@click.option("--show-applied", is_flag=True, help="Also list applied migrations.")
@pass_call
def status(
    call: Call, slug: str | None, target: str | None, *, show_applied: bool
) -> MigrationStatus:
    """Count applied and pending migrations, and list those that are not applied."""
    from dataclasses import replace

    from templedb_nb.model.status import FileState

    found = _status(call, slug, target)
    if show_applied:
        return found
    return replace(
        found, only=tuple(state for state in FileState if state is not FileState.APPLIED)
    )


@commands.command()
@words("[PROJECT]")
@on_target
@click.option("--limit", "--last", "limit", type=click.IntRange(1), metavar="N",
              help="Only the newest N.")  # fmt: skip
@click.option("--since", metavar="WHEN", help="Only since WHEN: 2026-11-01, 12h, 7d.")
@click.option(
    "--status", multiple=True, type=click.Choice(STATES), help="Only in this state; repeatable."
)
@pass_call
def history(
    call: Call, /, slug: str | None, target: str | None, limit: int | None,
    since: str | None, status: tuple[str, ...],
) -> MigrationHistory:  # fmt: skip
    """List what was applied, by whom and when, newest first.

    \b
    Examples:
      templedb migration history shop --target production --last 5
      templedb migration history shop --since 7d --status failed
    """
    wanted = call.app.history.filter(limit, since, tuple(status))
    with call.app.selections.opened(call.choice(slug, target), sync=False) as opened:
        return call.app.migrations.history(call.app.selections.reachable(opened), wanted)


@commands.command()
@words("[PROJECT] FILE")
@on_target
@click.option("--full", is_flag=True, help="Show a long text whole.")
@pass_call
def show(call: Call, /, slug: str | None, file: str, *, full: bool, **of: Any) -> MigrationShown:
    """Show one migration: its text, its state, and how it differs from what ran."""
    with call.app.selections.opened(call.choice(slug, **of)) as opened:
        return call.app.migrations.show(call.app.selections.reachable(opened), str(file), full=full)


@commands.command(effect=Effect.CHANGES, takes_cell=True)
@words("[PROJECT] NAME")
@click.option("--group", metavar="GROUP", shell_complete=completion.groups,
              help="The group, if several groups have migrations.")  # fmt: skip
@click.option("--folder", metavar="FOLDER", help="The folder, if the group has several.")
@click.option("--file", "file", metavar="FILE", help="Read the SQL from FILE; - for stdin.")
@click.option("--down", is_flag=True, help="Add an empty down part.")
@pass_call
def new(call: Call, /, slug: str | None, name: str, file: str | None, **how: Any) -> CommandOutcome:
    """Create a migration file in the project's folder, with the next free number.

    The SQL comes from FILE, or in a notebook from the cell; without either, the file is a template
    to fill in. SQL that cannot run is refused, with its line numbers. No existing file is replaced.

    \b
    Examples:
      templedb migration new shop add_email --down
      templedb migration new add_index --group migrations --file - < index.sql
    """
    from templedb_nb.app.project.new_migration import NewMigration
    from templedb_nb.files.document import read_text

    said = read_text(file, call.stdin) if file is not None else None
    if said is not None and (call.cell or "").strip():
        raise click.UsageError("the cell has a body: leave out --file")
    wanted = NewMigration(name=str(name), body=said or call.cell or "", **how)
    with call.app.state.transaction():
        found = call.app.projects.pick(call.choice(slug).project)
        return call.app.new_migrations.new(found, wanted)


@commands.command("mark-applied", effect=Effect.CHANGES)
@words("[PROJECT] FILE")
@on_target
@reason
@pass_call
def mark_applied(
    call: Call, slug: str | None, file: str, target: str | None, reason: str
) -> Result:
    """Record that a migration is already in effect; its SQL does not run."""
    return _amend(call, (slug, file, target), "mark_applied", reason)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT]")
@on_target
@click.option("--through", required=True, metavar="FILE", shell_complete=completion.migrations,
              help="The last migration that is in effect.")  # fmt: skip
@click.option("--reason", required=True, metavar="TEXT", help="The reason; recorded for good.")
@pass_call
def baseline(call: Call, slug: str | None, target: str | None, through: str, reason: str) -> Result:
    """Record that FILE, and every migration before it in its group, is already in effect."""
    with call.app.selections.opened(call.choice(slug, target)) as opened:
        found = call.app.selections.reachable(opened)
        return call.app.migrations.baseline(found, through, reason, _wish(call))


@commands.command(effect=Effect.DEPLOYS)
@words("[PROJECT] [FILE]")
@on_target
@click.option("--to", metavar="FILE", shell_complete=completion.migrations,
              help="Roll back all migrations applied after FILE.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Roll back the newest N.")
@click.option("--group", metavar="GROUP", shell_complete=completion.groups,
              help="With --steps: only this group.")  # fmt: skip
@reason
@click.option("--dry-run", is_flag=True, help="Show the plan; execute nothing.")
@click.option("--check", is_flag=True,
              help="On a copy of the schema, prove that down then up restores it.")  # fmt: skip
@OVERRIDE
@pass_call
def down(
    call: Call, /, slug: str | None, file: str | None, target: str | None,
    *, dry_run: bool, check: bool, override: tuple[str, ...], **how: Any,
) -> Preview | Result | Coded:  # fmt: skip
    """Roll migrations back by their down parts, newest first.

    The down part is below a line `-- templedb:down` in the migration's file, or in NAME.down.sql
    beside it. A rollback is a plan, and a protected target requires its approval. Data that a down
    part drops is lost.

    \b
    Examples:
      templedb migration down shop 004_index --target staging --dry-run
      templedb migration down shop --to 002_orders --target staging
      templedb migration down shop --steps 1 --check
    """
    from dataclasses import replace

    from templedb_nb.app.migrations.migrations import RevertRequest

    back = RevertRequest(file=file, **how)
    if sum(each is not None for each in (back.file, back.to, back.steps)) != 1:
        raise click.UsageError("say what to roll back: FILE, --to FILE or --steps N")
    with call.app.selections.opened(call.choice(slug, target)) as opened:
        found = call.app.selections.reachable(opened)
        if check:
            return _proven(call.app.down_proofs.prove(found, back))
        if dry_run:
            return call.app.migrations.down_plan(found, back)
        wish = replace(_wish(call), override=overridden(override, back.reason))
        return call.app.migrations.down(found, back, wish)


def _proven(proof: Proof) -> Coded:
    from templedb_nb.model.listings import Coded

    code = ExitCode.OK if proof.holds else ExitCode.UNCHANGED
    return Coded(value=proof, exit_code=code)


@commands.command("mark-reverted", effect=Effect.CHANGES)
@words("[PROJECT] FILE")
@on_target
@click.option("--reason", required=True, metavar="TEXT", help="The reason; recorded for good.")
@pass_call
def mark_reverted(
    call: Call, slug: str | None, file: str, target: str | None, reason: str
) -> Result:
    """Record that a migration was rolled back by hand; its SQL does not run."""
    return _amend(call, (slug, file, target), "mark_reverted", reason)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] FILE")
@on_target
@click.option("--applied", "answer", flag_value="applied", help="It took effect.")
@click.option("--not-applied", "answer", flag_value="not-applied", help="It took no effect.")
@reason
@pass_call
def resolve(
    call: Call, slug: str | None, file: str, target: str | None, answer: str | None, reason: str
) -> Result:
    """Record the outcome of a migration in doubt, after you looked at the target."""
    if answer is None or not reason:
        raise click.UsageError("say --applied or --not-applied, and what you saw with --reason")
    from templedb_nb.model.step import Verb

    verb = Verb(f"resolve-{answer}")
    with call.app.selections.opened(call.choice(slug, target)) as opened:
        found = call.app.selections.reachable(opened)
        return call.app.migrations.resolve(found, str(file), verb, reason, _wish(call))


@commands.command("import", effect=Effect.CHANGES)
@words("[PROJECT]")
@on_target
@click.option("--from", "tool", metavar="TOOL", type=click.Choice(TOOLS), help=FROM)
@click.option("--table", metavar="TABLE", help="The tool's table, if there are several.")
@click.option("--folder", metavar="FOLDER", help="Whose table it is, if folders share versions.")
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="With --from templedb: the SQLite file of the older TempleDB.")  # fmt: skip
@click.option("--shadow/--no-shadow", default=None,
              help="Also write the tool's table, so that you can go back to it.")  # fmt: skip
@reason
@click.option("--dry-run", is_flag=True, help="Show what would be imported; write nothing.")
@pass_call
def import_(
    call: Call, /, slug: str | None, target: str | None, *, dry_run: bool, **how: Any
) -> Adoption | Result:
    """Import what another migration tool has applied to the target, from the tool's table.

    The table is found by its name and columns, in any schema; it is only read. Each row is compared
    with the file here, by the tool's own checksum if it has one. The import is a plan, and a
    protected target requires its approval. A second import adds what is new.

    With --shadow, each migration that is applied or rolled back from now on is also written into
    the tool's table, in the same transaction; --no-shadow ends that.

    \b
    Examples:
      templedb migration import shop --target staging --dry-run
      templedb migration import shop --target staging --from flyway --reason "we move over"
    """
    from templedb_nb.app.migrations.history_import import HistorySource

    if (how["tool"] == "templedb") != (how["file"] is not None):
        raise click.UsageError("--file FILE is required with --from templedb, and refused without")
    with call.app.selections.opened(call.choice(slug, target)) as opened:
        found, source = call.app.selections.reachable(opened), HistorySource(**how)
        if source.shadow is False:
            return call.app.history_imports.shadow_no_longer(found, source, _wish(call))
        if dry_run:
            return call.app.history_imports.look(found, source)
        return call.app.history_imports.take_over(found, source, _wish(call))


@commands.command("lint")
@words("[PROJECT] [FILE …]")
@on_target
@click.option("--all", "everything", is_flag=True, help="Also check applied files.")
@click.option("--offline", is_flag=True, help="Do not connect; check all files.")
@click.option("--strict", is_flag=True, help="Exit with an error if anything is risky.")
@click.option("--format", type=click.Choice(("text", "sarif", "github")), default="text",
              help="SARIF 2.1.0, or GitHub annotations.")  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write SARIF to FILE, and text to the terminal.")  # fmt: skip
@pass_call
def lint(
    call: Call,
    /,
    slug: str | None,
    files: tuple[str, ...],
    target: str | None,
    *,
    offline: bool,
    output: Path | None,
    **how: Any,
) -> LintReport | Document:
    """Report what is risky in pending migrations: lost data, blocked sessions, and the safer way.

    Only pending files are checked, or the named ones. Tables that the plan creates, or that the
    server calls small, are skipped. squawk is used too, if installed. To block risky plans: target
    update --lint block|warn|off. Rules: docs/lint.md.

    \b
    Examples:
      templedb migration lint shop --target production
      templedb migration lint shop 004_index --offline
      templedb migration lint --strict --output lint.sarif
    """
    import json

    from templedb_nb.app.migrations import lint_reports
    from templedb_nb.errors import writing
    from templedb_nb.model.listings import Document
    from templedb_nb.views.reports.sarif import sarif

    wanted = lint_reports.LintRequest(files=files, **how)
    choice = call.choice(slug, target)
    if offline:
        found = lint_reports.of_files(call.app.selections.sources(choice), wanted)
    else:
        with call.app.selections.opened(choice) as opened:
            found = lint_reports.of_target(opened, wanted)
    if output is not None:
        with writing(output):
            output.write_text(json.dumps(sarif(found), indent=2) + "\n", encoding="utf-8")
    return Document(document=sarif(found)) if how["format"] == "sarif" else found


@commands.command("accept-checksum", effect=Effect.CHANGES)
@words("[PROJECT] FILE")
@on_target
@reason
@pass_call
def accept_checksum(
    call: Call, slug: str | None, file: str, target: str | None, reason: str
) -> Result:
    """Record that an edit of an applied migration is known and changes nothing."""
    if not reason:
        raise click.UsageError("say why the edit is harmless, with --reason")
    return _amend(call, (slug, file, target), "accept_checksum", reason)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] OLD NEW")
@on_target
@reason
@pass_call
def rename(
    call: Call, slug: str | None, old: str, new: str, target: str | None, reason: str
) -> Result:
    """Record that the file of an applied migration is now called NEW."""
    with call.app.selections.opened(call.choice(slug, target)) as opened:
        migrations = call.app.migrations
        found = call.app.selections.reachable(opened)
        return migrations.rename(found, str(old), str(new), reason, _wish(call))


def _status(call: Call, slug: str | None, target: str | None) -> MigrationStatus:
    with call.app.selections.opened(call.choice(slug, target)) as opened:
        return call.app.migrations.status(call.app.selections.reachable(opened))


def _amend(call: Call, named: tuple[str | None, str, str | None], verb: str, why: str) -> Result:
    slug, file, target = named
    with call.app.selections.opened(call.choice(slug, target)) as opened:
        act: Any = getattr(call.app.migrations, verb)
        found: Result = act(call.app.selections.reachable(opened), str(file), why, _wish(call))
        return found


def _wish(call: Call) -> RunOptions:
    from templedb_nb.app.deploy.runs import RunOptions

    return RunOptions(observers=call.followers.observers)
