"""What the steps of plans and runs are made of: the SQL of migrations, as it may be shown."""

from __future__ import annotations

from templedb_nb.app.project.variables import Variables
from templedb_nb.core.migrations.down import down_script
from templedb_nb.core.migrations.kept_text import without_passwords
from templedb_nb.engine.observe import Reader
from templedb_nb.errors import TempleError
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.step import Migration, Revert, Step
from templedb_nb.ports.records import PlanStore


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTexts:
    """Use cases of those who read a plan, or a run, step by step."""

    records: PlanStore
    reader: Reader
    variables: Variables

    def plan_of(self, result: Result) -> Preview | None:
        """Return the plan that a run carried out; None if the state does not have it."""
        try:
            return self.records.plan(result.plan) if result.plan else None
        except TempleError:  # it came by a bundle, which is not kept
            return None

    def sql(self, step: Step) -> str | None:
        """Return the whole text of a step's migration, without passwords; None of other steps."""
        if not isinstance(step, Migration):
            return None
        script = self.reader.scripts([step.source])[step.source]
        self.variables.read_in(script.text)
        text = (down_script(script) if isinstance(step, Revert) else script).text
        return self.variables.masked(without_passwords(text, step.reading))
