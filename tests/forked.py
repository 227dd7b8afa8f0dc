"""templedb as a real process, forked from one that has loaded its modules.

``python -m templedb_nb`` spends most of its time on imports. Tests that kill and interrupt processes
start a thousand of them. Here one process loads the modules and waits; for each command it forks a
child, which gets the command's words, folder, environment and pipes, and becomes a child of the
tests' process: it has a pid, signals and an end of its own. Linux only; elsewhere, and where an
option asks for more, a process starts as usual.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_SIMPLE = {"stdin", "stdout", "stderr"}
_LANGUAGE = ("PYTHON", "LC_", "LANG")
_HEAVY = (
    "cryptography.hazmat.primitives.ciphers.aead", "duckdb", "filelock", "pathspec", "platformdirs",
    "psycopg", "yaml",
)  # fmt: skip
_PROGRAM = [sys.executable, "-m", "templedb_nb"]


def start(
    words: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], **options: Any
) -> subprocess.Popen[str]:
    """Start ``templedb`` with *words*, with pipes for what it writes."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    usual = sys.platform != "linux" or not options.keys() <= _SIMPLE or _speaks_otherwise(env)
    kind = subprocess.Popen if usual else _Forked
    return kind(command(words), text=True, cwd=cwd, env=env, **pipes)


def command(words: tuple[str, ...]) -> list[str]:
    """Return the words with which a process starts as usual."""
    return [*_PROGRAM, *words]


def end() -> None:
    """End the process that waits, if it was ever needed."""
    _Parent.end()


def _speaks_otherwise(env: Mapping[str, str]) -> bool:
    """Return whether Python itself would begin otherwise than the process that waits."""
    mine, its = ({k: v for k, v in e.items() if k.startswith(_LANGUAGE)} for e in (os.environ, env))
    return mine != its


class _Parent:
    """The process that has loaded the modules, and the socket on which it takes orders."""

    process: subprocess.Popen[bytes] | None = None
    orders: socket.socket

    @classmethod
    def fork(cls, order: Mapping[str, Any], pipes: tuple[int, int, int]) -> int:
        """Have a child made, which is then one of this process, and return its pid."""
        if cls.process is None or cls.process.poll() is not None:
            cls._begin()
        body = json.dumps(order).encode()
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_SUBREAPER, 1, 0, 0, 0)
        try:
            socket.send_fds(cls.orders, [len(body).to_bytes(8, "big")], pipes)
            cls.orders.sendall(body)
            return int.from_bytes(_exactly(cls.orders, 8), "big")
        finally:
            libc.prctl(_SUBREAPER, 0, 0, 0, 0)

    @classmethod
    def _begin(cls) -> None:
        cls.orders, its = socket.socketpair()
        words = [sys.executable, "-m", "tests.forked", str(its.fileno())]
        root = Path(__file__).parents[1]
        cls.process = subprocess.Popen(words, pass_fds=[its.fileno()], cwd=root)
        its.close()

    @classmethod
    def end(cls) -> None:
        if cls.process is not None:
            cls.orders.close()
            cls.process.wait()
            cls.process = None


class _Forked(subprocess.Popen[str]):
    """A process that `_Parent` forks in place of the usual fork and exec."""

    def _execute_child(self, args: Any, *given: Any) -> None:  # type: ignore[override]
        cwd, env = given[4], given[5]
        stdin, to_child, from_child, stdout, from_errors, stderr = given[9:15]
        pipes = (stdin if stdin != -1 else 0, stdout if stdout != -1 else 1)
        order = {"words": list(args[len(_PROGRAM) :]), "cwd": str(cwd), "env": dict(env)}
        try:
            self.pid = _Parent.fork(order, (*pipes, stderr if stderr != -1 else 2))
            self._child_created = True
        finally:
            self._close_pipe_fds(stdin, to_child, from_child, stdout, from_errors, stderr)


def _exactly(end: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        part = end.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


def _load() -> None:
    """Import what a command needs, and nothing that begins a thread."""
    import importlib
    import pkgutil

    import templedb_nb

    left_out = ("notebook", "magics", "charts", "plots", "probe", "supervisor", "__main__")
    for found in pkgutil.walk_packages(templedb_nb.__path__, "templedb_nb."):
        if not set(found.name.split(".")) & set(left_out):
            importlib.import_module(found.name)
    for name in _HEAVY:
        importlib.import_module(name)
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, threads  # a fork takes only its own thread along
    gc.collect()
    gc.freeze()  # a child that collects would copy all of this memory


def _wait(orders: socket.socket) -> dict[str, Any]:
    """Take orders, and return the child's own in each child."""
    while True:
        try:
            head, pipes, _, _ = socket.recv_fds(orders, 8, 3)
        except ConnectionError:
            os._exit(0)
        if not head:
            os._exit(0)
        head += _exactly(orders, 8 - len(head)) if len(head) < 8 else b""
        order: dict[str, Any] = json.loads(_exactly(orders, int.from_bytes(head, "big")))
        read, write = os.pipe()
        between = os.fork()
        if not between:
            child = os.fork()
            if child:  # its parent ends, so that the tests' process becomes it
                os.write(write, child.to_bytes(8, "big"))
                os._exit(0)
            for number, pipe in enumerate(pipes):
                os.dup2(pipe, number)
            os.closerange(3, max(orders.fileno(), read, write, *pipes) + 1)
            return order
        os.waitpid(between, 0)
        orders.sendall(os.read(read, 8))
        for each in (read, write, *pipes):
            os.close(each)


def main() -> None:
    """Load, wait, and in each child be ``python -m templedb_nb``."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the tests
    _load()
    order = _wait(orders)
    orders.detach()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.path[0] = order["cwd"]
    import templedb_nb.__main__ as program

    sys.argv = [program.__file__, *order["words"]]
    program.main()


if __name__ == "__main__":
    main()
