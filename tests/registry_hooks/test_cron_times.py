"""Where clocks change, schedules run as cron does it, over zones and years."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_hooks.schedules import Schedule

#: Clocks that move by an hour, half an hour, two hours, a day; to the east and the west; never.
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Antarctica/Troll",
         "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu", "UTC"]  # fmt: skip
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def runs(cron: str, zone: str, begin: datetime, end: datetime) -> list[datetime]:
    schedule, now, found = Schedule("n", cron, ("x",), timezone=zone), begin, list[datetime]()
    while (now := datetime.fromtimestamp(schedule.next_after(now), UTC)) <= end:
        found.append(now)
    return found


def cron(line: str, zone: str, begin: datetime, end: datetime) -> Iterator[datetime]:
    """What a cron does that looks at the clock every minute, and remembers what it has shown."""
    minutes, hours = (
        _field(text, most) for text, most in zip(line.split(), (60, 24), strict=False)
    )
    fixed, seen = "*" not in " ".join(line.split()[:2]), set[datetime]()
    now = begin - 2 * DAY
    last = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    while now < end:
        now += MINUTE
        shown = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        passed = [shown]
        if fixed and shown - last > MINUTE:  # left out: what stands there is run now
            passed = [last + n * MINUTE for n in range(1, (shown - last) // MINUTE + 1)]
        last = shown
        due = [t for t in passed if t.minute in minutes and t.hour in hours]
        if fixed:
            due = [t for t in due if t not in seen]
            seen.update(due)
        if due and now > begin:
            yield now


def _field(text: str, most: int) -> set[int]:
    if text.startswith("*"):
        return set(range(0, most, int(text[2:] or 1)))
    return {int(part) for part in text.split(",")}


def changes(zone: str, year: int) -> list[datetime]:
    """Days of a year on which the clocks change, or one that is as any other."""
    days = [datetime(year, 1, 1, tzinfo=UTC) + n * DAY for n in range(365)]
    offsets = [day.astimezone(ZoneInfo(zone)).utcoffset() for day in days]
    found = [days[n] for n in range(364) if offsets[n] != offsets[n + 1]]
    return found or [days[100]]


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    year=st.integers(2010, 2027),
    which=st.integers(0, 1),
    minute=st.sampled_from(["0", "30", "59", "*/20", "15,45", "*/7"]),
    hour=st.sampled_from(["0", "1", "2", "3", "2,3", "*", "*/2", "23"]),
)
def test_as_cron_does_it(zone: str, year: int, which: int, minute: str, hour: str) -> None:
    found = changes(zone, year)
    begin = found[which % len(found)] - DAY
    end, line = begin + 3 * DAY, f"{minute} {hour} * * *"
    assert runs(line, zone, begin, end) == list(cron(line, zone, begin, end))


@pytest.mark.parametrize(
    ("line", "hours"),
    [("30 2 * * *", [0]), ("30 * * * *", list(range(25))), ("*/30 2 * * *", [0, 0, 1, 1])],
    ids=["daily", "hourly", "half-hourly"],
)
def test_the_night_of_25_october_2026_in_berlin(line: str, hours: list[int]) -> None:
    midnight = datetime(2026, 10, 25, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    found = runs(line, "Europe/Berlin", midnight - MINUTE, midnight + timedelta(hours=25))
    begin = midnight + timedelta(hours=2) if line.split()[1] == "2" else midnight
    assert [(run - begin) // timedelta(hours=1) for run in found] == hours


def test_a_time_that_is_left_out_runs_at_the_change() -> None:
    found = runs(
        "30 2 * * *", "Europe/Berlin", *(datetime(2026, 3, d, tzinfo=UTC) for d in (29, 30))
    )
    assert found == [datetime(2026, 3, 29, 1, tzinfo=UTC)]


def test_what_runs_once_in_a_while_is_found_in_time() -> None:
    schedule = Schedule("n", "* * 29 2 *", ("x",), timezone="Europe/Berlin")
    found = datetime.fromtimestamp(schedule.next_after(datetime(2026, 3, 29, tzinfo=UTC)), UTC)
    assert found == datetime(2028, 2, 28, 23, tzinfo=UTC)
