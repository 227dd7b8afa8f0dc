"""The steps that keep what a build made, and bring it back."""

from __future__ import annotations

from collections.abc import Callable

from templedb_nb.engine.step_events import cancelled
from templedb_nb.engine.tools import Tools
from templedb_nb.failpoints import reach
from templedb_nb.model.artifact import ArtifactsKept
from templedb_nb.model.artifact_step import KeepArtifacts, PlaceArtifacts
from templedb_nb.model.event import Event, StepFinished, StepWarned
from templedb_nb.model.step import ArtifactStep
from templedb_nb.ports.artifacts import ArtifactKeeper, KeptArtifacts
from templedb_nb.ports.run import Emit


def keep_or_place(
    number: int,
    step: ArtifactStep,
    tools: Tools,
    emit: Emit,
    interrupted: Callable[[KeyboardInterrupt], None],
) -> Event:
    """Do the step; what it has kept is in the journal before the step counts as done."""
    keeper = tools.artifacts
    assert keeper is not None  # noqa: S101 - whoever runs a plan with artifacts has one
    reach("artifacts.begun")
    try:
        with tools.interrupts.cancellable():
            kept = _kept(step, keeper, again=tools.before(number))
    except KeyboardInterrupt as error:
        interrupted(error)
        return cancelled(number, f"nothing was {step.past}")
    reach("artifacts.kept")
    emit(
        ArtifactsKept(
            step=number,
            manifest=kept.manifest,
            artifacts=kept.artifacts,
            files=kept.files,
            size=kept.size,
        )
    )
    reach("artifacts.recorded")
    if kept.warning:
        return StepWarned(step=number, message=kept.warning)
    return StepFinished(step=number)


def _kept(step: ArtifactStep, keeper: ArtifactKeeper, *, again: bool) -> KeptArtifacts:
    match step:
        case KeepArtifacts() if again:
            return keeper.place_again(step)
        case KeepArtifacts():
            return keeper.keep(step)
        case PlaceArtifacts():
            return keeper.place(step)
