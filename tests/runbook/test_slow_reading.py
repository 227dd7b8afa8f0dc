"""What a cell wrote is complete, however long its reader needs for it."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import v4

from templedb_nb.runbook.client import OUTPUTS, Client, kernel, private_folder
from templedb_nb.runbook.secrets import Secrets

SHOWN = 30
CELL = f"for n in range({SHOWN}): display(n)\nprint('the end')"


async def ran(book: Any, home: Path, pause_s: float) -> None:
    """Run the cell of a notebook, and take as long for each message of its kernel."""
    reading, writing = os.pipe()
    with private_folder() as folder:
        client = Client(
            book,
            kernel(Path(folder)),
            Secrets({}),
            before=lambda: time.sleep(pause_s),
            wrote=lambda _: None,
        )
        try:
            await client.start(home, dict(os.environ), writing)
            await client.run_cell(book.cells[0], 0)
        finally:
            await client.end()
            os.close(reading)
            os.close(writing)


def test_output_of_a_cell_is_complete_when_its_reader_is_slow(tmp_path: Path) -> None:
    """The kernel has answered long before its reader, who takes six seconds, has read it all."""
    made: Any = v4
    book = made.new_notebook(cells=[made.new_code_cell(CELL)])
    asyncio.run(ran(book, tmp_path, 6 / SHOWN))
    texts = [each.get("text") or each["data"]["text/plain"] for each in book.cells[0].outputs]
    assert texts == [*map(str, range(SHOWN)), "the end\n"]


def test_no_output_is_lost_when_a_cell_displays_thousands(tmp_path: Path) -> None:
    made: Any = v4
    text = "for n in range(8_000): display({'text/plain': 'x' * 5_000}, raw=True)\n1 / 0"
    book = made.new_notebook(cells=[made.new_code_cell(text)])
    with pytest.raises(CellExecutionError):
        asyncio.run(ran(book, tmp_path, 0))
    outputs = book.cells[0].outputs
    kinds = [each["output_type"] for each in outputs]
    assert kinds == ["display_data"] * OUTPUTS + ["error", "stream"]
    assert outputs[-1]["text"] == f"… {8_000 - OUTPUTS} more outputs left out …\n"
