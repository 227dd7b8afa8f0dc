"""What `deploy init` makes of folders as projects have them."""

from __future__ import annotations

import pytest

from templedb_nb.core.migrations.proposal import Proposal, propose

LIQUIBASE = "--liquibase formatted sql\n--changeset a:1\nSELECT 1;\n"


def proposed(names: str, text: str = "") -> Proposal:
    return propose(names.split(), dict.fromkeys(names.split(), text))


def patterns(found: Proposal) -> list[str]:
    return [pattern for group in found.config.groups for pattern in group.file_patterns]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("db/migrations/1_a.sql", ["db/migrations/*.sql"]),
        ("prisma/migrations/2026_a/migration.sql", ["prisma/migrations/**/*.sql"]),
        (
            "db/migrations/postgres/1_a.up.sql db/migrations/mysql/1_a.up.sql",
            ["db/migrations/postgres/*.sql"],
        ),
        (
            "m/migrations/1_a.up.sql m/migrations/testdata/fixtures/1_a.up.sql",
            ["m/migrations/*.sql"],
        ),
        (
            "r/db/migration/postgresql/V1__a.sql r/db/migration/h2/V1__a.sql r/db/migration/both/V2__b.sql",
            ["r/db/migration/**/*.sql", "!r/db/migration/h2/**/*.sql"],
        ),
        (
            "src/main/resources/db/migration/V1__a.sql src/test/resources/db/migration/V2__b.sql",
            ["src/main/resources/db/migration/*.sql"],
        ),
        ("drizzle/0000_a.sql drizzle/meta/_journal.json", ["drizzle/*.sql"]),
        ("sql/migrations/up/1.sql sql/migrations/down/1.sql", ["sql/migrations/**/*.sql"]),
        ("migrations/mysql/1_a.sql", []),
        ("test/migrations/1_a.sql", []),
    ],
)
def test_proposal_deploys_the_matching_migrations_when_a_project_has_a_known_layout(
    names: str, wanted: list[str]
) -> None:
    assert patterns(proposed(names)) == wanted


def test_proposal_gives_its_reason_when_it_leaves_a_folder_out() -> None:
    found = proposed("db/migrations/postgres/1_a.sql db/migrations/mysql/1_a.sql")
    told = {each.what: each.why for each in found.reasons}
    assert told["db/migrations/mysql/"] == "is left out: mysql is another database"


def test_liquibase_folder_is_proposed_when_its_files_have_the_liquibase_format() -> None:
    found = proposed("db/changelog/001.sql", LIQUIBASE)
    assert patterns(found) == ["db/changelog/*.sql"]
    assert "in the style of liquibase" in found.reasons[0].why
    assert patterns(proposed("db/changelog/001.sql", "SELECT 1;")) == []
