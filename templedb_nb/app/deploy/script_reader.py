"""The scripts that a plan runs, read at the first need; their secrets are known by then."""

from __future__ import annotations

from collections.abc import Callable

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.core.secrets.sql_passwords import learn
from templedb_nb.model.layout import Address
from templedb_nb.model.plan import Plan
from templedb_nb.model.step import ImportEntry, Migration, Restore


def script_reader(opened: OpenTarget, plan: Plan, masker: Masker) -> Callable[[Address], Script]:
    """Return what returns each script of *plan*; the masker learns the passwords in them."""
    wanted = {step.source for step in plan.steps if isinstance(step, Migration)}
    wanted |= {
        step.text for step in plan.steps if isinstance(step, ImportEntry | Restore) and step.text
    }
    read: dict[Address, Script] = {}

    def script(source: Address) -> Script:
        if not read:
            read.update(opened.case.read.scripts(wanted))
            for text in {each.text for each in read.values()}:
                learn(masker, text)
        return read[source]

    return script
