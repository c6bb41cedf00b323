"""`flipadops hooks`: keep every registered generator version served by an attributor."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flipad_ops.cli.help import PlainGroup
from flipad_ops.cli.hooks_config import (
    AsJson,
    Config,
    Registry,
    config_file,
    hook_settings,
)
from flipad_ops.cli.log_format import LogFormat, LogFormatChoice
from flipad_ops.cli.schedule import notify, schedule
from flipad_ops.common.errors import UsageError
from flipad_ops.common.log import service_log

if TYPE_CHECKING:
    from registry_hooks.schema import Fit

hooks = typer.Typer(
    name="hooks",
    cls=PlainGroup,
    help="Attributors and scans unattended: receiver, workers, reconciler, schedules.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
hooks.add_typer(schedule, name="schedule")
hooks.command()(notify)

Workers = Annotated[int, typer.Option(min=0, help="Fits at a time.")]


@hooks.command()
def up(
    config: Config = None,
    registry: Registry = None,
    host: Annotated[str | None, typer.Option(help="Address to bind (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one (8765).")] = None,
    workers: Workers = 1,
    log_format: LogFormat = LogFormatChoice.text,
) -> None:
    """Run receiver, workers, reconciler, schedules and notifications, until SIGTERM.

    The webhook's secret comes from FLIPADOPS_WEBHOOK_SECRET or the file that
    FLIPADOPS_WEBHOOK_SECRET_FILE names.
    """
    settings = hook_settings(config, registry=registry, host=host, port=port)
    from registry_hooks.service import load_libraries, run_service, stop_on_signals
    from registry_hooks.signature import read_secret
    from registry_hooks.watch import load_watch

    secret = read_secret()
    watch = load_watch(config_file(config), settings)
    watch.check()
    service_log()
    logging.getLogger("flipad.hooks").info("Starting")  # libraries take seconds
    load_libraries()
    run_service(
        settings,
        secret,
        stop_on_signals(),
        workers=workers,
        watch=watch,
        ready=lambda url: logging.getLogger("flipad.hooks").info("Listening on %s", url),
    )


@hooks.command()
def worker(
    config: Config = None,
    registry: Registry = None,
    workers: Workers = 1,
    log_format: LogFormat = LogFormatChoice.text,
) -> None:
    """Run workers only, on any machine that reaches the work table, until SIGTERM."""
    settings = hook_settings(config, registry=registry)
    from registry_hooks.service import run_workers, stop_on_signals

    service_log()
    run_workers(settings, stop_on_signals(), max(1, workers))


@hooks.command()
def reconcile(config: Config = None, registry: Registry = None, as_json: AsJson = False) -> None:
    """Compare the registry with the work table once, and queue what is missing."""
    settings = hook_settings(config, registry=registry)
    from registry_hooks.service import open_queue
    from registry_hooks.timer import reconcile_once

    fits = open_queue(settings)
    try:
        found = reconcile_once(fits, settings)
    finally:
        fits.close()
    sys.stdout.write(f"{json.dumps(asdict(found), indent=2) if as_json else found.text()}\n")


@hooks.command()
def install(
    url: Annotated[str, typer.Argument(help="The receiver as the MLflow server reaches it.")],
    config: Config = None,
    registry: Registry = None,
    as_json: AsJson = False,
) -> None:
    """Create or update the MLflow webhook and send a test event through it.

    URL ends in /mlflow. Needs the secret that the receiver has.
    """
    settings = hook_settings(config, registry=registry)
    from mlflow import MlflowClient

    from registry_hooks.install import install as install_webhook
    from registry_hooks.signature import read_secret

    found = install_webhook(MlflowClient(settings.registry), url, read_secret())
    if as_json:
        sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n")
    else:
        how = "created" if found.created else "updated"
        sys.stdout.write(f"webhook {found.webhook_id} {how}; {url} accepted a test event\n")


@hooks.command()
def status(
    config: Config = None,
    state: Annotated[
        list[str] | None, typer.Option(help="Only this state; repeatable.", metavar="STATE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the work table, newest change first."""
    settings = hook_settings(config)
    from registry_hooks.schema import STATES
    from registry_hooks.service import open_queue

    wrong = sorted(set(state or ()) - set(STATES))
    if wrong:
        raise UsageError(f"No state {wrong[0]!r}; there are {', '.join(STATES)}.")
    fits = open_queue(settings, must_exist=True)
    try:
        rows = fits.rows(*state or ())
        counts = fits.counts()
    finally:
        fits.close()
    if as_json:
        sys.stdout.write(
            json.dumps({"counts": counts, "work": [_fields(row) for row in rows]}, indent=2) + "\n"
        )
        return
    for row in rows:
        what = row.attributor or row.reason or ""
        tries = f"{row.attempts} tries" if row.attempts > 1 else ""
        sys.stdout.write(
            f"{row.state:<8} {row.model}/{row.version}  {what}  {tries}".rstrip() + "\n"
        )
    sys.stdout.write(", ".join(f"{count} {name}" for name, count in counts.items()) + "\n")


@hooks.command()
def retry(
    model: Annotated[str, typer.Argument(help="models:/NAME/VERSION.", metavar="MODEL")],
    config: Config = None,
) -> None:
    """Queue failed or skipped work again, with all of its attempts."""
    settings = hook_settings(config)
    from flipad_ops.registry.uris import parse_model
    from registry_hooks.schema import FAILED, QUEUED, SKIPPED
    from registry_hooks.service import open_queue

    ref, wanted = parse_model(model), settings.config_sha256()
    if ref.version is None:
        raise UsageError(f"{model!r} names no version: write models:/NAME/VERSION.")
    fits = open_queue(settings, must_exist=True)
    try:
        for row in fits.rows():
            if (row.model, str(row.version), row.config) != (ref.name, ref.version, wanted):
                continue
            if row.state not in (FAILED, SKIPPED) or not fits.move(row, QUEUED):
                raise UsageError(f"{ref} is {row.state}.")
            sys.stdout.write(f"{ref} is queued\n")
            return
    finally:
        fits.close()
    raise UsageError(f"{ref} is not in the work table under this configuration.")


def _fields(row: Fit) -> dict[str, object]:
    first = "model version config state attempts due owner lease_until"
    then = "reason attributor log created updated"
    fields = {name: getattr(row, name) for name in first.split()} | {"kind": row.error}
    return fields | {name: getattr(row, name) for name in then.split()}
