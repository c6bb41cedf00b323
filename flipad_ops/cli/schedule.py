"""`flipadops hooks schedule ...` and `hooks notify`: scans by the clock, and who hears of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flipad_ops.cli.help import PlainGroup
from flipad_ops.cli.hooks_config import (
    AsJson,
    Config,
    Registry,
    config_file,
    hook_settings,
)
from flipad_ops.common.errors import UsageError
from flipad_ops.common.exit_codes import CRASH
from flipad_ops.common.log import service_log

if TYPE_CHECKING:
    from registry_hooks.hook_settings import HookSettings
    from registry_hooks.scan_jobs import ScanQueue
    from registry_hooks.schedules import Schedule
    from registry_hooks.schema import Scan

schedule = typer.Typer(
    name="schedule",
    cls=PlainGroup,
    help="Scans by the clock, as flipadops.toml lists them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Name = Annotated[str, typer.Argument(help="Of a schedule in flipadops.toml.", metavar="NAME")]


@schedule.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """Show every schedule: its next run, and its last scan."""
    with _queue(hook_settings(config), config, reads=True) as (scans, schedules):
        rows = scans.times()
        found: list[dict[str, Any]] = []
        for each in schedules:
            row, newest = rows[each.name], scans.newest(each.name, limit=1)
            found.append(
                {
                    "name": each.name,
                    "cron": each.cron,
                    "timezone": each.timezone,
                    "paused": row.paused,
                    "next_run": None if row.paused else row.next_run,
                    "last": _fields(newest[0]) if newest else None,
                }
            )
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    if not found:
        sys.stdout.write("no [[schedule]] in the configuration\n")
    width = max((len(line["name"]) for line in found), default=0)
    for line in found:
        due = "paused" if line["paused"] else f"next {_time(line['next_run'])}"
        sys.stdout.write(f"{line['name']:<{width}}  {due}  {_last(line['last'])}\n")


@schedule.command("run-now")
def run_now(name: Name, config: Config = None, registry: Registry = None) -> None:
    """Run a schedule's scan here and now; ends with the scan's exit code."""
    settings = hook_settings(config, registry=registry)
    from registry_hooks.scan_run import run_scan
    from registry_hooks.schedules import find
    from registry_hooks.service import stop_on_signals

    with _queue(settings, config) as (scans, schedules):
        wanted = find(schedules, name)
        scan = scans.start(name, Path(settings.logs))
        if scan is None:
            raise UsageError(f"A scan of schedule {name} is running.")
        service_log()
        code = run_scan(scans, wanted, scan, stop_on_signals(), settings.registry)
        done = next(each for each in scans.newest(name) if each.id == scan.id)
    sys.stdout.write(f"{_last(_fields(done))}\nrecords in {done.folder}\n")
    raise typer.Exit(CRASH if code is None else code if code >= 0 else 128 - code)


@schedule.command()
def pause(name: Name, config: Config = None) -> None:
    """Start it by hand only, until it is resumed; a scan that runs goes on."""
    from registry_hooks.schedules import find

    with _queue(hook_settings(config), config) as (scans, schedules):
        if not scans.pause(find(schedules, name).name):
            raise UsageError(f"Schedule {name} is paused already.")
    sys.stdout.write(f"{name} is paused\n")


@schedule.command()
def resume(name: Name, config: Config = None) -> None:
    """Start it by the clock again; what the pause left out is not caught up."""
    from registry_hooks.schedules import find

    with _queue(hook_settings(config), config) as (scans, schedules):
        if not scans.resume(find(schedules, name)):
            raise UsageError(f"Schedule {name} is not paused.")
        following = scans.times()[name].next_run
    sys.stdout.write(f"{name} runs next at {_time(following)}\n")


def notify(
    channel: Annotated[str, typer.Argument(help="Of a notify table.", metavar="CHANNEL")],
    config: Config = None,
) -> None:
    """Send a test message to a channel, at once and past its limit."""
    settings = hook_settings(config)
    import time

    from registry_hooks.messages import TEST
    from registry_hooks.senders import NotSent, send
    from registry_hooks.watch import load_watch

    channels = load_watch(config_file(config), settings).channels
    if channel not in channels:
        known = ", ".join(channels) or "none"
        raise UsageError(f"No [[notify]] {channel!r}; there are: {known}.")
    channels[channel].check()
    try:
        send(channels[channel], f"flipad-test-{time.time_ns()}", {"event": TEST, "new": 0})
    except NotSent as error:
        raise UsageError(f"Channel {channel} did not take the message: {error}.") from error
    sys.stdout.write(f"{channel} took a test message\n")


@contextmanager
def _queue(
    settings: HookSettings, config: Path | None, reads: bool = False
) -> Iterator[tuple[ScanQueue, tuple[Schedule, ...]]]:
    from registry_hooks.scan_jobs import ScanQueue
    from registry_hooks.service import open_queue
    from registry_hooks.watch import load_watch

    schedules = load_watch(config_file(config), settings).schedules
    # Without a configuration this is another folder than that of the service.
    fits = open_queue(settings, must_exist=reads and config_file(config) is None)
    try:
        scans = ScanQueue(fits.sessions, settings.lease)
        # Another file may hold further schedules of a service that runs: they stay.
        scans.sync(schedules, remove=False)
        yield scans, schedules
    finally:
        fits.close()


def _fields(scan: Scan) -> dict[str, object]:
    names = (
        "id schedule state started ended exit_code verdict scored leaks review reason folder told"
    )
    return {name: getattr(scan, name) for name in names.split()}


def _last(scan: dict[str, object] | None) -> str:
    if scan is None:
        return "never ran"
    when = _time(scan["started"])
    if scan["state"] == "running":
        return f"running since {when}"
    if scan["exit_code"] not in (0, 3):
        return f"failed {when}: {scan['reason']}"
    return f"scanned {when}: {scan['leaks']} leaks, {scan['review']} for review of {scan['scored']}"


def _time(seconds: object) -> str:
    stamp = datetime.fromtimestamp(float(str(seconds)), UTC)
    return stamp.strftime("%Y-%m-%d %H:%M:%S UTC")
