"""Throws away what no run needs that anybody may still want to place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from templedb_nb.app.artifacts.artifacts import Artifacts
from templedb_nb.app.environment import Environment
from templedb_nb.core.run import rollback_choice
from templedb_nb.model.collected import CollectedArtifacts, KeptRun
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.result import Result
from templedb_nb.ports.records import ArtifactRecords, RunHistory
from templedb_nb.store import journal

GRACE = timedelta(hours=1)
"""So young a file stays: a run may have just stored it, or have found it again."""
WAITING = timedelta(days=30)
"""So old a plan may be that has not run, and still keeps what it places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactCollection:
    """The use case of those who need room; `journals` has the runs that the state does not have."""

    artifacts: Artifacts
    history: RunHistory
    records: ArtifactRecords
    system: Environment
    journals: Path

    def collect(self, keep_runs: int, *, dry_run: bool = False) -> CollectedArtifacts:
        """Remove the files beside the state that no kept run and no waiting plan needs.

        If the record of a kept run cannot be read, nothing is removed: nobody knows what it needs.
        """
        settled = tuple(self._kept(keep_runs))
        known = {each.run for each in settled}
        kept = (*settled, *(each for each in self._unsettled() if each.run not in known))
        needed = self._needed(kept)
        now = self.system.clock.now()
        found = self.artifacts.own.unneeded(needed, (now - GRACE).timestamp())
        if not dry_run:
            for path, _ in found:
                _remove(path)
        return CollectedArtifacts(
            kept=kept, files=len(found), size=sum(size for _, size in found), dry_run=dry_run
        )

    def _kept(self, keep_runs: int) -> Iterator[KeptRun]:
        """Yield the runs of each target whose artifacts stay, and why."""
        for slug, target in self.records.artifact_targets():
            runs = self.history.past_runs(slug, target)
            choices = rollback_choice.choices(runs)
            place, back = choices.in_place, choices.default
            built = [each for each in runs if each.manifest]
            newest = {each.run for each in built[:keep_runs]}
            for each in built:
                why = _why(each, place, back, newest)
                if why:
                    yield KeptRun(
                        slug=slug, target=target, run=each.run, manifest=each.manifest, why=why
                    )

    def _unsettled(self) -> Iterator[KeptRun]:
        """Yield the runs of journals: they go on, or what came of them is to be found out."""
        for entries in journal.all_written(self.journals):
            result = Result.of(entries)
            if result.manifest:
                yield KeptRun(
                    slug=result.slug,
                    target=result.target,
                    run=result.run,
                    manifest=result.manifest,
                    why="still running",
                )

    def _needed(self, kept: tuple[KeptRun, ...]) -> frozenset[str]:
        needed: set[str] = set()
        for each in kept:
            run = PastRun(run=each.run, target=each.target, manifest=each.manifest)
            manifest = self.artifacts.manifest(run, (self.artifacts.own,))
            needed |= {each.manifest, *(file.blob for file in manifest.files)}
        since = self.system.clock.now() - WAITING
        for plan in self.records.placing_plans(since):
            for artifacts in plan.placed.values():
                needed |= {file.blob for each in artifacts for file in each.files}
        return frozenset(needed)


def _why(run: PastRun, place: PastRun | None, back: PastRun | None, newest: set[str]) -> str:
    """Return why the artifacts of a run stay; nothing if they do not."""
    if place and run.run == place.run:
        return "in place"
    if back and run.run == back.run:
        return "a rollback places them"
    if run.outcome is None:
        return "still running"
    return "one of the newest" if run.run in newest else ""


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
    with suppress(OSError):
        path.parent.rmdir()
