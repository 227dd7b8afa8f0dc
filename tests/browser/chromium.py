"""The browser that `scripts/browser` finds or fetches."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FINDER = Path(__file__).parents[2] / "scripts" / "browser"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a running browser, or fail and say how to get one."""
    found = subprocess.run(
        [FINDER],
        env={**os.environ, "VENV": sys.prefix},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found.stdout.strip())
        yield browser
        browser.close()
