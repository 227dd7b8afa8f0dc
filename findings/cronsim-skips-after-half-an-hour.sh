#!/bin/sh
# cronsim 2.8: where a clock is changed by half an hour, runs of the following hours are skipped; within an hour that comes
# twice, the next run lies in the past.
#
# Lord Howe Island puts its clocks forward and back by 30 minutes. cronsim walks to the next hour that matches in steps of
# 3600 s from the last full hour; behind a change by 30 minutes each step lands on half past, and the hour is entered there.
# "* 23 * * *" then begins at 23:30 on that day, half a day after the change: 30 of its 60 runs never come. croniter has all.
#
# In Berlin, 02:00 to 03:00 comes twice in October. Asked at 02:45 the second time for the next "50 2 * * *", cronsim answers
# 02:50 of the first time, 55 minutes ago: it drops which of the two it was asked at. croniter answers 02:50 the second time.
#
# Seen: "cronsim: 30 runs, next in -55 min; croniter: 60 runs, next in 5 min". Exits 1 if that changes. Needs Python and pip.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'cronsim==2.8' 'croniter==7.0.0' 'tzdata'
cat > "$place/try.py" <<'PY'
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim

island, berlin = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Europe/Berlin")
evening = datetime(2026, 4, 4, 23, 59, tzinfo=island)  # two hours before the clocks are put back
again = datetime(2026, 10, 25, 2, 45, tzinfo=berlin, fold=1)


def by_cronsim(expression, start):
    yield from CronSim(expression, start)


def by_croniter(expression, start):
    found = croniter(expression, start, ret_type=datetime)
    while True:
        yield found.get_next(datetime)


def seen(by):
    runs = 0
    for each in by("* 23 * * *", evening):
        if each.date() != datetime(2026, 4, 5).date():
            break
        runs += 1
    late = next(by("50 2 * * *", again)).astimezone(UTC) - again.astimezone(UTC)
    return f"{runs} runs, next in {late.total_seconds() / 60:.0f} min"


told = f"cronsim: {seen(by_cronsim)}; croniter: {seen(by_croniter)}"
print(told)
raise SystemExit(told != "cronsim: 30 runs, next in -55 min; croniter: 60 runs, next in 5 min")
PY
"$place/venv/bin/python" "$place/try.py"
