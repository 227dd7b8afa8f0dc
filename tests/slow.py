"""What the inner loop leaves out: `make test-fast` runs all tests but these. CI runs all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

MODULES = {
    "a browser, a terminal or a site": [
        "browser", "test_screen", "test_site", "test_pictures", "test_tui_lists", "test_tui_pages",
        "test_tui_start",
    ],
    "kernels": [
        "test_notebook", "test_magics_body", "test_live", "test_gate", "test_panels", "test_runbook",
        "test_examples", "test_binder", "test_looking_back", "test_documents", "test_story",
    ],
    "processes that are killed, and machines that break": [
        "test_chaos", "test_crash", "test_dead_client", "test_died", "test_failpoints",
        "test_lost_after_death", "test_rollback_crashes", "test_slots_chaos", "test_broken_state", "test_leftovers",
        "test_isolation", "test_ledger_guard", "test_restore_ledger", "test_notifications",
    ],
    "other people's tools": [
        "test_adoption", "test_more_tools", "test_other_runners", "test_pooler", "test_ci",
    ],
    "several servers": [
        "test_servers", "test_versions", "test_down_versions", "test_drift_upgrade",
        "test_ledger_formats", "test_compatibility", "test_shadow", "test_reach",
    ],
    "health that is waited for": ["test_health", "test_health_gates", "test_health_http"],
    "a router under load": ["test_traffic"],
    "inputs of many megabytes": [
        "test_sizes", "test_large_input", "test_linear", "test_fuzz", "test_masking_programs",
    ],
}  # fmt: skip
FIXTURES = {"kernel"}
DEPLOYING = [
    "test_approvals", "test_artifacts", "test_broken_steps", "test_deployment_windows", "test_down",
    "test_drift", "test_drift_base", "test_history", "test_layouts", "test_leaving", "test_locks",
    "test_lost_rows", "test_mended", "test_messages", "test_neighbours", "test_promotion", "test_reports",
    "test_roles", "test_rollback", "test_rollback_views", "test_secrets", "test_signatures",
    "test_standing", "test_stepwise", "test_terminal", "test_tracking", "test_waiting",
]  # fmt: skip
"""Of these, whose tests deploy again and again, the inner loop runs one of `ONE_OF`."""
ONE_OF = 6


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark the tests that take long, each with what it needs."""
    needs = {module: what for what, modules in MODULES.items() for module in modules}
    seen: Counter[str] = Counter()
    for item in items:
        parts = item.nodeid.split("::")[0].removesuffix(".py").split("/")
        what = next((needs[part] for part in parts if part in needs), "")
        if parts[-1] in DEPLOYING:
            what = "several deployments" if seen[parts[-1]] % ONE_OF else ""
            seen[parts[-1]] += 1
        if not what and FIXTURES & set(getattr(item, "fixturenames", ())):
            what = "kernels"
        if what:
            item.add_marker(pytest.mark.slow(what))
