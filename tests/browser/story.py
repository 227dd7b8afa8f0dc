"""A project, its targets and a notebook that shows every card there is: good, bad, empty and long."""

from __future__ import annotations

import json
from pathlib import Path

from tests.browser.place import Place

LONG = "migrations/20260301_120000_backfill_the_loyalty_points_of_customers_who_moved_between_regions.sql"
FAILING = """\
CREATE TABLE loyalty (customer integer NOT NULL REFERENCES customers, points integer CHECK (points >= 0));
INSERT INTO loyalty SELECT id, -1 FROM customers;
"""
GROUPS = [
    {
        "name": "migrations",
        "file_patterns": ["migrations/*.sql"],
        "pre_deploy": ["test -n \"$RELEASE_CHANNEL\" && echo 'a rather long check of what must be there before anything else is touched at all' > /dev/null"],
        "required_env_vars": ["DATABASE_URL", "RELEASE_CHANNEL"],
    },
    {
        "name": "storefront",
        "file_patterns": ["README.md"],
        "build_command": "echo built the storefront",
        "deploy_command": "echo deployed {file}",
        "post_deploy": [{"command": "echo 'the cache did not answer' >&2; exit 3", "critical": False}],
    },
]  # fmt: skip
WRONG = {"groups": [{"name": "a", "file_paterns": ["*.sql"]}, {"name": "a", "order": -1}]}

CELLS = {
    "load": "%load_ext templedb_nb\n%templedb use shop --target production",
    "plan": "%%templedb deploy --dry-run",
    "refused": "%templedb deploy run --no-wait",
    "approve": (
        "plan = %templedb deploy plan\nid = plan.plan.id\n"
        '%templedb approve {id} --reason "Read every statement; the window is open until 18:00"'
    ),
    "approved": "%templedb deploy plan",
    "run": "%templedb deploy run",
    "nothing": "%templedb deploy plan --target staging",
    "failed": (
        f"from pathlib import Path\n_ = Path('shop/{LONG}').write_text({FAILING!r})\n"
        "%templedb deploy run --target staging"
    ),
    "refused plan": "%templedb deploy plan --target staging --skip-group storefront",
    "unknown": "%templedb migration show nobody_knows_this",
    "config": "%templedb deploy config --set wrong.json",
    "status": "from templedb_nb import Temple\ntemple = Temple.open()\ntemple.status('shop')",
    "migrations": "temple.migrations('shop', 'staging')",
    "tables": "%templedb migration status --show-applied",
}
RAISING = frozenset({"refused", "failed", "unknown", "config"})


def tell(home: Path, database: str) -> Path:
    """Make the project, its targets and the notebook; *database* is the address of one."""
    place = Place.made(home, example="shop")
    (home / "config.json").write_text(json.dumps({"groups": GROUPS}))
    (home / "wrong.json").write_text(json.dumps(WRONG))
    for line in (
        "project import shop",
        "deploy config shop --set config.json",
        "target add shop production --protected --self-approval",
        "target add shop staging",
        "env set shop RELEASE_CHANNEL stable --plain",
        f"env set shop DATABASE_URL duckdb://{home}/production.duckdb --target production --plain",
        f"env set shop DATABASE_URL {database} --target staging",
        "deploy run shop --target staging",
    ):
        place.templedb(line)
    return place.notebook("deploy.ipynb", CELLS, RAISING)
