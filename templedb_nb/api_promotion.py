"""Promotion, and approvals of several plans, by the Python API."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from templedb_nb.api_rollback import RollbackMethods
from templedb_nb.app.container import Container as App
from templedb_nb.app.deploy.runs import RunOptions
from templedb_nb.app.deploy.signatures import SigningKey
from templedb_nb.app.notifications.methods import notifying
from templedb_nb.app.project.variables import GivenValues
from templedb_nb.app.promotion.promotions import PromotionWish
from templedb_nb.core.secrets.url_passwords import without_url_passwords
from templedb_nb.core.values.points_in_time import wait_s
from templedb_nb.model.approval import Approval
from templedb_nb.model.event import Stamped
from templedb_nb.model.plan import Preview
from templedb_nb.model.promotion import ReleaseTable
from templedb_nb.model.result import Result
from templedb_nb.model.selection import Selection
from templedb_nb.model.waiting import WaitingList
from templedb_nb.notebook.runner_channel import teller


class _Promotes(Protocol):
    """What the methods below ask of the class that has them."""

    _app: App

    def _choice(self, project: str | None, target: str | None) -> Selection: ...

    def _given(self, env: Mapping[str, str] | None) -> GivenValues: ...


class PromotionMethods:
    """The methods of `Temple` that move releases from target to target."""

    def releases(self: _Promotes, project: str | None = None, *, last: int = 10) -> ReleaseTable:
        """Return which release is on which target; the newest *last*, and all that are in place."""
        return self._app.releases.table(self._choice(project, None).project, last)

    def promotion_plan(  # noqa: PLR0913 - each is an option of the command, by name
        self: _Promotes,
        project: str | None = None,
        *,
        source: str | None = None,
        to: str | None = None,
        run: str | int | None = None,
        accept_recipe_change: bool = False,
        keep_recipe: bool = False,
        accept_only_in_to: Iterable[str] = (),
        reason: str = "",
        downgrade: bool = False,
        discard_old: bool = False,
        bundle: str | Path | None = None,
        skip_groups: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
        out: str | Path | None = None,
        with_artifacts: bool = False,
    ) -> Preview:
        """Return what a promotion from *source* to *to* would do; change nothing.

        *run* is a run on *source*, or the number of a release; without it, what is in place there
        is promoted. *out* also writes the plan as a bundle, *with_artifacts* with those
        that it places. Raises `UsageProblem` if there is
        nothing to promote, and `UnavailableRelease` if the release is not here.
        """
        wish = _wish(
            (source, run, reason, bundle),
            (accept_only_in_to, skip_groups),
            accept_recipe_change=accept_recipe_change,
            keep_recipe=keep_recipe,
            downgrade=downgrade,
            discard_old=discard_old,
        )
        choice = Selection(project=self._choice(project, None).project, target=to)
        place = Path(out) if out else None
        return self._app.promotions.plan(
            choice, wish, self._given(env), place, with_artifacts=with_artifacts
        )

    @notifying
    def promote(  # noqa: PLR0913 - each is an option of the command, by name
        self: _Promotes,
        project: str | None = None,
        *,
        source: str | None = None,
        to: str | None = None,
        run: str | int | None = None,
        accept_recipe_change: bool = False,
        keep_recipe: bool = False,
        accept_only_in_to: Iterable[str] = (),
        reason: str = "",
        downgrade: bool = False,
        discard_old: bool = False,
        bundle: str | Path | None = None,
        skip_groups: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
        lock_wait: str | float = "10s",
        approvals: Iterable[str | Path] = (),
        on_event: Callable[[Stamped], None] | None = None,
    ) -> Result:
        """Deploy to *to* what a run has deployed to *source*, and return the result of that run.

        The words are those of `promotion_plan` and `run`. Raises what those raise.
        """
        wish = _wish(
            (source, run, reason, bundle),
            (accept_only_in_to, skip_groups),
            accept_recipe_change=accept_recipe_change,
            keep_recipe=keep_recipe,
            downgrade=downgrade,
            discard_old=discard_old,
        )
        options = RunOptions(
            observers=tuple(each for each in (on_event, teller()) if each),
            lock_wait_s=wait_s(str(lock_wait)),
            approvals=tuple(Path(each) for each in approvals),
            reason="promotion",
        )
        choice = Selection(project=self._choice(project, None).project, target=to)
        return self._app.deployments.promote(choice, wish, options, self._given(env))


class _Approves(Protocol):
    """What the methods below ask of the class that has them."""

    _app: App


class ApprovalMethods:
    """The methods of `Temple` about several plans and their approvals."""

    def waiting(self: _Approves, project: str | None = None) -> WaitingList:
        """Return the plans that wait for approvals, of all projects or of one, oldest first.

        `notes` names each target that does not answer.
        """
        return self._app.waiting.list(project)

    @notifying
    def approve_bundle(
        self: _Approves,
        plans: Iterable[Preview | str | Path],
        reason: str,
        *,
        sign: str | Path | bool = False,
    ) -> tuple[Approval, ...]:
        """Approve exactly the content of all *plans* together, or of none.

        *sign* is as in `approve`; one signature is over all plans. Raises `Stale`, `Rejected`
        or `UnknownName` with every problem, and then records nothing.
        """
        named = [p.plan.id if isinstance(p, Preview) else str(p) for p in plans]
        given = self._app.bundled_approvals.approve(named, reason, "python", signing_key(sign=sign))
        for each in given:
            if each.uncounted:
                about = f"of plan {each.approval.plan[:12]} does not count: {each.uncounted}"
                warnings.warn(f"the approval {about}", stacklevel=2)
        return tuple(each.approval for each in given)


def signing_key(*, sign: str | Path | bool) -> SigningKey | None:
    """Return the key to sign with; True stands for git's."""
    if not sign:
        return None
    return SigningKey() if sign is True else SigningKey(file=str(sign))


def _wish(
    named: tuple[str | None, str | int | None, str, str | Path | None],
    lists: tuple[Iterable[str], Iterable[str]],
    **accepted: bool,
) -> PromotionWish:
    """Return what is promoted, by the words of a method: names, lists of names, and flags."""
    source, run, reason, bundle = named
    only_in_to, skip_groups = lists
    return PromotionWish(
        source=source,
        run=None if run is None else str(run),
        reason=without_url_passwords(reason),
        bundle=Path(bundle) if bundle else None,
        only_in_to=tuple(only_in_to),
        skip_groups=tuple(skip_groups),
        **accepted,
    )


class ReleaseMethods(RollbackMethods, PromotionMethods, ApprovalMethods):
    """The methods of `Temple` about releases and several plans."""
