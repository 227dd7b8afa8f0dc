"""Every secret that this state can read, known to the masker before anything is sent."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.variables import Variables
from templedb_nb.core.secrets import masking
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.errors import SecretError
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.variable import Keeping
from templedb_nb.ports.store import VariableStore


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSecrets:
    """The values of variables, of all projects and targets."""

    settings: VariableStore
    projects: Projects
    variables: Variables
    masker: Masker

    def learn(self) -> None:
        """Mask them from now on, as far as they can be read here."""
        self.teach(self.masker)

    def teach(self, masker: Masker) -> None:
        """Let a masker know them, as far as they can be read here."""
        for name, values in self.variables.sealed().items():
            for value in values:
                _teach(masker, name, value)
        for project in self.projects.all():
            root = Path(project.root) if project.root else None
            for each in self.settings.variables(project.slug):
                if each.keeping is Keeping.REFERENCE:
                    with suppress(SecretError):
                        _teach(masker, each.name, self.variables.secret(each, root) or "")


def _teach(masker: Masker, name: str, value: str) -> None:
    if value and not masking.too_short(value):
        masker.add(name, value)
