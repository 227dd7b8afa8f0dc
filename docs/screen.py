"""Draws the terminal screen of the sample for docs/howto/terminal.md: real targets, real runs.

Usage: screen.py [FOLDER]        default: docs/images
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from templedb_nb.app.container import Container
from templedb_nb.app.environment import Environment
from templedb_nb.tui.app import TerminalApp

ROOT = Path(__file__).parent.parent
SIZE = (80, 24)
TURN_S = 0.1
BEFORE = (
    "project import shop",
    "deploy init shop",
    "target add shop production --protected",
    "target add shop staging",
    "env set shop DATABASE_URL duckdb:production.duckdb --target production --plain",
    "env set shop DATABASE_URL duckdb:staging.duckdb --target staging --plain",
    "deploy run shop --target staging",
    "deploy plan shop --target production",
)
FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main(words: Sequence[str]) -> None:
    """Deploy the sample, look at it, and write the picture."""
    folder = (Path(words[0]) if words else ROOT / "docs" / "images").absolute()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        shutil.copytree(ROOT / "examples" / "shop", place / "shop")
        for own in [each for each in os.environ if each.startswith(("TEMPLEDB_", "XDG_"))]:
            del os.environ[own]
        os.environ |= {"HOME": name, "TEMPLEDB_USER": "rosa"}
        os.environ["TEMPLEDB_STATE"] = str(place / "state.duckdb")
        os.chdir(place)
        for line in BEFORE:
            command = [sys.executable, "-m", "templedb_nb", *line.split()]
            subprocess.run(command, check=True, capture_output=True)
        picture = asyncio.run(_looked())
        os.chdir(ROOT)
    own = FONT_FACE.sub("", picture).replace("Fira Code", "ui-monospace, Menlo, Consolas")
    path = folder / "tui.svg"
    path.write_text(re.sub(r"[ \t]+$", "", own, flags=re.MULTILINE), encoding="utf-8")
    print(f"written: {path}")


async def _looked() -> str:
    app = TerminalApp(Container.open, Environment())
    async with app.run_test(size=SIZE) as pilot:
        desk = app.desk
        while desk.overlook.waiting is None or desk.overlook.asking or not desk.overlook.asked:
            await pilot.pause(TURN_S)
        await pilot.pause(1.0)
        picture = app.export_screenshot(title="templedb tui")
    desk.end(10.0)
    return picture


if __name__ == "__main__":
    main(sys.argv[1:])
