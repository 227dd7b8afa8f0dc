"""Real programs print secrets of odd characters; nothing of them is seen, and nothing else is lost."""

from __future__ import annotations

import base64
import http.server
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Database
from tests.encoders import ENCODERS, SERVED, Encoder, from_base64
from tests.masking_cases import AFTER, BEFORE, Case, cases, masked, trouble, value

EACH = 40


def assert_all_masked(encoder: Encoder, place: Path) -> None:
    found = [(why, case) for case in cases([encoder], EACH, 7, place) if (why := trouble(case))]
    assert not found, "\n".join(
        f"{why}: {c.value!r} {c.printed!r} {c.masked!r}" for why, c in found
    )


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda each: each.name)
def test_secret_is_masked_when_a_program_prints_it(encoder: Encoder, tmp_path: Path) -> None:
    if not encoder.here:
        pytest.skip(f"{encoder.needs} is not installed")
    assert_all_masked(encoder, tmp_path)


@pytest.mark.parametrize("encoder", SERVED, ids=lambda each: each.name)
def test_secret_is_masked_when_psql_prints_it(
    encoder: Encoder, tmp_path: Path, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = psycopg.conninfo.conninfo_to_dict(pg.server.database(pg.name))
    for name in ("host", "port", "user", "password", "dbname"):
        variable = {"dbname": "PGDATABASE"}.get(name, f"PG{name.upper()}")
        monkeypatch.setenv(variable, str(given[name]))
    assert_all_masked(encoder, tmp_path)


QUOTES = ["''abcdefgh", "abcdefgh''", "abc'''d'efgh", "a''b\"\"c''d''", "$'$'a\\''"]


@pytest.mark.parametrize(
    "encoder",
    [each for each in ENCODERS if each.needs in {"bash", "dash"}],
    ids=lambda each: each.name,
)
def test_secret_of_quotes_is_masked_when_a_shell_writes_it_in_its_own_quoting(
    encoder: Encoder, tmp_path: Path
) -> None:
    if not encoder.here:
        pytest.skip(f"{encoder.needs} is not installed")
    chance = random.Random(11)
    for secret, printed in zip(QUOTES, encoder.run(QUOTES, tmp_path), strict=True):
        text = f"{BEFORE}{printed}{AFTER}"
        case = Case(encoder, secret, text, masked(chance, secret, text))
        assert trouble(case) == "", case


@pytest.fixture
def listener() -> Iterator[int]:
    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            del words

    server = http.server.HTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_secret_is_masked_when_curl_shows_its_header(listener: int) -> None:
    chance = random.Random(3)
    encoder = Encoder(name="curl -v", run=lambda *_: [], decode=from_base64, needs="curl")
    for _ in range(8):
        secret = value(chance).replace("\n", "")
        words = ["curl", "-sv", "-u", f"admin:{secret}", f"http://127.0.0.1:{listener}/"]
        done = subprocess.run(words, capture_output=True, check=True)
        shown = next(e for e in done.stderr.decode().splitlines() if "Authorization" in e)
        text = f"{BEFORE}{shown}\n{AFTER}"
        case = Case(encoder, secret, text, masked(chance, secret, text))
        assert trouble(case) == "", case


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_secret_is_masked_when_curl_traces_its_lines(listener: int) -> None:
    chance = random.Random(5)
    for header in ("Authorization: Basic {}", "X-Token: {}"):
        for _ in range(6):
            secret = value(chance).replace("\n", "").replace("\t", " ")
            secret = "".join(char for char in secret if char.isascii())
            given = header.format(
                base64.b64encode(f"admin:{secret}".encode()).decode()
                if "Basic" in header
                else secret
            )
            words = [
                "curl",
                "-s",
                "--trace-ascii",
                "-",
                "-H",
                given,
                f"http://127.0.0.1:{listener}/",
            ]
            done = subprocess.run(words, capture_output=True, check=True)
            text = done.stdout.decode()
            out = masked(chance, secret, text)
            assert out.count("***[S]") == 1, (secret, text, out)
            head, tail = out.split("***[S]")
            assert text.startswith(head)
            assert text.endswith(tail)
