"""A folder of a Jupyter server with a project, a state of its own, and notebooks."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tests import forked

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True, slots=True)
class Place:
    """A user's folder; kernels of its notebooks have the same environment as its terminal."""

    home: Path
    user: str = "rosa"

    @classmethod
    def made(cls, home: Path, *, example: str, user: str = "rosa") -> Place:
        """Make the folder, with a copy of an example in it."""
        place = cls(home, user)
        shutil.copytree(EXAMPLES / example, home / example)
        (home / "kernel-env.json").write_text(json.dumps(place.environ))
        return place

    @property
    def environ(self) -> dict[str, str]:
        """Return what makes templedb keep everything in this folder."""
        return {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "TEMPLEDB_STATE": str(self.home / "state" / "state.duckdb"),
            "TEMPLEDB_USER": self.user,
        }

    def templedb(self, line: str) -> str:
        """Run a command, as a process of its own, and return what it says."""
        env = {**os.environ, **self.environ}
        process = forked.start(tuple(line.split()), cwd=self.home, env=env)
        said = "".join(process.communicate())
        assert process.returncode == 0, f"templedb {line}: exit {process.returncode}\n{said}"
        return said

    def notebook(self, name: str, cells: Mapping[str, str], raising: frozenset[str]) -> Path:
        """Write a notebook; cells that begin with ``#`` are text, those of *raising* may fail."""
        made = nbformat.v4.new_notebook()
        made.metadata.kernelspec = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        for key, source in cells.items():
            tags = {"tags": ["raises-exception"]} if key in raising else {}
            text = source.startswith("# ")
            new = nbformat.v4.new_markdown_cell if text else nbformat.v4.new_code_cell
            made.cells.append(new(source, metadata=tags))
        path = self.home / name
        nbformat.write(made, path)
        return path
