"""A short rampage of slots in every build, and the proof that it would notice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos_rollback_job import Tally
from tests.chaos_slot_job import SlotJob
from tests.chaos_slots import agree, ways

ROOT = Path(__file__).parents[3]


def test_slot_chaos_finds_nothing_wrong_when_run_with_faults() -> None:
    words = [sys.executable, "-m", "tests.chaos_slots", "--jobs", "3", "--faults", "2"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def job(tmp_path: Path) -> SlotJob:
    return SlotJob(
        home=tmp_path,
        admin="",
        name="looked_at",
        target="none",
        router="symlink",
        tally=Tally(),
        parts=frozenset(),
    )


def test_slot_examination_finds_a_deployment_when_it_went_into_the_live_slot(job: SlotJob) -> None:
    lines = "begin run1 green blue\nend run1 green blue\n"
    (job.home / "out").write_text(lines)
    job.look_at_deployments()
    assert job.tally.wrong == []
    (job.home / "out").write_text(f"{lines}begin run2 blue blue\n")
    job.look_at_deployments()
    assert "run run2 deployed into blue, which was live" in job.tally.wrong[0]


def test_slot_examination_finds_the_router_when_it_differs_from_the_record(job: SlotJob) -> None:
    """Somebody else switches after the last run, and nobody is told."""
    with job.held:
        job.prepare()
        agree(job)
        assert job.tally.wrong == []
        job.write_router("green" if job.asked() == "blue" else "blue")
        agree(job)
    assert any("the record has" in each for each in job.tally.wrong)


def test_refusal_hints_are_parsed_into_commands_when_they_name_several() -> None:
    run = "01a22808-29b9-79d7-9a0e-2795c495cc21"
    said = f"""
    hint: templedb deploy resume {run} goes on, or templedb run resolve app {run} --reason WHY
    hint: templedb deploy resume goes on; templedb deploy switch app green accepts it
    hint: templedb deploy slots app --clean; --discard-old overwrites it
    """
    assert [words[1:4] for words in ways(said)] == [
        ("resume", "app", run),
        ("resume", "app", "--lock-wait"),
        ("resolve", "app", run),
        ("switch", "green", "--reason"),
        ("slots", "app", "--clean"),
        ("run", "app", "--lock-wait"),
    ]
