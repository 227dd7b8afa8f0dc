"""In a kernel that a runner started: what ends the runbook, and errors that IPython only shows.

ipykernel's `exit()` sets a flag and lets the cell go on, and a name that stands alone (`quit`) is
an expression of no effect in a cell of several lines. `%run` and `%%capture` show an error and call
their cell a success. All of it is told to the runner, which then knows how the cell really ended.
"""

from __future__ import annotations

import ast
import builtins
import os
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.autocall import ZMQExitAutocall

from templedb_nb.notebook.runner_channel import RunnerChannel, teller

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

NAMES = ("exit", "quit")
ALONE = "__templedb_alone__"
LONGEST = 200
"""At most this many characters of a text that says why it ends are shown."""


class CellExit(SystemExit):
    """What `exit()` raises; it was reported when it was raised."""


class ExitFunction(ZMQExitAutocall):
    """`exit` and `quit`: they end the runbook, whoever catches what they raise."""

    def __init__(self, shell: InteractiveShell, told: Callable[[str, bool], None]) -> None:
        """Tell *told* how the runbook ends, and whether that is as it should be."""
        self.set_ip(shell)  # type: ignore[no-untyped-call]  # IPython types no method
        self._told = told

    def __call__(  # type: ignore[override]  # called as Python's own exit is
        self, code: object = None, *, keep_kernel: object = None
    ) -> None:
        """End the runbook; a named 0 says that it has done all that it had to."""
        del keep_kernel  # ipykernel has it; nobody keeps the kernel of an unattended runbook
        self._told(spoken("exit", code), done(code))
        raise CellExit(code)


def begin() -> None:
    """Let this kernel tell its runner of exits and of errors, and send it whatever it shows."""
    from IPython.core.getipython import get_ipython

    shell, there = get_ipython(), teller()
    if shell is None:
        return
    _send_everything(shell)
    if there is not None:
        _equip(shell, ExitFunction(shell, _of_this_process(there)), there)


def _send_everything(shell: Any) -> None:
    """Keep messages until their reader takes them.

    By default a kernel drops them without a word while two thousand wait, as after a loop that
    displays a row each time: also the error at its end.
    """
    import zmq

    thread = getattr(shell.kernel, "iopub_thread", None)
    if thread is not None:
        thread.schedule(lambda: thread.socket.setsockopt(zmq.SNDHWM, 0))


def _equip(shell: Any, ends: ExitFunction, there: RunnerChannel) -> None:
    shell.exiter = ends
    shell.user_ns.update(dict.fromkeys(NAMES, ends))
    shell.ask_exit = ends
    shell.ast_transformers.append(_Alone())
    setattr(builtins, ALONE, _alone)
    shell.showtraceback = _watched(shell.showtraceback, there)
    shell.showsyntaxerror = _watched(shell.showsyntaxerror, there)
    warnings.filterwarnings("ignore", message="To exit: use")  # it is about a terminal


def done(code: object) -> bool:
    """Return whether *code* says that all is well: only a number does."""
    return isinstance(code, int) and code == 0


def spoken(name: str, code: object) -> str:
    """Return the call as people write it."""
    said = "" if code is None else repr(code) if isinstance(code, int) else repr(str(code))
    return f"{name}({said if len(said) <= LONGEST else said[:LONGEST] + '…'})"


def _of_this_process(there: RunnerChannel) -> Callable[[str, bool], None]:
    """Return what tells of an exit; in a process that was forked off, it is only that one's."""
    mine = os.getpid()

    def told(said: str, is_done: bool) -> None:  # noqa: FBT001 - one of two facts
        if os.getpid() == mine:
            there.exits(said, done=is_done)

    return told


def _watched(show: Callable[..., Any], there: RunnerChannel) -> Callable[..., Any]:
    """Return *show*, which shows an error, with a report to the runner."""

    def shown(*args: Any, **named: Any) -> Any:
        given = named.get("exc_tuple", args[0] if args else None)
        match given[1] if isinstance(given, tuple) else sys.exc_info()[1]:
            case CellExit():
                return None
            case SystemExit() as error:
                there.exits(spoken("sys.exit", error.code), done=done(error.code))
                if done(error.code):
                    return None
            case BaseException() as error:
                there.showed(type(error).__name__, str(error))
            case _:
                pass
        return show(*args, **named)

    return shown


class _Alone(ast.NodeTransformer):
    """Let `exit` and `quit` be called where they stand alone as a statement."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Wrap the name; what it means is known once the cell runs."""
        if not (isinstance(node.value, ast.Name) and node.value.id in NAMES):
            return self.generic_visit(node)
        name = ast.copy_location(ast.Name(ALONE, ast.Load()), node.value)
        called = ast.copy_location(ast.Call(name, [node.value], []), node.value)
        return ast.copy_location(ast.Expr(called), node)


def _alone(value: object) -> object:
    if isinstance(value, ExitFunction):
        value()
    return value
