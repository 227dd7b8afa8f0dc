"""What works on one target of a fleet beside others: an application of its own, for a moment."""

from __future__ import annotations

from dataclasses import replace

from templedb_nb.app.container import Container
from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Makes applications over one state, as many as are wanted at the same time.

    Each knows the secrets of its own target alone: to mask those of 20,000 targets in every line
    would cost more than the deployments. What it returns is masked; `app` masks nothing of it.
    """

    app: Container
    user: str

    def one(self) -> Container:
        """Return an application for one target, to be used by one thread."""
        here = self.app
        # git, which knows the user, is asked once for all targets
        environ = {**here.system.environ, "TEMPLEDB_USER": self.user}
        system = replace(here.system, environ=environ)
        made = Container(state=here.state, system=system, reserved=here.reserved, cache=here.cache)
        made.masker.heard = here.masker.heard
        return made
