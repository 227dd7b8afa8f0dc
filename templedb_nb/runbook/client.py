"""A kernel of this interpreter, and one cell after the other in it: masked, bounded, stoppable."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_async
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete
from nbformat import NotebookNode, from_dict

from templedb_nb.core.secrets.url_passwords import UrlStream
from templedb_nb.errors import InternalError
from templedb_nb.runbook.secrets import Secrets

LONGEST_LINE = 16_384
"""A longer line is shown in parts."""
KEPT = 1 << 19
"""Of what a cell writes, as many characters are kept from its beginning, and from its end."""

LARGEST = 10 << 20
"""Displays of more characters are not kept."""

OF_ERROR = 1 << 16
"""Of a traceback, and of an error's message, as many characters are kept from either end."""

OUTPUTS = 1000
"""Of what a cell displays, so many outputs are kept."""
SILENT_S = 30
"""A kernel that answered, and sends nothing for so long, is not waited for any more."""
INCOMPLETE = "the kernel did not say that this cell ended: the end of its output may be missing"
ALIVE_S = 0.25
BEGIN = "__import__('templedb_nb.notebook.exit_calls', fromlist=['begin']).begin()"
_SOCKET = 80
"""A socket's path may have little more than a hundred bytes."""


def kernel(folder: Path) -> AsyncKernelManager:
    """Return what starts a kernel of this interpreter, spoken to by sockets in *folder*."""
    manager = AsyncKernelManager(kernel_name="python3", transport="ipc")
    spec = manager.kernel_spec
    assert spec is not None  # noqa: S101 - ipykernel's own
    spec.argv = [sys.executable, *spec.argv[1:]]
    manager.connection_file = str(folder / "kernel.json")
    manager.ip = str(folder / "kernel")
    return manager


def private_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder of this user alone, whose path is short enough for sockets."""
    given = tempfile.gettempdir()
    return tempfile.TemporaryDirectory(
        prefix="templedb-", dir=given if len(given) < _SOCKET else "/tmp"  # noqa: S108 - mkdtemp
    )  # fmt: skip


class Client(NotebookClient):
    """nbclient, with a mask on each message and a limit on what a cell may leave."""

    def __init__(
        self,
        notebook: NotebookNode,
        manager: AsyncKernelManager,
        secrets: Secrets,
        before: Callable[[], object],
        wrote: Callable[[str], None],
    ) -> None:
        """Call *before* ahead of each message, and *wrote* with what a log may show of it."""
        super().__init__(
            notebook,
            km=manager,
            timeout=None,
            coalesce_streams=False,  # nbclient's costs the square of a line's length; ours: _Stream
            record_timing=True,
            store_widget_state=False,
            force_raise_errors=False,
            iopub_timeout=24 * 3600,  # of nbclient; ours: _async_poll_output_msg
        )
        self._secrets = secrets
        self._before = before
        self._wrote = wrote
        self._streams: dict[str, _Stream] = {}
        self._left_out = 0

    async def start(self, cwd: Path, environ: Mapping[str, str], handle: int) -> None:
        """Start the kernel, with *handle* open in it, and wait until it answers."""
        await self.async_start_new_kernel(
            cwd=str(cwd),
            env=dict(environ),
            pass_fds=(handle,),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await self.async_start_new_kernel_client()
        await self._prepare()

    async def _prepare(self) -> None:
        """Let the kernel tell of exits before any cell runs, and leave no name in it."""
        assert self.kc is not None  # noqa: S101 - it was started
        asked = await ensure_async(self.kc.execute(BEGIN, silent=True, store_history=False))
        reply = await self.async_wait_for_reply(asked)
        if reply is None or reply["content"]["status"] != "ok":
            said = reply["content"].get("evalue", "") if reply else "it does not answer"
            raise InternalError(f"the kernel cannot be prepared for a runbook: {said}")

    async def run_cell(self, cell: NotebookNode, place: int) -> None:
        """Run one cell. Raises nbclient's errors; what it wrote is in it whatever happens."""
        self._streams, self._left_out = {}, 0
        assert self.kc is not None  # noqa: S101 - it was started
        self.kc.session.metadata = {"cellId": cell["id"]}
        try:
            await self.async_execute_cell(cell, place, execution_count=self.code_cells_executed + 1)
        finally:
            self._settle(cell)

    def signal(self, number: int) -> None:
        """Send a signal to the kernel and the processes of its group, if it is there."""
        provisioner: Any = self.km.provisioner if self.km is not None else None
        pid = getattr(provisioner, "pid", None)
        if pid:
            with suppress(ProcessLookupError):
                os.killpg(pid, number)

    def died_how(self) -> str:
        """Return the kernel's exit status in words, once it is known."""
        provisioner: Any = self.km.provisioner if self.km is not None else None
        code = getattr(getattr(provisioner, "process", None), "returncode", None)
        if code is None:
            return ""
        return f" (signal {-code})" if code < 0 else f" (exit status {code})"

    async def end(self) -> None:
        """Stop the kernel and take away what it leaves."""
        with suppress(Exception):
            await self._async_cleanup_kernel()

    async def _async_poll_kernel_alive(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_S)
            if self.km is None or not await ensure_async(self.km.is_alive()):
                if self.task_poll_for_reply is not None:
                    self.task_poll_for_reply.cancel()
                return

    async def _async_poll_output_msg(
        self, parent_msg_id: str, cell: NotebookNode, cell_index: int
    ) -> None:
        """Take in what a cell wrote, until the kernel is idle again.

        nbclient waits four seconds for it after the reply, and leaves the rest out without a word:
        a busy machine needs longer for many megabytes. Here it is as long as messages come.
        """
        assert self.kc is not None  # noqa: S101 - it was started
        while True:
            try:
                message = await ensure_async(self.kc.iopub_channel.get_msg(timeout=SILENT_S))
            except Empty:
                if "shell.execute_reply" in cell["metadata"].get("execution", {}):
                    self._note(cell, INCOMPLETE)
                    return
                continue
            if message["parent_header"].get("msg_id") == parent_msg_id:
                try:
                    self.process_message(message, cell, cell_index)
                except CellExecutionComplete:
                    return

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        """Take in a message without its secrets."""
        self._before()
        kind, content = msg["msg_type"], msg["content"]
        if kind == "stream":
            self._stream(content, cell)
            return None
        if kind in {"display_data", "execute_result", "update_display_data", "error"}:
            content = self._secrets.masked(content)
            if "data" in content:
                content["data"] = _bounded(content["data"])
            if kind == "error":
                content = _bounded_error(content)
            msg = {**msg, "content": content}
            if len(cell.outputs) >= OUTPUTS and kind != "error":
                self._left_out += kind != "update_display_data"
                return None
            self._log(kind, content)
        made: NotebookNode | None = super().process_message(msg, cell, cell_index)
        return made

    def _stream(self, content: dict[str, Any], cell: NotebookNode) -> None:
        name = content["name"]
        if self.clear_before_next_output:
            cell.outputs, self.clear_before_next_output, self._streams = [], False, {}
        stream = self._streams.get(name)
        if stream is None or stream.output not in cell.outputs:
            stream = self._streams[name] = _Stream(name, self._secrets)
            cell.outputs.append(stream.output)
        if said := stream.add(content["text"]):
            self._wrote(said)

    def _log(self, kind: str, content: dict[str, Any]) -> None:
        """Show in the log what a reader of the notebook would see, unless it will be replaced."""
        if kind == "error":
            self._wrote("\n".join(content.get("traceback", [])) + "\n")
        elif kind != "update_display_data" and not content.get("transient"):
            self._wrote(str(content.get("data", {}).get("text/plain", "")) + "\n")

    def _settle(self, cell: NotebookNode) -> None:
        for stream in self._streams.values():
            if said := stream.close():
                self._wrote(said)
        cell.outputs = _in_order(cell.outputs)
        if self._left_out:
            self._note(cell, f"… {self._left_out} more outputs left out …")

    def _note(self, cell: NotebookNode, text: str) -> None:
        """Say below a cell what its output lacks."""
        cell.outputs.append(_node({"output_type": "stream", "name": "stderr", "text": f"{text}\n"}))
        self._wrote(f"{text}\n")


class _Stream:
    """What a cell writes to one stream: its beginning, and as much of its end."""

    def __init__(self, name: str, secrets: Secrets) -> None:
        self.output: Any = _node({"output_type": "stream", "name": name, "text": ""})
        self._mask, self._urls = secrets.masker.stream(), UrlStream()
        self._head: list[str] = []
        self._size = 0
        self._tail = ""
        self._lost = 0
        self._line = ""

    def add(self, text: str) -> str:
        """Take in *text*; return the whole lines of it that may be shown now.

        The mask may hold the end of a line back. What other streams and displays show meanwhile
        must not stand in the middle of it.
        """
        said = self._line + self._keep(self._urls.feed(self._mask.feed(text)))
        lines, end, self._line = said.rpartition("\n")
        if len(self._line) > LONGEST_LINE:
            lines, self._line = lines + end + self._line, ""
            return lines
        return lines + end

    def close(self) -> str:
        """Keep the rest, and say how much was left out."""
        said = self._keep(self._urls.feed(self._mask.close()) + self._urls.close())
        if self._tail:
            end = self._tail[-KEPT:]
            lost = self._lost + len(self._tail) - len(end)
            note = f"\n… {lost} characters left out …\n" if lost else ""
            self.output["text"] = "".join(self._head) + note + end
        self.output["text"] = as_shown(self.output["text"])
        said, self._line = self._line + said, ""
        return said

    def _keep(self, text: str) -> str:
        room = max(0, KEPT - self._size)
        self._size += len(text)
        if room:
            self._head.append(text[:room])
            self.output["text"] += text[:room]
        self._tail += text[room:]
        if len(self._tail) > 4 * KEPT:
            self._lost += len(self._tail) - KEPT
            self._tail = self._tail[-KEPT:]
        return text[:room]


def as_shown(text: str) -> str:
    """Return *text* without what a carriage return lets later words of its line cover.

    It costs what the text's size says, however long a line is.
    """
    if "\r" not in text:
        return text
    return "\n".join(line[line.rfind("\r", 0, -1) + 1 :] for line in text.split("\n"))


def _in_order(outputs: list[Any]) -> list[Any]:
    """Return outputs with what standard error wrote behind what standard output wrote beside it.

    They arrive by two ways, so that their order says nothing.
    """
    found = list(outputs)
    names = [each.get("name") if each["output_type"] == "stream" else None for each in found]
    for first in range(len(found) - 1):
        if names[first : first + 2] == ["stderr", "stdout"]:
            found[first : first + 2] = reversed(found[first : first + 2])
            names[first : first + 2] = reversed(names[first : first + 2])
    return found


_node: Any = from_dict
_CODE = re.compile(r"\x1b(?:\[[0-9;]{0,20})?$")
"""The beginning of a code for colours, as far as a cut has left it."""
_CODE_END = re.compile(r"[0-9;\[]{0,21}m")


def _bounded(data: dict[str, Any]) -> dict[str, Any]:
    return {
        kind: f"{len(said)} characters left out"
        if isinstance(said, str) and len(said) > LARGEST
        else said
        for kind, said in data.items()
    }


def _bounded_error(content: dict[str, Any]) -> dict[str, Any]:
    """Return an error, masked before, with its beginning and its end where it is long."""
    whole = "\n".join(content.get("traceback", []))
    shorter: dict[str, Any] = {key: _cut(str(content.get(key, ""))) for key in ("ename", "evalue")}
    if len(whole) > 2 * OF_ERROR:
        shorter["traceback"] = _cut(whole).split("\n")
    return {**content, **shorter}


def _cut(text: str) -> str:
    """Return the beginning and the end of *text*; no code for colours is cut in two."""
    if len(text) <= 2 * OF_ERROR:
        return text
    head, tail = text[:OF_ERROR], text[-OF_ERROR:]
    if split := _CODE.search(head, OF_ERROR - 22):
        head = head[: split.start()]
    if _CODE.search(text, len(text) - OF_ERROR - 22, len(text) - OF_ERROR) and (
        rest := _CODE_END.match(tail)
    ):
        tail = tail[rest.end() :]
    lost = len(text) - len(head) - len(tail)
    reset = "\x1b[0m" if "\x1b" in head else ""
    return f"{head}{reset}\n… {lost} characters left out …\n{tail}"
