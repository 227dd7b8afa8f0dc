"""The routers of a target, with what they need to be asked and switched."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from templedb_nb.app.deploy.case import DeployContext
from templedb_nb.app.health.surroundings import HealthSurroundings
from templedb_nb.core.config.environ import inherited
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.health.libraries import refuse_without_http
from templedb_nb.health.status_page import StatusPage
from templedb_nb.model.command import Invocation
from templedb_nb.model.health import CommandCheck
from templedb_nb.ports.router import Routers
from templedb_nb.routers.routers import GroupRouters
from templedb_nb.routers.status import StatusQuestion
from templedb_nb.shell.runner import SupervisedShell
from templedb_nb.shell.status_command import StatusCommand


def routers_of(
    surroundings: HealthSurroundings,
    case: DeployContext,
    tree: str,
    held: ExitStack,
    invocation: Callable[[CommandCheck], Invocation] | None = None,
) -> Routers:
    """Return the routers of a target's groups; a work folder is kept for as long as *held* is.

    *invocation* starts a status command as a run does; else it has a folder of its own.
    """
    for group in case.current.config.groups:
        status = group.blue_green.router.status if group.blue_green else None
        if status is not None and status.url:
            refuse_without_http(group.name)
    surroundings.learn(case)
    mask = surroundings.masker.mask
    page = StatusPage(
        value=surroundings.value(case),
        mask=mask,
        environment=inherited(surroundings.system.environ),
    )
    command = StatusCommand(
        shell=SupervisedShell(Masker()),
        invocation=invocation or surroundings.invocation(case, tree, held),
        mask=mask,
    )
    return GroupRouters(root=case.root, status=StatusQuestion(page=page.ask, command=command.ask))
