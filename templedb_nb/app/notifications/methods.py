"""What the methods of the Python API do at their end: people are told what happened."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from templedb_nb.app.notifications.notifications import Notifications

P = ParamSpec("P")
R = TypeVar("R")


class _Application(Protocol):
    """What can notify."""

    @property
    def notifications(self) -> Notifications:
        """Return the use cases around notifications."""
        ...


class _Notifies(Protocol):
    """Whoever has an application."""

    @property
    def _app(self) -> _Application: ...


S = TypeVar("S", bound=_Notifies)


def notifying(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Let a method send what is owed at its end, as commands do; it comes to the same."""

    @wraps(method)
    def inner(own: S, /, *args: P.args, **named: P.kwargs) -> R:
        try:
            return method(own, *args, **named)
        finally:
            own._app.notifications.tell()  # noqa: SLF001 - it is the method's own

    return inner
