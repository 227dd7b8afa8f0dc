"""Targets from a file: what it changes, told before it is stored, all of it or nothing."""

from __future__ import annotations

from templedb_nb.app.environment import Environment
from templedb_nb.app.project.targets import Targets
from templedb_nb.core.config.environ import is_reference
from templedb_nb.core.fleet.selector import selected, selector
from templedb_nb.core.fleet.target_import import KnownTargets, gone, import_draft
from templedb_nb.core.fleet.target_rows import read_rows
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Project
from templedb_nb.model.target import Target, TargetName
from templedb_nb.model.target_import import TargetChange, TargetImport
from templedb_nb.model.variable import Keeping, Variable
from templedb_nb.ports.store import SettingsStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How a file is taken in: whether targets that are gone are removed, and for which it speaks.

    `where` selects those that are gone if the file does not name them; without it, all that a file
    added.
    """

    dry_run: bool = False
    remove_gone: bool = False
    where: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetImports:
    """Takes targets from files."""

    settings: SettingsStore
    targets: Targets
    system: Environment

    def carry_out(
        self, project: Project, text: str, file: str, options: ImportOptions
    ) -> TargetImport:
        """Store what *text* says of targets, or only tell it; call it in one transaction.

        Whatever is wrong with any of its rows leaves all targets as they are.
        """
        found = read_rows(text, file)
        there = {str(each.name): each for each in self.targets.all(project)}
        draft = import_draft(found, self._known(project, there), file)
        speaks_for = tuple(there.values())
        if options.where is not None:
            speaks_for = selected(selector(options.where), speaks_for)
        names = {str(each.name): each for each in speaks_for}
        lost = gone(draft.named, names, removed=options.remove_gone)
        if not options.dry_run:
            self.settings.keep_targets(project.slug, draft.targets)
            self.settings.keep_variables(
                [self._variable(project, *at, text) for at, text in draft.references.items()]
            )
            removed = [each.target for each in lost if each.change is TargetChange.REMOVED]
            self.settings.remove_targets(project.slug, removed)
        return TargetImport(
            slug=project.slug,
            file=file,
            rows=(*draft.rows, *lost),
            same=draft.same,
            dry_run=options.dry_run,
        )

    def _known(self, project: Project, there: dict[str, Target]) -> KnownTargets:
        kept = {
            (str(each.target), each.name): each.text
            if each.keeping is Keeping.REFERENCE
            else f"a {each.keeping} value"
            for each in self.settings.variables(project.slug)
            if each.target is not None
        }
        return KnownTargets(targets=there, references=kept, is_reference=is_reference)

    def _variable(self, project: Project, target: TargetName, name: str, text: str) -> Variable:
        return Variable(
            project=project.slug,
            target=target,
            name=name,
            keeping=Keeping.REFERENCE,
            text=text,
            set_at=self.system.clock.now(),
            set_by=self.system.user(),
        )
