"""Records a deployment of the sample in a real terminal, as pictures for the README.

Usage: recording.py [FOLDER]        default: docs/images
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parent.parent
COLUMNS, LINES = 80, 40
BEFORE = (
    "project import shop",
    "deploy init shop",
    "target add shop local",
    "env set shop DATABASE_URL duckdb:shop.duckdb --target local --plain",
)
SHOWN = (
    "deploy run shop --dry-run",
    "deploy run shop",
    "migration status shop --show-applied",
)
LIGHT = TerminalTheme(
    (255, 255, 255),
    (31, 35, 40),
    [(31, 35, 40), (176, 32, 32), (17, 99, 41), (125, 78, 0),
     (9, 80, 174), (111, 66, 193), (12, 105, 118), (89, 99, 110)],
)  # fmt: skip
DARK = TerminalTheme(
    (22, 27, 34),
    (230, 237, 243),
    [(139, 148, 158), (255, 123, 114), (86, 211, 100), (227, 179, 65),
     (121, 192, 255), (210, 168, 255), (86, 212, 221), (177, 186, 196)],
)  # fmt: skip
FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main(words: Sequence[str]) -> None:
    """Deploy, and write one picture for light pages and one for dark ones."""
    folder = Path(words[0]) if words else ROOT / "docs" / "images"
    with tempfile.TemporaryDirectory() as place:
        told = recorded(Path(place))
    for name, theme in (("light", LIGHT), ("dark", DARK)):
        path = folder / f"terminal-{name}.svg"
        path.write_text(drawn(told, theme), encoding="utf-8")
        print(f"written: {path}")


def recorded(place: Path) -> str:
    """Return what a terminal shows, with its colours, of commands that really ran."""
    shutil.copytree(ROOT / "examples" / "shop", place / "shop")
    environ = {n: v for n, v in os.environ.items() if not n.startswith(("TEMPLEDB_", "XDG_"))}
    environ |= {"HOME": str(place), "TERM": "xterm-256color", "TEMPLEDB_USER": "rosa"}
    environ |= {"TEMPLEDB_STATE": str(place / "state.duckdb")}
    environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environ["PATH"]])
    environ.pop("NO_COLOR", None)
    for words in BEFORE:
        subprocess.run(
            ["templedb", *words.split()], cwd=place, env=environ, check=True, capture_output=True
        )
    parts = [f"\x1b[1m$ templedb {each}\x1b[0m\n{_shown(each, place, environ)}" for each in SHOWN]
    return "\n".join(parts)


def _shown(words: str, place: Path, environ: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        ["templedb", *words.split()],
        cwd=place, env=environ, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    told = b""
    try:
        while part := os.read(ours, 65536):
            told += part
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    if process.wait():
        raise SystemExit(f"templedb {words}: exit {process.returncode}\n{told.decode()}")
    return settled(told.decode())


def settled(told: str) -> str:
    """Return what is left on the screen: of a line that was written over, its last text."""
    lines = told.replace("\r\n", "\n").split("\n")
    return "\n".join(re.split(r"\r|\x1b\[2?K", line)[-1] for line in lines)


def drawn(told: str, theme: TerminalTheme) -> str:
    """Return the picture; its letters are the reader's own, nothing is fetched."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(f"{told.rstrip()}\n"), soft_wrap=True)
        picture = console.export_svg(title="templedb", theme=theme)
    own = FONT_FACE.sub("", picture).replace("Fira Code", "ui-monospace, Menlo, Consolas")
    own = own.replace('stroke="rgba(255,255,255,0.35)"', 'stroke="#8c959f"')
    return re.sub(r"[ \t]+$", "", own, flags=re.MULTILINE)


if __name__ == "__main__":
    main(sys.argv[1:])
