"""A short rampage in every build, and the proof that it would notice."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg
import pytest

from tests import chaos, chaos_job
from tests.chaos_job import Job, Tally, finish
from tests.postgres import Server
from tests.proxy import Proxy

ROOT = Path(__file__).parents[3]


def test_deployment_doubles_and_loses_nothing_when_chaos_breaks_it() -> None:
    tally = chaos.rampage(jobs=8, faults=3, seed=int(os.environ.get("TEMPLEDB_CHAOS_SEED", "7")))
    print(tally)
    assert tally.clean, str(tally)
    assert tally.jobs == 8
    assert set(tally.faults) == {*chaos.FAULTS, chaos.POINT}


def test_examination_notices_a_doubled_migration_when_the_deployment_is_naive(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commit, then record: killed between the two, the next run does it again."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    tally = Tally()
    port = int(str(psycopg.conninfo.conninfo_to_dict(server.admin)["port"]))
    simple = {
        f"00{n}.sql": f"INSERT INTO marks VALUES ('{mark}');"
        for n, mark in enumerate(chaos_job.MARKS)
    }
    monkeypatch.setattr(chaos_job, "FILES", simple)
    with Proxy(port) as proxy:
        words = [sys.executable, "-m", "tests.naive"]
        job = Job(tmp_path, server.admin, "chaos_naive", proxy, tally, words)
        job.prepare()
        try:
            with job.inside() as connection:
                connection.execute("CREATE TABLE marks (what text)")
                connection.execute("CREATE TABLE more (id int); CREATE INDEX more_id ON more (id)")
            monkeypatch.setenv("NAIVE_DIES_AT", "003.sql")
            first = job.deploy()
            first.communicate(timeout=60)
            assert first.returncode == -9
            monkeypatch.delenv("NAIVE_DIES_AT")
            finish(job)
            chaos.examine(job)
        finally:
            with psycopg.connect(server.admin, autocommit=True) as admin:
                admin.execute("DROP DATABASE chaos_naive WITH (FORCE)")
    assert tally.doubled == 1
    assert not tally.clean


def test_job_counts_as_failed_and_the_next_begins_when_a_job_cannot_be_examined() -> None:
    tally = chaos.rampage(jobs=2, faults=1, seed=1, command=["true"])
    assert (tally.jobs, tally.stuck) == (2, 2), str(tally)
    assert all("not examined: UndefinedTable" in each for each in tally.wrong), str(tally)


def test_examination_notices_what_is_lost_stuck_or_invalid_when_a_job_is_spoilt(
    server: Server, tmp_path: Path
) -> None:
    tally = Tally()
    port = int(str(psycopg.conninfo.conninfo_to_dict(server.admin)["port"]))
    with Proxy(port) as proxy:
        job = Job(tmp_path, server.admin, "chaos_spoilt", proxy, tally, ["true"])
        job.prepare()
        try:
            with job.inside() as connection, job.inside() as other:
                connection.execute("CREATE TABLE marks (what text)")
                connection.execute("INSERT INTO marks VALUES ('1'), ('2')")
                connection.execute("CREATE UNIQUE INDEX marks_what ON marks (what)")
                connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'marks_what'::regclass")  # fmt: skip
                other.execute("SELECT pg_advisory_lock(1)")
                chaos.examine(job)
        finally:
            with psycopg.connect(server.admin, autocommit=True) as admin:
                admin.execute("DROP DATABASE chaos_spoilt WITH (FORCE)")
    assert (tally.lost, tally.stuck, tally.invalid, len(tally.wrong)) == (8, 1, 1, 1)


def test_proxy_cuts_the_connection_when_a_commit_is_about_to_pass_or_has_passed(
    server: Server,
) -> None:
    port = int(str(psycopg.conninfo.conninfo_to_dict(server.admin)["port"]))
    with psycopg.connect(server.admin, autocommit=True) as admin, Proxy(port) as proxy:
        admin.execute("CREATE TABLE cut (sent boolean)")
        try:
            for sent in (False, True):
                through = psycopg.conninfo.make_conninfo(server.admin, port=proxy.port)
                connection = psycopg.connect(through)
                connection.execute("INSERT INTO cut VALUES (%s)", [sent])
                proxy.cut_at_commit(skip=0, sent=sent)
                with pytest.raises(psycopg.OperationalError):
                    connection.commit()
                connection.close()
            deadline = 200
            while not (rows := admin.execute("SELECT sent FROM cut").fetchall()) and deadline:
                deadline -= 1
            assert rows == [(True,)]
        finally:
            admin.execute("DROP TABLE cut")
        assert proxy.cuts == 2
