"""Policies, freezes and exemptions as every ledger keeps them: facts in its table meta."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from templedb_nb.model.ledger import Exemption, Freeze, Neighbour
from templedb_nb.model.rollback import PendingRollback
from templedb_nb.model.serialization import from_plain, to_plain
from templedb_nb.model.step import Amend, Amendment, Verb
from templedb_nb.model.target import Policy
from templedb_nb.model.window import NO_WINDOWS, Windows
from templedb_nb.ports.claim import Claim
from templedb_nb.targets.readable_facts import fact, of_kind

Meta = Mapping[str, str]
POLICY, FREEZE, EXEMPT, ROLLBACK = "policy/", "freeze/", "exempt/", "rollback/"
WINDOWS = "windows/"


def policy(meta: Meta, project: str) -> Policy | None:
    """Return the policy that the facts say, if there is one; windows are a fact of their own."""
    text, windows = meta.get(f"{POLICY}{project}"), meta.get(f"{WINDOWS}{project}")
    if not text and not windows:
        return None
    with fact(f"{POLICY}{project}"):
        found = of_kind(Policy, text) if text else Policy()
    with fact(f"{WINDOWS}{project}"):
        rules = from_plain(Windows, json.loads(windows)) if windows else NO_WINDOWS
    return replace(found, windows=rules)


def facts(project: str, policy: Policy) -> dict[str, str]:
    """Return the facts that `policy` reads, by their keys; an empty text is for one to remove."""
    plain: Any = to_plain(policy)
    rules = plain.pop("windows")
    windows = json.dumps(rules) if policy.windows != NO_WINDOWS else ""
    own = json.dumps(plain) if policy.planned != Policy() else ""
    return {f"{POLICY}{project}": own, f"{WINDOWS}{project}": windows}


def changes(project: str, was: Policy | None, now: Policy) -> dict[str, str]:
    """Return the facts to write, or to remove, so that the policy becomes *now*."""
    before = facts(project, was or Policy())
    return {key: text for key, text in facts(project, now).items() if text != before[key]}


def passed(claim: Claim) -> list[dict[str, Any]]:
    """Return what the events say of the windows that the run passed although they are closed."""
    by = {"by": claim.owner, "run": claim.run}
    return [
        {
            "windows": list(each.windows),
            "because": each.because.value,
            "reason": each.reason or f"{each.because.value} of a run that had begun",
        }
        | by
        for each in claim.passed
    ]


def told(policy: Policy | None) -> Any:
    """Return a policy as events have it: with its windows, if it has any."""
    plain: Any = to_plain(policy)
    if policy is not None and policy.windows == NO_WINDOWS:
        del plain["windows"]
    return plain


def freeze(text: str | None) -> Freeze | None:
    """Return the freeze that a fact says, if there is one."""
    with fact(f"{FREEZE}…"):
        return from_plain(Freeze, json.loads(text)) if text else None


def rollback(text: str | None) -> PendingRollback | None:
    """Return the rollback that a fact says is owed, or did not succeed."""
    with fact(f"{ROLLBACK}…"):
        return from_plain(PendingRollback, json.loads(text)) if text else None


def rollback_fact(pending: PendingRollback | None) -> str:
    """Return the fact that `rollback` reads; empty for none."""
    return json.dumps(to_plain(pending)) if pending else ""


def settles(text: str | None, run: str) -> bool:
    """Return whether a person's decision on *run* ends the rollback that the fact *text* says."""
    pending = rollback(text)
    return pending is not None and run in {pending.parent, pending.run}


def exemptions(text: str | None) -> dict[str, Exemption]:
    """Return what a project is exempt from, by the other project."""
    with fact(f"{EXEMPT}…"):
        plain = json.loads(text) if text else {}
        return {project: from_plain(Exemption, each) for project, each in plain.items()}


def written(found: Mapping[str, Exemption]) -> str:
    """Return *found* as the fact that `exemptions` reads."""
    plain = {
        project: replaced | {"policy": told(each.policy)}
        for project, each in sorted(found.items())
        if isinstance(replaced := to_plain(each), dict)
    }
    return json.dumps(plain)


def changed(
    there: dict[str, Exemption], project: str, exemption: Exemption | None
) -> dict[str, Exemption]:
    """Return the exemptions with that one, or without any from *project*."""
    left = {name: each for name, each in there.items() if name != project}
    return left if exemption is None else {**left, project: exemption}


def exemption(step: Amendment, claim: Claim) -> Exemption | None:
    """Return the exemption that a step gives; None where it takes one away."""
    if not isinstance(step, Amend) or step.exempts is None:
        return None
    return Exemption(
        policy=step.exempts,
        by=claim.owner,
        reason=step.reason,
        run=claim.run,
        approved_by=claim.approved_by,
    )


def noted(step: Amendment, claim: Claim) -> dict[str, Any]:
    """Return what the event of a word of a person says of it."""
    detail: Any = to_plain(step)
    told = {name: item for name, item in detail.items() if name != "exempts" or item}
    if step.verb in {Verb.EXEMPT, Verb.NO_EXEMPT}:
        who = {"by": claim.owner, "approved_by": list(claim.approved_by), "plan": claim.plan}
        return told | {"exempt": claim.project, "from": step.key, "client": claim.client} | who
    return told | {"client": claim.client}


def neighbours(meta: Meta, project: str) -> tuple[Neighbour, ...]:
    """Return what the ledger says of other projects that *project* may have to obey."""
    exempt = exemptions(meta.get(f"{EXEMPT}{project}"))
    names = {
        key.removeprefix(prefix)
        for prefix in (POLICY, FREEZE, WINDOWS)
        for key in meta
        if key.startswith(prefix)
    }
    return tuple(
        Neighbour(
            project=name,
            policy=policy(meta, name),
            frozen=freeze(meta.get(f"{FREEZE}{name}")),
            exemption=exempt.get(name),
        )
        for name in sorted(names - {project})
    )
