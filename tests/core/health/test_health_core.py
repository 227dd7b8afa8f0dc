"""Health, decided: what a config asks, what an answer means, what tries come to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.core.config import groups, overlay, project_file
from templedb_nb.core.config.document import document, parse
from templedb_nb.core.health.evaluation import HttpAnswer, evaluate, names_version
from templedb_nb.core.health.fold import Continue, Settled, fold
from templedb_nb.core.health.outcomes import OUTCOMES
from templedb_nb.core.health.reading import checks
from templedb_nb.core.health.variables import filled, wanted
from templedb_nb.model.health import (
    BODY_LIMIT,
    Cause,
    CheckAnswer,
    Health,
    HealthReport,
    HttpCheck,
    JsonExpectation,
    SqlCheck,
    TcpCheck,
    Timing,
    Try,
)
from templedb_nb.model.project import Slug
from templedb_nb.model.target import TargetName

H, U, I = Cause.MET, Cause.STATUS, Cause.NAME_UNKNOWN  # noqa: E741 - as the outcomes begin
COMMAND = {"name": "web", "deploy_command": "true"}


def tries(causes: Sequence[Cause], apart_s: float = 5) -> tuple[Try, ...]:
    return tuple(
        Try(
            started=datetime(2026, 1, 1, tzinfo=UTC), at_ms=round(n * apart_s * 1000), latency_ms=0,
            outcome=OUTCOMES[cause][0], cause=cause, message=cause.value,
        )
        for n, cause in enumerate(causes)
    )  # fmt: skip


def outcome(timing: Timing, causes: Sequence[Cause], apart_s: float = 5) -> Health | None:
    found = fold(timing, tries(causes, apart_s))
    return found.outcome if isinstance(found, Settled) else None


# --- the fold ---------------------------------------------------------------------------------


def test_first_try_waits_for_the_initial_delay_when_no_try_was_made_yet() -> None:
    assert fold(Timing(initial_delay_s=7), ()) == Continue(wait_s=7.0, within_s=10.0)


def test_next_try_waits_for_the_interval_and_gets_its_timeout_when_a_try_was_made() -> None:
    assert fold(Timing(success_threshold=2), tries([H])) == Continue(wait_s=5.0, within_s=10.0)


@pytest.mark.parametrize(
    ("causes", "came"),
    [
        ([H, H], None),
        ([H, H, H], Health.HEALTHY),
        ([H, H, U, H, H], None),
        ([H, H, I, H], None),
        ([H, H, I, H, H, H], Health.HEALTHY),
        ([U, U], None),
        ([U, U, U], Health.UNHEALTHY),
        ([U, U, H, U, U], None),
        ([U, U, I, U], Health.UNHEALTHY),
        ([U, I, I, U, I], None),
        ([I] * 9, None),
    ],
)
def test_thresholds_count_in_a_row_when_tries_differ(
    causes: list[Cause], came: Health | None
) -> None:
    assert outcome(Timing(success_threshold=3, failure_threshold=3), causes) is came


@pytest.mark.parametrize(
    ("causes", "came"),
    [
        ([U, U], Health.UNHEALTHY),
        ([I, I], Health.INCONCLUSIVE),
        ([U, I], Health.INCONCLUSIVE),
        ([I, U], Health.UNHEALTHY),
        ([H, H], Health.INCONCLUSIVE),
        ([U, H], Health.UNHEALTHY),
        ([H, I], Health.INCONCLUSIVE),
        ([U, Cause.DEADLINE], Health.UNHEALTHY),
        ([H, Cause.DEADLINE], Health.INCONCLUSIVE),
        ([Cause.DEADLINE, Cause.DEADLINE], Health.INCONCLUSIVE),
    ],
)
def test_deadline_is_never_healthy_when_no_threshold_was_met(
    causes: list[Cause], came: Health
) -> None:
    timing = Timing(success_threshold=3, failure_threshold=3, deadline_s=9)
    assert outcome(timing, causes) is came


def test_try_is_cut_when_the_deadline_is_nearer_than_its_timeout() -> None:
    timing = Timing(success_threshold=2, deadline_s=12)
    assert fold(timing, tries([H])) == Continue(wait_s=5.0, within_s=7.0)


def test_inconclusive_counts_as_unhealthy_when_the_config_says_fail() -> None:
    timing = Timing(failure_threshold=2, inconclusive_fails=True)
    assert outcome(timing, [I, I]) is Health.UNHEALTHY
    assert outcome(timing, [I, Cause.DEADLINE]) is None


@given(
    st.lists(st.sampled_from(list(Cause)), min_size=1, max_size=30),
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 100), st.booleans(),
)  # fmt: skip
def test_fold_is_healthy_only_when_the_last_tries_were(
    causes: list[Cause],
    good: int,
    bad: int,
    deadline: int,
    strict: bool,  # noqa: FBT001 - given
) -> None:
    timing = Timing(success_threshold=good, failure_threshold=bad, deadline_s=deadline,
                    inconclusive_fails=strict)  # fmt: skip
    if outcome(timing, causes) is Health.HEALTHY:
        assert causes[-good:] == [Cause.MET] * good


def test_every_cause_has_an_outcome_and_only_met_is_healthy() -> None:
    assert set(OUTCOMES) == set(Cause)
    assert [each for each, (found, _) in OUTCOMES.items() if found is Health.HEALTHY] == [Cause.MET]


# --- the report -------------------------------------------------------------------------------


def report(*outcomes: Health) -> HealthReport:
    rows = [CheckAnswer(name="a", type="tcp", outcome=o, message="", tries=()) for o in outcomes]
    return HealthReport(slug=Slug("shop"), target=TargetName("prod"), rows=tuple(rows))


def test_report_is_inconclusive_when_it_has_no_check() -> None:
    assert (report().outcome, report().exit_code) == (Health.INCONCLUSIVE, 14)


def test_report_takes_the_worst_outcome_when_checks_differ() -> None:
    good, bad, nobody = Health.HEALTHY, Health.UNHEALTHY, Health.INCONCLUSIVE
    assert (report(good, good).exit_code, report(good, nobody).exit_code) == (0, 14)
    assert report(nobody, bad, good).exit_code == 10


# --- answers ----------------------------------------------------------------------------------


def find(path: str, value: Any) -> list[Any]:
    return [value[path[2:]]] if path[2:] in value else []


def http(**given: Any) -> HttpCheck:
    return HttpCheck(name="web/http", group="web", timing=Timing(), url="http://h/", **given)


def causes(check: HttpCheck, **answer: Any) -> list[Cause]:
    return [cause for cause, _ in evaluate(check, HttpAnswer(**{"status": 200, **answer}), find)]


def test_redirect_is_unhealthy_when_the_body_matches() -> None:
    moved = {"headers": (("Location", "/login"),), "body": b"ok"}
    assert causes(http(expect_body="ok"), status=302, **moved) == [Cause.REDIRECTED]
    assert causes(http(), headers=(("refresh", "0; URL=/login"),)) == [Cause.REDIRECTED]


def test_redirect_is_healthy_when_its_status_is_what_is_expected() -> None:
    assert causes(http(expect_status=(301,)), status=301, headers=(("Location", "/x"),)) == []


def test_body_beyond_the_limit_is_unhealthy_when_it_matches() -> None:
    check = http(expect_body="^ok")
    assert causes(check, body=b"ok" + b" " * BODY_LIMIT) == [Cause.TOO_LARGE]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.2", True), ("v1.2", True), ("release 1.2.", True), ("app-1.2", True), ("1.2\n", True),
        ('{"v": "1.2"}', True), ("1.2.3", False), ("11.2", False), ("0.1.2", False), ("1.20", False),
        ("1.2-rc1", False), ("1.2+dirty", False), ("x1.2", False), ("", False),
    ],
)  # fmt: skip
def test_version_is_found_only_when_named_as_a_whole(
    text: str,
    found: bool,  # noqa: FBT001 - given
) -> None:
    assert names_version("1.2", text) is found


def test_old_process_is_unhealthy_when_the_version_is_expected() -> None:
    check = http(expect_version="0123456789ab")
    assert causes(check, body=b"release fedcba987654") == [Cause.VERSION]
    assert causes(check, headers=(("X-Release", "0123456789ab"),)) == []


@pytest.mark.parametrize(
    ("body", "wanted", "came"),
    [
        ('{"a": "0.003"}', {"below": "0.05"}, []),
        ('{"a": 0.1}', {"below": "0.1"}, [Cause.JSON]),
        ('{"a": 0.30000000000000000001}', {"above": "0.3"}, []),
        ('{"a": 5}', {"above": "1", "below": "9"}, []),
        ('{"a": "NaN"}', {"below": "5"}, [Cause.JSON]),
        ('{"a": NaN}', {"below": "5"}, [Cause.JSON]),
        ('{"a": "+Inf"}', {"above": "5"}, [Cause.JSON]),
        ('{"a": true}', {"above": "0"}, [Cause.JSON]),
        ('{"a": true}', {"equals": "true"}, []),
        ('{"a": 1.0}', {"equals": "1"}, []),
        ('{"a": "1"}', {"equals": "1"}, []),
        ('{"a": null}', {"equals": "ok"}, [Cause.JSON]),
        ('{"a": {"b": 1}}', {"equals": '{"b": 1}'}, [Cause.JSON]),
        ('{"a": "up"}', {"matches": "^u"}, []),
        ('{"a": "down", "a": "up"}', {"equals": "up"}, [Cause.JSON]),
        ('{"b": 1}', {"above": "0"}, [Cause.JSON]),
        ("<html>up</html>", {"equals": "up"}, [Cause.JSON]),
        ("[" * 100_000, {"equals": "up"}, [Cause.JSON]),
        ('\ufeff{"a": 7}', {"equals": "7"}, []),
    ],
)
def test_json_value_is_judged_exactly_when_compared_with_an_expectation(
    body: str, wanted: dict[str, str], came: list[Cause]
) -> None:
    check = http(expect_json=(JsonExpectation(path="$.a", **wanted),))
    assert causes(check, body=body.encode()) == came


def test_body_is_decoded_when_its_charset_is_latin_1_or_unknown() -> None:
    latin = {"headers": (("Content-Type", "text/plain; charset=latin-1"),), "body": b"gr\xfcn"}
    assert causes(http(expect_body="grün"), **latin) == []
    unknown = {"headers": (("Content-Type", "text/plain; charset=klingon"),), "body": b"ok"}
    assert causes(http(expect_body="ok"), **unknown) == []


# --- configs ----------------------------------------------------------------------------------


def complaints(*health: dict[str, Any], **more: Any) -> list[str]:
    config, found = parse({"groups": [COMMAND | {"health_checks": list(health)} | more]})
    return [str(each) for each in (*found, *groups.check(config))]


def test_every_complaint_names_its_key_when_several_checks_are_wrong() -> None:
    said = "\n".join(
        complaints(
            {"type": "http", "url": "ftp://x/", "expect_body": "(", "timeout": 9, "deadline": 5},
            {"type": "http", "url": "http://u:p@x/?token=abc", "headers": {"Authorization": "Bearer x"}},
            {"type": "http", "url": "http://x/{var: NAME}", "headers": {"X-Api-Key": "k", "a b": "c"}},
            {"type": "http", "url": "http://x/", "expect_json": {"path": "a", "below": "x"}},
            {"type": "http", "url": "http://x/", "expect_json": {"path": "$.a"}},
            {"type": "http", "url": "http://x/", "expect_version": "{relese}", "method": "TRACE"},
            {"type": "tcp", "host": "h", "port": 1, "expect_body": "ok", "method": "PUT"},
            {"type": "sql", "query": "DELETE FROM users"},
            {"type": "command", "command": "x", "initial_delay": 400},
            {"type": "command", "command": "x", "success_threshold": 100, "name": "same"},
            {"type": "command", "command": "x", "name": "same"},
        )
    )  # fmt: skip
    for part in (
        "groups[0].health_checks[0].url: 'ftp://x/' is not an http or https address",
        "groups[0].health_checks[0].expect_body: is not a regular expression",
        "groups[0].health_checks[0].timeout: is longer than the deadline",
        "groups[0].health_checks[1].url: has a password in plain text",
        "groups[0].health_checks[1].url: token looks like a secret",
        "groups[0].health_checks[1].headers.Authorization: looks like a secret in plain text",
        "groups[0].health_checks[2].url: has a {var:…} that names no variable",
        "groups[0].health_checks[2].headers.X-Api-Key: looks like a secret",
        "groups[0].health_checks[2].headers.a b: is not a header name",
        "groups[0].health_checks[3].expect_json[0].path: is not a JSONPath",
        "groups[0].health_checks[3].expect_json[0].below: 'x' is not a number",
        "groups[0].health_checks[4].expect_json[0]: needs one of",
        "groups[0].health_checks[5].expect_version: has {relese}",
        "groups[0].health_checks[5].method: TRACE",
        "groups[0].health_checks[6].expect_body: belongs to checks of type http, not tcp",
        "groups[0].health_checks[6].method: belongs to checks of type http, not tcp",
        "groups[0].health_checks[7].query: cannot be sent",
        "groups[0].health_checks[8].initial_delay: leaves no time",
        "groups[0].health_checks[9].success_threshold: 100 tries do not fit",
        "groups[0].health_checks: two checks of group 'web' have the name 'same'",
    ):
        assert part in said, (part, said)


def test_header_is_not_a_finding_when_its_secret_is_a_variable() -> None:
    headers = {"Authorization": "Bearer {var:API_TOKEN}", "X-Request-Id": "probe"}
    assert complaints({"type": "http", "url": "{var:API_URL}/health", "headers": headers}) == []


def test_password_never_appears_in_a_complaint_when_written_as_a_literal() -> None:
    said = complaints({"type": "http", "url": "http://u:hunter22@x/?token=swordfish",
                       "headers": {"Cookie": "s=opensesame"}})  # fmt: skip
    assert len(said) == 3
    assert not [
        each for each in said if "hunter22" in each or "swordfish" in each or "sesame" in each
    ]


def test_health_check_is_refused_when_written_beside_health_checks() -> None:
    said = complaints({"type": "tcp", "host": "h", "port": 1},
                      health_check={"type": "tcp", "host": "h", "port": 2})  # fmt: skip
    assert any("cannot be combined with health_checks" in each for each in said)


def test_checks_are_named_by_place_and_type_when_they_have_no_name_of_their_own() -> None:
    tcp = {"type": "tcp", "host": "h", "port": 1}
    many = [tcp, tcp, {"type": "sql", "query": "SELECT true", "name": "tcp-3"}, tcp]
    config, _ = parse({"groups": [COMMAND | {"health_checks": many}]})
    own = parse({"groups": [COMMAND | {"health_check": tcp}]})[0].groups[0].checks
    assert [each.name for each in checks(config, own)] == [
        "web/tcp", "web/tcp-2", "web/tcp-3", "web/tcp-4", "target/tcp",
    ]  # fmt: skip
    assert isinstance(checks(config)[2], SqlCheck)


def test_config_with_checks_is_equal_when_written_and_read_again() -> None:
    check = {
        "type": "http", "url": "http://x/", "name": "metrics", "inconclusive": "fail", "proxy": True,
        "expect_json": [{"path": "$.a", "below": 0.05, "above": -1}, {"path": "$.b", "equals": True}],
        "timeout": "2s",
    }  # fmt: skip
    config, found = parse({"groups": [COMMAND | {"health_checks": [check]}]})
    again, more = parse(json.loads(json.dumps(document(config))))
    assert (again, found, more) == (config, (), ())
    assert config.groups[0].health_checks[0].expect_json[0].below == "0.05"


def test_config_keeps_its_document_when_it_has_no_new_keys() -> None:
    old = {"type": "http", "url": "https://example.com/", "expect_status": [200, 204]}
    config, _ = parse({"groups": [COMMAND | {"health_check": old}]})
    assert document(config)["groups"][0]["health_check"] == old
    assert "health_checks" not in document(config)["groups"][0]


def test_overlay_takes_a_fraction_when_it_changes_a_json_bound() -> None:
    check = {"type": "http", "url": "http://x/", "expect_json": {"path": "$.a", "below": "1"}}
    config, _ = parse({"groups": [COMMAND | {"health_check": check}]})
    change = {
        "groups": {"web": {"health_check": {"expect_json": [{"path": "$.a", "below": 0.25}]}}}
    }
    merged, made = overlay.overlaid(config, change)
    assert made.findings == ()
    again, _ = overlay.overlaid(config, overlay.document_of(made.text))
    assert again == merged
    assert merged.groups[0].checks[0].expect_json[0].below == "0.25"


def test_target_has_its_own_checks_when_the_checked_in_file_names_them() -> None:
    tcp = {"type": "tcp", "host": "{var:HOST}", "port": 1}
    text = {"groups": [COMMAND], "targets": {"prod": {"health_check": tcp}, "dev": {}}}
    file = project_file.parse(text, Slug("shop"))
    assert file.findings == ()
    (check,) = checks(file.config, file.health[TargetName("prod")])
    assert isinstance(check, TcpCheck)
    assert (check.name, wanted(check)) == ("target/tcp", ("HOST",))
    bad = {
        "groups": [COMMAND],
        "targets": {"prod": {"health_checks": [tcp | {"url": "x"}, {"type": "tcp"}]}},
    }
    said = [str(each) for each in project_file.parse(bad, Slug("shop")).findings]
    assert any("targets.prod.health_checks[1].host: is missing" in each for each in said)


def test_variable_value_is_not_expanded_again_when_it_looks_like_a_variable() -> None:
    values = {"A": "{var:B}", "B": "secret"}
    assert filled("x{var:A}y", values.__getitem__) == "x{var:B}y"
