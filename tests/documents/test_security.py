"""What docs/security.md says of the state file and its readers and writers; the other sentences have
tests where their subject is tested."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tests.conftest import MIGRATIONS, Shop

SECRET = "x7Kp2mQ9-of-rosa"


@contextmanager
def state_of(shop: Shop) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(f"duckdb:{shop.terminal.state}") as state:
        yield state


def plan(shop: Shop) -> str:
    return str(shop.terminal("deploy", "plan", "app", "--json").json[-1]["plan_id"])


@pytest.fixture
def guarded(shop: Shop) -> Shop:
    """Return a shop whose ledger knows that its target is protected."""
    shop.terminal("target", "update", "app", "staging", "--protected")
    shop.approve(plan(shop)[:12])
    shop.run()
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    return shop


def bytes_of(folder: Path) -> bytes:
    """Return all that the files below *folder* hold, unpacked where they are logs."""
    files = [each for each in folder.rglob("*") if each.is_file()]
    parts = [each.read_bytes() for each in files]
    return b"\n".join([*parts, *(gzip.decompress(b) for b in parts if b[:2] == b"\x1f\x8b")])


def test_state_copy_holds_no_secret_value_when_a_failed_command_prints_secrets(shop: Shop) -> None:
    shop.terminal("env", "set", "app", "TOKEN", SECRET)
    shop.config(MIGRATIONS | {"pre_deploy": ["echo $TOKEN; echo $DATABASE_URL; exit 3"]})
    shop.run(code=10)
    kept = bytes_of(shop.terminal.state.parent)
    assert b"***[TOKEN]" in kept
    for value in (SECRET, shop.pg.dsn):
        assert value.encode() not in kept


def test_state_copy_is_refused_when_opened_with_another_key(shop: Shop) -> None:
    shop.terminal.set(TEMPLEDB_KEY="c2l4dGVlbiBieXRlcyBhbmQgc2l4dGVlbiBtb3JlISE=")
    assert "was sealed with key" in shop.terminal("target", "test", "app", "staging", code=78).err


def test_policy_stays_in_force_when_lowered_in_the_state_file(guarded: Shop) -> None:
    with state_of(guarded) as state:
        state.execute("UPDATE targets SET protected = false")
    assert "has no approval" in guarded.run(code=20).err
    assert "more" not in guarded.pg.tables()


@pytest.mark.parametrize("changed", ["true", "DROP TABLE users"])
def test_plan_is_not_taken_as_approved_when_changed_in_the_state_file(
    guarded: Shop, changed: str
) -> None:
    guarded.config(MIGRATIONS | {"pre_deploy": ["echo harmless"]})
    made = plan(guarded)
    guarded.approve(made[:12])
    with state_of(guarded) as state:
        state.execute(
            "UPDATE plans SET preview = replace(preview::VARCHAR, 'echo harmless', ?)", [changed]
        )
    said = guarded.terminal("deploy", "run", "--plan", made, code=20)
    assert "has no approval" in said.err
    assert "more" not in guarded.pg.tables()


def test_content_is_not_run_when_changed_in_the_state_file(shop: Shop) -> None:
    with state_of(shop) as state:
        state.execute(
            "UPDATE content_blobs SET encoding = 'raw',"
            " body = encode('CREATE TABLE evil (id int);') WHERE size < 100"
        )
    assert "is damaged" in shop.run(code=69).err
    assert "evil" not in shop.pg.tables()


def test_freeze_stays_in_force_when_its_ledger_copy_is_deleted_from_the_state_file(
    shop: Shop,
) -> None:
    shop.run()
    shop.terminal("lock", "acquire", "app", "--reason", "a fair is on")
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    with state_of(shop) as state:
        state.execute("DELETE FROM ledger_copies")
    assert "a fair is on" in shop.run(code=23).err


def test_run_is_refused_when_a_sealed_value_was_changed_or_removed(shop: Shop) -> None:
    shop.terminal("env", "set", "app", "TOKEN", SECRET)
    shop.config(MIGRATIONS | {"required_env_vars": ["TOKEN"]})
    with state_of(shop) as state:
        state.execute("UPDATE variables SET text = text[:-5] || 'AAAA=' WHERE name = 'TOKEN'")
    assert "TOKEN" in shop.run(code=78).err
    with state_of(shop) as state:
        state.execute("DELETE FROM variables WHERE name = 'TOKEN'")
    assert "TOKEN has no value" in shop.run(code=78).err.replace(": ", " ")
    assert shop.pg.tables() == []


MEASURED = """
import resource, sys
from templedb_nb import cli
code = cli.run(["deploy", "run", "app"])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def peak(shop: Shop, size: int) -> int:
    """Return the memory, in KiB, of a run whose command writes *size* bytes and no line end."""
    shop.config({"name": "x", "deploy_command": f"head -c {size} /dev/zero | tr '\\0' x"})
    done = subprocess.run(
        [sys.executable, "-c", MEASURED],
        capture_output=True, text=True, check=True, cwd=shop.terminal.home,
    )  # fmt: skip
    return int(done.stderr.rpartition("peak ")[2])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in KiB on Linux alone")
def test_output_takes_no_more_memory_than_its_newest_part_when_large(shop: Shop) -> None:
    size = 60 << 20
    assert peak(shop, size) - peak(shop, 10) < (size >> 10) // 2
    (log,) = [each for each in shop.terminal.state.parent.rglob("*.log.gz") if each.stat().st_size > 10_000]  # fmt: skip
    with gzip.open(log) as text:
        assert sum(map(len, iter(lambda: text.read(1 << 20), b""))) >= size
