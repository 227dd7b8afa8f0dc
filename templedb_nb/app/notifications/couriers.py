"""What brings notifications to receivers of each kind; imported when the first one is needed."""

from __future__ import annotations

from collections.abc import Callable

from templedb_nb.app.environment import Environment
from templedb_nb.core.config.environ import inherited
from templedb_nb.model.receiver import ReceiverKind
from templedb_nb.ports.notifications import Courier, Endable


def courier(kind: ReceiverKind, system: Environment) -> Courier:
    """Return what reaches receivers of that kind."""
    match kind:
        case ReceiverKind.WEBHOOK:
            from templedb_nb.notify.webhook import WebhookCourier

            return WebhookCourier(environ=system.environ)
        case ReceiverKind.COMMAND:
            from templedb_nb.notify.command import CommandCourier

            return CommandCourier(environ=inherited(system.environ), folder=system.folder)
        case ReceiverKind.EMAIL:
            from templedb_nb.notify.mail import MailCourier

            return MailCourier()
        case ReceiverKind.SLACK:
            from templedb_nb.notify.slack import API, SlackCourier

            api = system.environ.get("TEMPLEDB_SLACK_API", API)
            return SlackCourier(environ=system.environ, api=api.rstrip("/"))
        case ReceiverKind.APPRISE:
            from templedb_nb.notify.apprise_ import AppriseCourier

            return AppriseCourier()


def ending(brings: Courier) -> Callable[[], None] | None:
    """Return what ends an attempt that would outlive this process, if there is such a thing."""
    return brings.end if isinstance(brings, Endable) else None
