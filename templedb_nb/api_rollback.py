"""Going back to an earlier release by the Python API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from templedb_nb.app.container import Container as App
from templedb_nb.app.deploy.runs import RunOptions
from templedb_nb.app.project.variables import GivenValues
from templedb_nb.app.rollback.rollbacks import RollbackWish
from templedb_nb.core.values.points_in_time import wait_s
from templedb_nb.model.event import Stamped
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.rollback_summary import RollbackList
from templedb_nb.model.selection import Selection
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
        """Return the runs that one can go back to, newest first, and why the others cannot be."""
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
