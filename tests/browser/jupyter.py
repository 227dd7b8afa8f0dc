"""A real Jupyter server for a folder, which serves JupyterLab and Notebook 7, and its settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
STARTUP = '''"""Give a kernel the environment that kernel-env.json, beside its notebook, asks for."""
import json as _json, os as _os
if _os.path.exists("kernel-env.json"):
    with open("kernel-env.json") as _file:
        _os.environ.update(_json.load(_file))
    del _file
del _json, _os
'''

TOKEN = "token-of-a-test"
KERNEL = os.environ.get("TEMPLEDB_TEST_KERNEL", "")
"""The Python whose ipykernel runs the notebooks; this one, if none is named."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: `url` with its slash, the folder it serves, where its settings are."""

    url: str
    token: str
    root: Path
    settings: Path

    def theme(self, name: str) -> None:
        """Choose the theme, ``light`` or ``dark``, of every page that is opened from now on."""
        self._set("apputils-extension/themes", {"theme": THEMES[name], "adaptive-theme": False})

    def deaf(self, *, while_busy: bool) -> None:
        """Let pages keep clicks back from a busy kernel, as older front ends do."""
        how = {"commsOverSubshells": "disabled" if while_busy else "perCommTarget"}
        self._set("apputils-extension/kernels-settings", how)

    def keep_widgets(self, *, saved: bool) -> None:
        """Let pages save the state of widgets with a notebook, which nobody does by default."""
        self._set("jupyterlab-manager/plugin", {"saveState": saved}, "@jupyter-widgets")

    def _set(self, plugin: str, settings: dict[str, Any], of: str = "@jupyterlab") -> None:
        path = self.settings / of / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))


@contextmanager
def jupyter(home: Path, *, shared: bool = False) -> Iterator[Server]:
    """Yield a server for the folder ``home/work``; all that it keeps stays in *home*.

    Where notebooks are *shared*, jupyter-collaboration lets several pages edit one.
    """
    root, settings = home / "work", home / "settings"
    root.mkdir(exist_ok=True)
    _startup(home)
    with served(_environment(home, settings), root, home, shared=shared) as url:
        server = Server(url, TOKEN, root, settings)
        # Cells off the screen are drawn, too; no question about news in front of the notebook.
        server._set("notebook-extension/tracker", {"windowingMode": "none"})
        server._set("apputils-extension/notification", {"fetchNews": "false"})
        yield server


@contextmanager
def served(
    environ: dict[str, str], root: Path, home: Path, *, shared: bool = False
) -> Iterator[str]:
    """Yield the address of a JupyterLab that serves *root*; its runtime files stay in *home*."""
    # Of two servers that begin at once, both may think that a port is free: each has its own range.
    port = 8888 + 100 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    words = ["--no-browser", f"--port={port}", "--allow-root", f"--IdentityProvider.token={TOKEN}"]
    words.append(f"--YDocExtension.disable_rtc={not shared}")  # it is on wherever it is installed
    with (
        (home / "jupyter.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *words, f"--ServerApp.root_dir={root}"],
            env={**environ, "JUPYTER_RUNTIME_DIR": str(home / "runtime")},
            cwd=home,  # where the history of shared notebooks is kept
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield _address(home, process)
        finally:
            process.terminate()


def _startup(home: Path) -> None:
    folder = home / "ipython" / "profile_default" / "startup"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "00-environment.py").write_text(STARTUP)
    if KERNEL:
        spec = home / "data" / "kernels" / "python3" / "kernel.json"
        spec.parent.mkdir(parents=True, exist_ok=True)
        argv = [KERNEL, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec.write_text(
            json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"})
        )


def _environment(home: Path, settings: Path) -> dict[str, str]:
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "TEMPLEDB"))},
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }


def _address(home: Path, process: subprocess.Popen[bytes]) -> str:
    """Return where the server listens: it takes the next port if its own is taken."""
    end = time.monotonic() + 60
    facts = home / "runtime" / f"jpserver-{process.pid}.json"
    while time.monotonic() < end and process.poll() is None:
        if facts.exists() and (text := facts.read_text()).endswith("}"):
            return str(json.loads(text)["url"])
        time.sleep(0.05)
    raise AssertionError("Jupyter did not start:\n" + (home / "jupyter.log").read_text())
