"""When deployment windows are open: rules, clock changes, and several policies at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templedb_nb.core.windows import told
from templedb_nb.core.windows.decision import state
from templedb_nb.core.windows.firings import following, preceding
from templedb_nb.core.windows.rules import typed
from templedb_nb.errors import InvalidConfig
from templedb_nb.model.serialization import from_plain, to_plain
from templedb_nb.model.window import NO_WINDOWS, WindowEffect, WindowRule, Windows

BERLIN, NEW_YORK, LORD_HOWE, TOKYO = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Tokyo",
)


def rule(text: str) -> WindowRule:
    (found,) = typed([text])
    return found


def windows(*texts: str) -> Windows:
    return Windows.of(typed(texts))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(text: str, zone: str, fold: int = 0) -> datetime:
    """Return the moment at which the clock of a zone shows that."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def begins(text: str, zone: str, day: str, days: int = 1) -> list[str]:
    """Return when a rule begins on a day and the next ones of its zone, in UTC."""
    each = rule(f"deny {text} for 1h in {zone} because of the test")
    moment = at(f"{day} 00:00", zone) - timedelta(seconds=1)
    end = at(f"{datetime.fromisoformat(day).date() + timedelta(days=days)} 00:00", zone)
    found = []
    while (following_one := following(each, moment)) is not None and following_one < end:
        found.append(f"{following_one:%d %H:%M}")
        moment = following_one
    return found


@pytest.mark.parametrize(
    ("cron", "zone", "day", "expected"),
    [
        # Put forward: a time that the clock never shows comes when it is put forward.
        ("30 2 * * *", BERLIN, "2026-03-29", ["29 01:00"]),
        ("30 2 * * *", NEW_YORK, "2026-03-08", ["08 07:00"]),
        ("15 2 * * *", LORD_HOWE, "2026-10-04", ["03 15:30"]),
        ("30 2 * * *", TOKYO, "2026-03-29", ["28 17:30"]),
        ("0,15,30 2 * * *", BERLIN, "2026-03-29", ["29 01:00"]),
        # Put back: a time that the clock shows twice comes once, the first time.
        ("30 2 * * *", BERLIN, "2026-10-25", ["25 00:30"]),
        ("30 1 * * *", NEW_YORK, "2026-11-01", ["01 05:30"]),
        ("45 1 * * *", LORD_HOWE, "2026-04-05", ["04 14:45"]),
        ("30 2 * * *", TOKYO, "2026-10-25", ["24 17:30"]),
        # Every hour or minute follows the clock: twice where it shows it twice, never where not.
        ("*/30 2 * * *", BERLIN, "2026-03-29", []),
        ("*/30 2 * * *", BERLIN, "2026-10-25", ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]),
        ("*/30 1 * * *", NEW_YORK, "2026-11-01", ["01 05:00", "01 05:30", "01 06:00", "01 06:30"]),
        ("*/15 2 * * *", LORD_HOWE, "2026-10-04", ["03 15:30", "03 15:45"]),
        ("*/15 1 * * *", LORD_HOWE, "2026-04-05",
         ["04 14:00", "04 14:15", "04 14:30", "04 14:45", "04 15:00", "04 15:15"]),
    ],
)  # fmt: skip
def test_rule_begins_at_the_expected_moments_when_the_clock_is_changed(
    cron: str, zone: str, day: str, expected: list[str]
) -> None:
    assert begins(cron, zone, day) == expected


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, "2026-03-29", 23),
        (BERLIN, "2026-10-25", 25),
        (NEW_YORK, "2026-03-08", 23),
        (NEW_YORK, "2026-11-01", 25),
        (LORD_HOWE, "2026-10-04", 23.5),
        (LORD_HOWE, "2026-04-05", 24.5),
        (TOKYO, "2026-03-29", 24),
    ],
)
def test_rule_of_every_minute_leaves_no_minute_out_when_the_clock_is_changed(
    zone: str, day: str, hours: float
) -> None:
    assert len(begins("* * * * *", zone, day)) == hours * 60
    assert len(begins("* 23 * * *", zone, day)) == 60, "hours after the change count from it"


@pytest.mark.parametrize(
    ("zone", "eve"),
    [
        (BERLIN, "2026-03-28"),
        (BERLIN, "2026-10-24"),
        (NEW_YORK, "2026-03-07"),
        (NEW_YORK, "2026-10-31"),
        (LORD_HOWE, "2026-10-03"),
        (LORD_HOWE, "2026-04-04"),
        (TOKYO, "2026-03-28"),
    ],
)
def test_duration_is_elapsed_time_when_the_clock_is_changed_meanwhile(zone: str, eve: str) -> None:
    """Four hours from 22:00 are four hours, whatever the clock shows then."""
    own = windows(f"deny 0 22 * * * for 4h in {zone} because of the batch")
    start = at(f"{eve} 22:00", zone)
    end = start + timedelta(hours=4)
    found = state(own, start)
    assert not found.open
    assert found.opens == end
    assert state(own, end - timedelta(seconds=1)).blocks
    assert state(own, end).open, "the end itself is open"


@pytest.mark.parametrize(
    ("zone", "eve", "shown"),
    [
        (BERLIN, "2026-03-28", "04:00"),
        (BERLIN, "2026-10-24", "02:00"),
        (NEW_YORK, "2026-03-07", "04:00"),
        (NEW_YORK, "2026-10-31", "02:00"),
        (LORD_HOWE, "2026-10-03", "03:30"),
        (LORD_HOWE, "2026-04-04", "02:30"),
        (TOKYO, "2026-10-24", "03:00"),
    ],
)
def test_five_hour_window_ends_at_another_clock_time_when_the_clock_is_changed(
    zone: str, eve: str, shown: str
) -> None:
    own = windows(f"deny 0 22 * * * for 5h in {zone} because of the batch")
    opens = state(own, at(f"{eve} 23:00", zone)).opens
    assert opens is not None
    assert f"{opens.astimezone(ZoneInfo(zone)):%H:%M}" == shown


def test_rule_is_not_found_in_the_past_when_its_hour_comes_again() -> None:
    """From 02:45 the second time, 02:50 was an hour ago."""
    each = rule(f"deny 50 2 * * * for 10m in {BERLIN} because of the test")
    second = at("2026-10-25 02:45", BERLIN, fold=1)
    assert following(each, second) == at("2026-10-26 02:50", BERLIN)
    assert preceding(each, second + timedelta(minutes=6)) is None
    first = at("2026-10-25 02:52", BERLIN)
    assert preceding(each, first) == at("2026-10-25 02:50", BERLIN)


def test_rule_of_every_quarter_is_found_again_when_the_hour_comes_a_second_time() -> None:
    each = rule(f"deny */15 2 * * * for 5m in {BERLIN} because of the test")
    assert following(each, at("2026-10-25 02:46", BERLIN)) == at("2026-10-25 02:00", BERLIN, 1)
    assert preceding(each, at("2026-10-25 02:16", BERLIN, 1)) == at("2026-10-25 02:15", BERLIN, 1)


@settings(deadline=None)
@given(
    cron=st.sampled_from(
        [
            "* * * * *",
            "*/7 * * * *",
            "30 2 * * *",
            "15 1,2,3 * * *",
            "0 */2 * * *",
            "45 * * * *",
            "10-20 1 * * *",
            "0 18 * * FRI",
            "0 0 1 * *",
            "59 23 L * *",
        ]
    ),
    zone=st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, TOKYO, "UTC", "Africa/Cairo"]),
    minutes=st.sampled_from([1, 5, 30, 61, 240]),
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 - UTC is added
)
def test_preceding_begin_is_the_last_of_the_following_begins_when_asked_at_any_moment(
    cron: str, zone: str, minutes: int, moment: datetime
) -> None:
    each = rule(f"deny {cron} for {minutes}m in {zone} because of the test")
    now = moment.replace(tzinfo=UTC)
    begun, last = now - timedelta(minutes=minutes), None
    while (found := following(each, begun)) is not None and found <= now:
        assert found > begun
        begun = last = found
    assert preceding(each, now) == last


def test_deny_rule_wins_when_an_allow_rule_overlaps() -> None:
    own = windows(
        "office: allow 0 8 * * MON-FRI for 10h in UTC because people are there",
        "lunch: deny 0 12 * * * for 1h in UTC because nobody is there",
    )
    assert state(own, utc("2026-11-30 11:59")).open
    assert state(own, utc("2026-11-30 11:59")).closes == utc("2026-11-30 12:00")
    noon = state(own, utc("2026-11-30 12:30"))
    assert [each.names for each in noon.blocks] == [("lunch",)]
    assert noon.opens == utc("2026-11-30 13:00")
    assert state(own, utc("2026-11-30 13:00")).closes == utc("2026-11-30 18:00")


def test_next_opening_is_the_first_moment_of_agreement_when_several_rules_block() -> None:
    own = windows(
        "weekend: deny 0 18 * * FRI for 62h in Europe/Berlin because nobody is on call",
        "office: allow 0 9 * * * for 8h in America/New_York because the team is there",
    )
    found = state(own, utc("2026-11-28 15:00"))  # within the allowed hours of a Saturday
    assert [each.names for each in found.blocks] == [("weekend",)]
    assert found.blocks[0].until == utc("2026-11-30 07:00")
    assert found.opens == utc("2026-11-30 14:00"), "the office opens later than the weekend ends"


def test_windows_end_once_when_they_join_each_other() -> None:
    own = windows("deny 0,30 20-23 * * * for 30m in UTC because of the batch")
    assert state(own, utc("2026-11-30 20:10")).opens == utc("2026-12-01 00:00")
    pair = windows(
        "deny 0 20 * * * for 2h in UTC because of one", "deny 0 21 * * * for 2h in UTC because of b"
    )
    assert state(pair, utc("2026-11-30 20:10")).opens == utc("2026-11-30 23:00")


def test_windows_say_that_no_end_is_known_when_they_never_open() -> None:
    own = windows("deny * * * * * for 1h in UTC because it is retired")
    found = state(own, utc("2026-11-30 20:10"))
    assert (found.opens, found.blocks[0].until) == (None, None)
    assert "no end is known" in told.at_a_glance(found)
    for long in ("0 0 1 1 * for 8784h", "0 0 * * * for 366h"):
        own = windows(f"deny {long} in Europe/Berlin because nothing comes between them")
        assert state(own, utc("2026-11-30 20:10")).opens is None
    gap = windows("deny * * * * * for 1m in UTC because it is retired")
    assert state(gap, utc("2026-11-30 20:10")).opens is None


def test_rule_blocks_every_run_when_this_machine_cannot_read_it() -> None:
    for wrong, why in (({"zone": "Mars/Olympus"}, "tzdata"), ({"cron": "0 99 * * *"}, "hour")):
        fields = {"cron": "0 1 * * *", "zone": "UTC", "duration_s": 60, "reason": "x"} | wrong
        for effect in WindowEffect:
            own = Windows.of([WindowRule(effect=effect, **fields)])  # type: ignore[arg-type]  # a test
            found = state(own, utc("2026-11-30 20:10"))
            assert found.opens is None
            assert why in told.block(found.blocks[0])


def test_window_moments_are_shown_in_zone_and_utc_when_a_rule_blocks() -> None:
    own = windows("weekend: deny 0 18 * * FRI for 62h in Europe/Berlin because nobody is on call")
    found = state(own, utc("2026-11-28 12:00"))
    assert told.block(found.blocks[0]) == (
        "weekend denies runs until 2026-11-30 08:00 Europe/Berlin (2026-11-30 07:00Z):"
        " nobody is on call"
    )
    assert told.opening(found) == (
        "a run may begin 2026-11-30 08:00 Europe/Berlin (2026-11-30 07:00Z)"
    )


RULES = st.builds(
    WindowRule,
    effect=st.sampled_from(WindowEffect),
    cron=st.sampled_from(["0 8 * * *", "0 9 * * *", "30 8 * * *", "0 12 * * *"]),
    duration_s=st.sampled_from([1800, 3600, 4 * 3600]),
    zone=st.just("UTC"),
    reason=st.just("x"),
    name=st.sampled_from(["", "a", "b"]),
)
POLICIES = st.lists(RULES, max_size=4).map(Windows.of)


@settings(deadline=None)
@given(one=POLICIES, other=POLICIES, third=POLICIES, minute=st.integers(7 * 60, 17 * 60))
def test_windows_of_several_policies_are_open_when_all_of_them_are(
    one: Windows, other: Windows, third: Windows, minute: int
) -> None:
    now = utc("2026-11-30 00:00") + timedelta(minutes=minute)
    both = one.stricter(other)
    assert both == other.stricter(one)
    assert both.stricter(third) == one.stricter(other.stricter(third))
    assert both.stricter(one) == both == both.stricter(both)
    assert one.stricter(NO_WINDOWS) == one
    assert state(both, now).open == (state(one, now).open and state(other, now).open)
    assert from_plain(Windows, to_plain(both)) == both


def test_windows_report_every_complaint_when_several_rules_are_wrong() -> None:
    with pytest.raises(InvalidConfig) as raised:
        typed(
            [
                "every friday",
                "deny 0 25 * * FRI for 2h in Europe/Berln because x",
                "deny 0 18 * * for 30s in localtime because x",
                "deny 0 0 31 2 * for 9000h in UTC because x",
                "a: deny 0 1 * * * for 1h in UTC because x",
                "a: allow 0 1 * * * for 1h in UTC because x",
            ]
        )
    found = "\n".join(raised.value.problems)
    assert "'every friday' has not the form [NAME:] allow|deny CRON" in found
    assert "deny[0].cron: '0 25 * * FRI' is not a cron expression: it has a bad hour" in found
    assert "did you mean Europe/Berlin?" in found
    assert "it has not five fields" in found
    assert "must be 60 s or more" in found
    assert "'localtime' is not a time zone" in found
    assert "must be at most 8784h" in found


def test_windows_are_refused_when_two_have_the_same_name() -> None:
    with pytest.raises(InvalidConfig) as raised:
        typed(
            [
                "a: deny 0 1 * * * for 1h in UTC because x",
                "a: allow 0 1 * * * for 1h in UTC because x",
            ]
        )
    assert "several windows with the name a" in "\n".join(raised.value.problems)


def test_rule_keeps_its_text_when_read_and_written_again() -> None:
    for text in (
        "weekend: deny 0 18 * * FRI for 62h in Europe/Berlin because nobody is on call for it",
        "allow */5 8-17 1,15 JAN-MAR * for 1h30m in UTC because of: a colon",
    ):
        assert str(rule(text)) == text
        assert rule(str(rule(text))) == rule(text)


def test_reason_is_read_as_a_single_line_when_written_over_several_lines() -> None:
    rule = {"cron": "0 1 * * *", "duration": "1h", "time_zone": "UTC"}
    folded = {"deny": [rule | {"reason": "the batch\n  - a run\tmay begin\n"}]}
    (found,) = typed([folded])
    assert found.reason == "the batch - a run may begin"
    assert typed([str(found)]) == (found,)
    with pytest.raises(InvalidConfig) as raised:
        typed([{"deny": [rule | {"reason": " \n"}]}])
    assert raised.value.problems == ("--window 1.deny[0].reason: must not be empty",)
