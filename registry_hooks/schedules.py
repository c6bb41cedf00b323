"""The `[[schedule]]` tables of flipadops.toml, checked, and the cron lines in them."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from pydantic.dataclasses import dataclass

from flipad_ops.common.config_file import root_of
from flipad_ops.common.config_tables import (
    STRICT,
    Above0,
    AtLeast0,
    AtLeast1,
    TextOrTexts,
    read_tables,
)
from flipad_ops.common.errors import UsageError
from flipad_ops.scanning.outputs import format_names
from registry_hooks.cron_times import next_run

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

#: Goes into file names and log lines.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: Written by the schedule itself; a second value would contradict it.
_OWN_OPTIONS = ("-o", "--output", "-m", "--model", "--all-models", "--fail-on", "--state")
#: The `state` of a schedule whose scans stand each for itself.
NO_LEDGER = "none"


@dataclass(frozen=True, config=STRICT)
class Schedule:
    """A scan that is repeated.

    Parameters
    ----------
    name : str
        Letters, digits, `_ . -`.
    cron : str
        Minute, hour, day of month, month, weekday (0 and 7 are Sunday).
    targets, models : tuple of str
        As `flipadops scan` takes them; no models means every registered attributor.
    outputs : tuple of str
        FORMAT for a file in the scan's own folder, FORMAT=PATH for another place.
    fail_on : {"leak", "accepted", "review", "never"}
    options : tuple of str
        Further words for `flipadops scan`.
    state : str
        Ledger, so that unchanged images are not scored again and the scans share a yearly level;
        empty for one of its own beside the scans' folders, "none" for none.
    timezone : str
    jitter : float
        Seconds by which a start may be moved, so that many schedules do not start in step.
    time_limit : float
        Seconds; a longer scan is interrupted, which saves its ledger.
    on_finding, on_failure : tuple of str
        Names of `[[notify]]` channels.
    keep : int
        Scans whose folders are kept.
    root : str
        Folder of the configuration file, to which its paths are relative; no key of it.
    """

    name: str
    cron: str
    targets: TextOrTexts
    models: TextOrTexts = ()
    outputs: TextOrTexts = ("html",)
    fail_on: Literal["leak", "accepted", "review", "never"] = "accepted"
    options: TextOrTexts = ()
    state: str = ""
    timezone: str = "UTC"
    jitter: AtLeast0 = 0.0
    time_limit: Above0 = 24 * 3600.0
    on_finding: TextOrTexts = ()
    on_failure: TextOrTexts = ()
    keep: AtLeast1 = 30
    root: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise UsageError(f"A schedule cannot be called {self.name!r}.")
        if not self.targets:
            raise UsageError(f"Schedule {self.name} names no targets.")
        if any(target.startswith("-") for target in (*self.targets, *self.models)):
            raise UsageError(f"Schedule {self.name}: a target or model cannot begin with '-'.")
        for output in self.outputs:
            if output.partition("=")[0] not in format_names() or output.endswith("="):
                raise UsageError(f"Schedule {self.name}: no output format {output!r}.")
        for word in self.options:
            if word.partition("=")[0] in _OWN_OPTIONS:
                raise UsageError(f"Schedule {self.name}: {word} is a key of its own, no option.")
        self.next_after(datetime.now(UTC))

    def trigger(self) -> CronTrigger:
        """What the clock shows when it runs; a UsageError for a cron line that is none."""
        from apscheduler.triggers.cron import CronTrigger

        try:
            minute, hour, day, month, weekday = self.cron.split()
            if "*" not in (day, weekday):
                raise ValueError("day of month and weekday together: write two schedules")
            return CronTrigger(
                minute=minute,
                hour=hour,
                day=day,
                month=month,
                day_of_week=_weekdays(weekday),
                timezone=UTC,
            )
        except (ValueError, KeyError) as error:
            raise UsageError(
                f"Schedule {self.name} cannot run at {self.cron!r}: {error}."
            ) from error

    def trigger_text(self) -> str:
        """What a change of makes the next run be computed anew."""
        return f"{self.cron} | {self.timezone} | {self.jitter:g}"

    def next_after(self, now: datetime) -> float:
        """The next start after `now`, in seconds since 1970; see `cron_times`."""
        fixed = not any(field.startswith("*") for field in self.cron.split()[:2])
        found = next_run(self.trigger(), self._zone(), fixed, now)
        if found is None:
            raise UsageError(f"Schedule {self.name} never runs at {self.cron!r}.")
        moved = found.timestamp() + random.uniform(-self.jitter, self.jitter)
        return moved if moved > now.timestamp() else found.timestamp()

    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.timezone)
        except (ValueError, KeyError, OSError) as error:
            raise UsageError(
                f"Schedule {self.name} cannot run at {self.cron!r} ({self.timezone}): no such "
                "time zone."
            ) from error

    def _own_ledger(self) -> str:
        """A ledger belongs to one choice of targets and options."""
        chosen = json.dumps([self.targets, self.options]).encode()
        return f"ledger-{hashlib.sha256(chosen).hexdigest()[:12]}.db"

    def words(self, folder: Path) -> list[str]:
        """The words after `flipadops scan`, with its records in `folder`."""
        words = [*self.targets, "--quiet", "--fail-on", self.fail_on]
        for model in self.models:
            words += ["--model", model]
        if not self.models:
            words.append("--all-models")
        if self.state != NO_LEDGER:
            words += ["--state", self.state or str(folder.parent / self._own_ledger())]
        words += ["-o", f"jsonl={folder / RECORDS}"]
        for output in self.outputs:
            name, _, path = output.partition("=")
            words += ["-o", f"{name}={path or folder / f'scan.{name}'}"]
        return [*words, *self.options]


#: What every scan leaves in its folder, and what is read back from there.
RECORDS = "records.jsonl"


def load_schedules(path: Path | None, channels: Sequence[str] = ()) -> tuple[Schedule, ...]:
    """The schedules of a file, in its order.

    Raises
    ------
    UsageError
        A table is wrong, a name is used twice, or an action names no channel of `channels`.
    """
    found: list[Schedule] = []
    for schedule in read_tables(path, "schedule", Schedule):
        if schedule.root:
            raise UsageError(f"[[schedule]] {schedule.name} has an unknown key 'root'.")
        schedule = replace(schedule, root=root_of(path))
        if any(schedule.name == other.name for other in found):
            raise UsageError(f"Two schedules are called {schedule.name}.")
        for name in (*schedule.on_finding, *schedule.on_failure):
            if name not in channels:
                raise UsageError(f"Schedule {schedule.name} names no [[notify]] {name!r}.")
        found.append(schedule)
    return tuple(found)


def _weekdays(text: str) -> str:
    """Cron counts from Sunday, APScheduler from Monday: names are the same to both."""
    if text == "*":
        return text
    return ",".join(_DAYS[day % 7] for part in text.split(",") for day in _span(part))


def _span(part: str) -> range:
    span, slash, step = part.partition("/")
    first, dash, last = span.partition("-")
    low = 0 if first == "*" else _day(first)
    high = _day(last) if dash else 6 if slash else low
    if high == 0 and low:
        high = 7  # fri-sun
    if high < low or (slash and not (step.isdigit() and int(step))):
        raise ValueError(f"no weekdays {part}")
    return range(low, high + 1, int(step) if slash else 1)


def _day(text: str) -> int:
    if text.isdigit() and int(text) <= 7:
        return int(text)
    if text.lower() in _DAYS:
        return _DAYS.index(text.lower())
    raise ValueError(f"no weekday {text!r}")


def find(schedules: Sequence[Schedule], name: str) -> Schedule:
    """The schedule of a name, or a UsageError that names those there are."""
    for schedule in schedules:
        if schedule.name == name:
            return schedule
    known = ", ".join(each.name for each in schedules) or "none"
    raise UsageError(f"No schedule {name!r}; there are: {known}.")
