"""One browser and one Jupyter server for all tests of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.jupyter import Server, jupyter

ROOT = Path(__file__).parents[2]


# Of this package, not of the session: Playwright holds a running event loop, which others must not meet.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    found = subprocess.run(
        [ROOT / "scripts" / "browser"],
        env={**os.environ, "VENV": sys.prefix},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found.stdout.strip())
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def jupyter_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture(scope="session")
def artefacts() -> Path:
    return ROOT / "artefacts"
