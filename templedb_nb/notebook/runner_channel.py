"""What a kernel tells the runbook runner that started it, over a pipe that only the two have.

A line is an object: a ``secret`` that from now on must not be saved, an ``event`` of a run, a
command that ``ended``, an ``exit``, an error that was ``shown``. Without a runner there is no pipe,
and nothing is told.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING, Any

from templedb_nb.model.dataclass import dataclass

if TYPE_CHECKING:
    from templedb_nb.app import Container
    from templedb_nb.model.event import Stamped
    from templedb_nb.model.result import Result

VARIABLE = "TEMPLEDB_RUNBOOK"


@dataclass
class RunnerChannel:
    """One end of the pipe, and what the runner wants.

    `execution` is the id of this run of the runbook `name`, `given` the digest of its parameters;
    `chain` are the executions that it goes on with, newest first. `approvals` are files that count
    for plans that they fit.
    """

    handle: int
    execution: str = ""
    name: str = ""
    given: str = ""
    chain: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    approval_wait: str = ""
    _app: Container | None = field(default=None, repr=False)

    def __call__(self, entry: Stamped) -> None:
        """Tell an event of a run, and where its project's files are."""
        from templedb_nb.model.event import RunStarted
        from templedb_nb.model.serialization import to_plain

        if isinstance(entry.event, RunStarted) and self._app is not None:
            slug = entry.event.slug
            root = next((p.root for p in self._app.projects.all() if p.slug == slug), None)
            self._tell({"root": [slug, str(root or "")]})
        self._tell({"event": to_plain(entry)})

    def recalled(self, result: Result) -> None:
        """Tell of a run that did before what was to do now."""
        from templedb_nb.model.serialization import to_plain

        self._tell({"recalled": to_plain(result)})

    def secret(self, name: str, value: str) -> None:
        """Tell a value before anything that may show it."""
        self._tell({"secret": [name, value]})

    def listens(self, app: Container) -> None:
        """Tell every secret that *app* comes to know, and which state it uses."""
        self._app = app
        app.masker.heard = self.secret
        self._tell({"state": str(app.state.path)})

    def ended(
        self, command: str, *, mutates: bool, exit_code: int, error: str = "", message: str = ""
    ) -> None:
        """Tell how a command ended."""
        about = {"command": command, "mutates": mutates, "exit_code": exit_code}
        self._tell({"ended": {**about, "error": error, "message": message}})

    def exits(self, said: str, *, done: bool) -> None:
        """Tell that a cell ends the runbook; *done* says that this is as it should be."""
        self._tell({"exit": {"said": said, "done": done}})

    def showed(self, error: str, message: str) -> None:
        """Tell of an error that the cell shows, whether or not it fails by it."""
        self._tell({"shown": [error, message]})

    def _tell(self, body: dict[str, Any]) -> None:
        data = (json.dumps(body) + "\n").encode()
        with suppress(OSError):  # the runner is gone, and so will this kernel be
            while data:
                data = data[os.write(self.handle, data) :]


_teller: RunnerChannel | None = None


def teller() -> RunnerChannel | None:
    """Return this process's end of the pipe; processes that it starts inherit nothing of it."""
    global _teller  # noqa: PLW0603 - a process has one such pipe, or none
    told = os.environ.pop(VARIABLE, "")
    if told:
        with suppress(ValueError, OSError):
            found = RunnerChannel(**json.loads(told))
            os.set_inheritable(found.handle, False)  # noqa: FBT003 - its own signature
            _teller = found
    return _teller
