"""Failures that somebody asks for, to see what is true afterwards."""

from __future__ import annotations

from collections.abc import Mapping

from templedb_nb import failpoints
from templedb_nb.errors import PlanRefused
from templedb_nb.model.plan import Plan


def arm(environ: Mapping[str, str], plan: Plan, *, counting_on: bool) -> None:
    """Take the failures that a rehearsal asks for, where one may be."""
    wanted = environ.get("TEMPLEDB_FAILPOINT")
    if failpoints.arm(wanted, counting_on=counting_on) and plan.policy.protected:
        failpoints.arm(None)
        message = f"target {plan.target} is protected, and TEMPLEDB_FAILPOINT is set"
        raise PlanRefused(message, hint="unset TEMPLEDB_FAILPOINT, or use it on another target")
