"""One browser and one Jupyter server for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import chromium
from tests.browser.jupyter import Server, jupyter

ROOT = Path(__file__).parents[2]


# Of this package, not of the session: Playwright keeps an event loop running, which others must
# not meet.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="package")
def jupyter_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture(autouse=True)
def as_people_have_it(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test sets in the shared server, the next one does not meet."""
    yield
    if "jupyter_server" in request.fixturenames:
        running: Server = request.getfixturevalue("jupyter_server")
        running.deaf(while_busy=False)
        running.keep_widgets(saved=False)


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where pictures of the tests are kept, for people to look at."""
    return ROOT / "artefacts"
