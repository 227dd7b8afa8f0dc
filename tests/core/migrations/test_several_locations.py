"""Folders of one program: Flyway's are one series; those of environments, or unlike ones, are not."""

from __future__ import annotations

import pytest

from templedb_nb.core.migrations.layouts.arrange import arrange
from templedb_nb.core.migrations.proposal import NO_ANSWERS, Proposal, ProposalAnswers, propose
from templedb_nb.model.config import Group, GroupKind

FLYWAY = "db/core/V1__a.sql db/core/V3__c.sql db/core/R__view.sql db/data/V2__b.sql"


def proposed(names: str, answers: ProposalAnswers = NO_ANSWERS) -> Proposal:
    return propose(names.split(), dict.fromkeys(names.split(), "SELECT 1;"), answers)


def patterns(found: Proposal) -> list[str]:
    return [" ".join(group.file_patterns) for group in found.config.groups]


def order(names: str, *wanted: str) -> str:
    group = Group(name="m", order=1, kind=GroupKind.MIGRATIONS, file_patterns=wanted)
    found = arrange(group, sorted(names.split()))
    assert [each for each in found.findings if each.severity == "error"] == []
    return " ".join(each.path.rpartition("/")[2].partition("_")[0] for each in found.files)


@pytest.mark.parametrize(
    "wanted", [("db/core/*.sql", "db/data/*.sql"), ("db/data/*.sql", "db/core/*.sql")]
)
def test_versions_decide_when_flyway_has_several_folders(wanted: tuple[str, ...]) -> None:
    assert order(FLYWAY, *wanted) == "V1 V2 V3 R"


def test_other_files_keep_their_place_when_flyway_has_several_folders() -> None:
    names = f"{FLYWAY} a/1_x.sql z/1_y.sql"
    assert order(names, "a/*.sql", "db/core/*.sql", "db/data/*.sql", "z/*.sql") == "1 V1 V2 V3 R 1"


def test_patterns_decide_when_flyway_folders_have_a_version_in_common() -> None:
    names = "a/V1__x.sql a/V3__x.sql b/V1__y.sql b/V2__y.sql"
    assert order(names, "b/*.sql", "a/*.sql") == "V1 V2 V1 V3"


def test_patterns_decide_when_folders_are_of_another_tool() -> None:
    assert order("a/1_x.up.sql a/3_x.up.sql b/2_y.up.sql", "a/*.sql", "b/*.sql") == "1 3 2"


@pytest.mark.parametrize("word", ["prod", "dev", "db-prod", "staging", "local"])
def test_folders_are_asked_for_when_one_is_for_an_environment(word: str) -> None:
    names = f"db/migration/V1__a.sql db/migration/V3__b.sql db/{word}/V2__c.sql"
    found = proposed(names)
    assert any(f"db/{word} is for one environment by its name" in each for each in found.doubts)
    assert any("--folder db/migration" in each for each in found.answers)
    one = proposed(names, ProposalAnswers(folders=("db/migration",)))
    assert one.doubts == ()
    assert patterns(one) == ["db/migration/*.sql"]
    both = proposed(names, ProposalAnswers(folders=("db/migration", f"db/{word}")))
    assert both.doubts == ()
    assert patterns(both) == [f"db/migration/*.sql db/{word}/*.sql"]


@pytest.mark.parametrize(
    "names", ["deploy/prod/migrations/V1__a.sql", "db/production/V1__a.sql", "local/V1__a.sql"]
)
def test_folder_is_taken_when_it_is_the_only_one(names: str) -> None:
    assert proposed(names).doubts == ()


@pytest.mark.parametrize(
    ("names", "left"),
    [
        ("supabase/migrations/20260101000000_a.sql edge/migrations_moved/0001_x.sql", "edge/"),
        ("db/migration/V1__a.sql mvp/data_migration/x.sql mvp/data_migration/y.sql", "mvp/"),
        ("m/1_a.up.sql m/1_a.down.sql old_migration/1_x.sql", "old_migration/"),
    ],
)
def test_folder_is_left_out_when_only_its_name_speaks_beside_a_tools_folder(
    names: str, left: str
) -> None:
    found = proposed(names)
    assert found.doubts == ()
    assert len(patterns(found)) == 1
    (said,) = [each for each in found.reasons if each.what.startswith(left)]
    assert "only its name speaks for it" in said.why


def test_folder_is_taken_when_it_is_of_another_program() -> None:
    names = "a/go.mod a/migrations/1_a.sql b/go.mod b/migrations/1_b.up.sql"
    assert patterns(proposed(names)) == ["a/migrations/*.sql", "b/migrations/*.sql"]


def test_group_has_the_name_of_its_program_when_it_has_several_folders() -> None:
    names = " ".join(
        f"apps/x-{app}/pom.xml apps/x-{app}/db/a/V1__a.sql apps/x-{app}/db/b/V2__b.sql"
        for app in ("billing", "users")
    )
    assert [each.name for each in proposed(names).config.groups] == ["billing", "users"]
