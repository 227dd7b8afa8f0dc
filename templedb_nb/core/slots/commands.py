"""The commands that a switch runs: of the router, and of the slots on both sides."""

from __future__ import annotations

from collections.abc import Iterator

from templedb_nb.core.slots.filling import FROM_SLOT, TO_SLOT, environment
from templedb_nb.model.blue_green import RouterType
from templedb_nb.model.phase import Phase
from templedb_nb.model.step import RunCommand, Step
from templedb_nb.model.switch_step import RoutedGroup, SwitchSlot


def drain(routed: RoutedGroup, slot: str, live: str) -> RunCommand | None:
    """Return what a slot needs that traffic has left; *live* serves."""
    return _of_slot(routed, routed.blue_green.drain, slot, live)


def undrain(routed: RoutedGroup, slot: str, live: str) -> RunCommand | None:
    """Return what a slot needs before traffic goes to it; *live* serves until then."""
    return _of_slot(routed, routed.blue_green.undrain, slot, live)


def redirect(routed: RoutedGroup, live: str, to: str) -> RunCommand | None:
    """Return what tells the router: a reload, or the switch itself; nothing of a link."""
    router = routed.blue_green.router
    command = {
        RouterType.SYMLINK: "",
        RouterType.TEMPLATE: router.reload_command,
        RouterType.COMMAND: router.switch_command,
    }[router.type]
    if not command:
        return None
    limit = routed.blue_green.hook_timeout_s or routed.blue_green.switch_timeout_s
    own = ((FROM_SLOT, live), (TO_SLOT, to))
    return _command(routed, command, own, limit)


def of_step(step: Step) -> Iterator[RunCommand]:
    """Yield every command that a switch may run, there or back, wherever traffic goes by then."""
    if not isinstance(step, SwitchSlot):
        return
    routed = step.routed
    for to in routed.blue_green.names:
        for live in ("", *routed.blue_green.names):
            found = (undrain(routed, to, live), redirect(routed, live, to), drain(routed, live, to))
            yield from (each for each in found if each is not None)


def _of_slot(routed: RoutedGroup, command: str, slot: str, live: str) -> RunCommand | None:
    if not command or not slot:
        return None
    own = environment(routed.blue_green.slot(slot), live)
    return _command(routed, command, own, routed.blue_green.hook_timeout_s)


def _command(
    routed: RoutedGroup, command: str, own: tuple[tuple[str, str], ...], limit: int | None
) -> RunCommand:
    return RunCommand(
        group=routed.group,
        phase=Phase.SWITCH,
        command=command,
        environment=tuple(dict((*routed.environment, *own)).items()),
        allow_dangerous_env=routed.allow_dangerous_env,
        workdir=routed.workdir,
        timeout_s=limit,
        mutates=True,
    )
