"""When a cron line runs, also where clocks change, as cron (Vixie's) does it.

A line with a fixed hour and minute runs once for each time of the clock: at the first of two where
clocks go back, and at the change itself where they go forward over it. One with `*` in its hour or
minute (`*/10` too) runs whenever the clock shows a time of it: again in an hour that comes twice,
and not in one that is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger


#: No zone's clocks have ever moved by more, not even over the date line.
FARTHEST = timedelta(hours=25)
_MINUTE = timedelta(minutes=1)


def next_run(trigger: CronTrigger, zone: ZoneInfo, fixed: bool, now: datetime) -> datetime | None:
    """The first run after `now`; None if there is none.

    Parameters
    ----------
    trigger : CronTrigger
        The line's times, in UTC: what the clock shows.
    fixed : bool
        Neither the hour nor the minute has a `*`.
    """
    found: datetime | None = None
    for shown in _shown_from(trigger, now.astimezone(zone).replace(tzinfo=None), _slack(zone, now)):
        runs = _runs(shown, zone, fixed)
        later = [run for run in runs if run > now]
        if later and (found is None or later[0] < found):
            found = later[0]
        if found is not None and _at(shown, zone, 0) >= found:
            return found
    return found


def _slack(zone: ZoneInfo, now: datetime) -> timedelta:
    """How far back what the clock shows next may lie."""
    around = {(now + step).astimezone(zone).utcoffset() for step in (-FARTHEST, FARTHEST)}
    return FARTHEST if len(around) > 1 else timedelta(0)


def _shown_from(trigger: CronTrigger, shown: datetime, slack: timedelta) -> Iterator[datetime]:
    place = (shown - slack).replace(tzinfo=UTC)
    while (found := trigger.get_next_fire_time(None, place)) is not None:
        yield found.replace(tzinfo=None)
        place = found + _MINUTE


def _runs(shown: datetime, zone: ZoneInfo, fixed: bool) -> list[datetime]:
    """The moments for which a time of the clock stands, in their order."""
    first, second = _at(shown, zone, 0), _at(shown, zone, 1)
    if first.astimezone(zone).replace(tzinfo=None) != shown:  # left out
        return [_change(zone, second, first)] if fixed else []
    return [first] if fixed or first == second else [first, second]


def _at(shown: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return shown.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """When the offset changes in between, to the second."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
