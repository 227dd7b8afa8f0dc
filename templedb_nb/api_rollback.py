"""Going back to an earlier release by the Python API, and sending traffic to a slot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from templedb_nb.app.container import Container as App
from templedb_nb.app.deploy.runs import RunOptions
from templedb_nb.app.notifications.methods import notifying
from templedb_nb.app.project.variables import GivenValues
from templedb_nb.app.rollback.rollbacks import RollbackWish
from templedb_nb.core.plan.situation import PlanOptions
from templedb_nb.core.values.points_in_time import wait_s
from templedb_nb.errors import UsageProblem
from templedb_nb.model.event import Stamped
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.rollback_summary import RollbackList
from templedb_nb.model.selection import Selection
from templedb_nb.model.slots import SlotsReport
from templedb_nb.model.window import WindowOverride
from templedb_nb.notebook.runner_channel import teller


class _Methods(Protocol):
    """What the methods below ask of the class that has them."""

    _app: App

    def _choice(self, project: str | None, target: str | None) -> Selection: ...

    def _given(self, env: Mapping[str, str] | None) -> GivenValues: ...


class RollbackMethods:
    """The methods of `Temple` that go back to an earlier release."""

    def rollbacks(
        self: _Methods, project: str | None = None, target: str | None = None
    ) -> RollbackList:
        """Return the runs that a rollback can go to, newest first, and why the others are not."""
        return self._app.rollbacks.listed(self._choice(project, target))

    def rollback_plan(
        self: _Methods,
        project: str | None = None,
        target: str | None = None,
        *,
        to: str | int | None = None,
        bundle: str | Path | None = None,
        skip_groups: Iterable[str] = (),
        with_down: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> Preview:
        """Return what a rollback would do; change nothing.

        *to* is a run, or the number of a release. Raises `UsageProblem` if there is nothing to go
        back to, and `UnavailableRelease` if the release is not here. *with_down* also undoes the
        migrations that the release does not have.
        """
        wish = _wish(to, bundle, skip_groups, with_down=with_down)
        return self._app.rollbacks.plan(self._choice(project, target), wish, self._given(env))

    @notifying
    def rollback(  # noqa: PLR0913 - each is an option of the command, by name
        self: _Methods,
        project: str | None = None,
        target: str | None = None,
        *,
        to: str | int | None = None,
        bundle: str | Path | None = None,
        skip_groups: Iterable[str] = (),
        with_down: bool = False,
        env: Mapping[str, str] | None = None,
        lock_wait: str | float = "10s",
        approvals: Iterable[str | Path] = (),
        override_windows: Iterable[str] = (),
        reason: str = "",
        on_event: Callable[[Stamped], None] | None = None,
    ) -> Result:
        """Deploy an earlier release again, and return the result of that run.

        The words are those of `rollback_plan` and `run`. Raises what those raise.
        """
        options = RunOptions(
            observers=tuple(each for each in (on_event, teller()) if each),
            lock_wait_s=wait_s(str(lock_wait)),
            approvals=tuple(Path(each) for each in approvals),
            override=WindowOverride(names=tuple(override_windows), reason=reason),
            reason="deploy rollback",
        )
        choice = self._choice(project, target)
        wish = _wish(to, bundle, skip_groups, with_down=with_down)
        return self._app.deployments.roll_back(choice, wish, options, self._given(env))


class SlotMethods:
    """The methods of `Temple` that are about slots."""

    def slots(
        self: _Methods,
        project: str | None = None,
        target: str | None = None,
        *,
        env: Mapping[str, str] | None = None,
    ) -> SlotsReport:
        """Return the slots of a target: which one its router names, and what each holds.

        ``groups`` have a ``reading`` of the router and a ``record`` of each slot. Nothing is
        changed. Raises `ConfigError` if no group has slots.
        """
        return self._app.slots.report(self._choice(project, target), self._given(env))

    def switch_plan(
        self: _Methods,
        slot: str,
        project: str | None = None,
        target: str | None = None,
        *,
        reason: str = "",
        group: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Preview:
        """Return what `switch` would do, were no run waiting; change nothing."""
        choice, given = self._choice(project, target), self._given(env)
        return self._app.slots.plan(choice, slot, reason, group=group, given=given)

    @notifying
    def switch(  # noqa: PLR0913 - each is an option of the command, by name
        self: _Methods,
        slot: str,
        project: str | None = None,
        target: str | None = None,
        *,
        reason: str,
        group: str | None = None,
        plan: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        lock_wait: str | float = "10s",
        approvals: Iterable[str | Path] = (),
        override_windows: Iterable[str] = (),
        on_event: Callable[[Stamped], None] | None = None,
    ) -> Result:
        """Send traffic to *slot*, once its health checks are good; return the result of that run.

        If a run waits for that (``promote: manual``), it goes on; *plan* is the bundle's path, if
        it carried one out. *reason* is recorded for good;
        *group* is needed if several groups have a slot of that name. The other words are those of
        `run`, and so is what it raises; `UnknownName` if there is no such slot.
        """
        if not reason.strip():
            raise UsageProblem("a switch needs a reason: it is recorded for good")
        wish = RunOptions(
            observers=tuple(each for each in (on_event, teller()) if each),
            lock_wait_s=wait_s(str(lock_wait)),
            approvals=tuple(Path(each) for each in approvals),
            override=WindowOverride(names=tuple(override_windows), reason=reason),
        )
        choice, given = self._choice(project, target), self._given(env)
        bundle = Path(plan) if plan else None
        return self._app.slots.switch(
            choice, slot, wish, reason, group=group, given=given, bundle=bundle
        )


def wished(groups: Iterable[str], *, skip_validation: bool, discard_old: bool) -> PlanOptions:
    """Return the options of a plan."""
    skipped = tuple(groups)
    return PlanOptions(
        skip_groups=skipped, skip_validation=skip_validation, discard_old=discard_old
    )


def _wish(
    to: str | int | None,
    bundle: str | Path | None,
    skip_groups: Iterable[str],
    *,
    with_down: bool,
) -> RollbackWish:
    return RollbackWish(
        to=None if to is None else str(to),
        bundle=Path(bundle) if bundle else None,
        skip_groups=tuple(skip_groups),
        with_down=with_down,
    )
