"""Joining a Ray cluster, or starting one here for the length of a scan."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from flipad_ops.common.errors import UsageError, first_line
from flipad_ops.common.extras import need

#: Shared memory of a cluster started here: pixels under way, not the data set.
STORE_BYTES = 512 * 2**20
CONNECT_SECONDS = 5.0


def need_ray(address: str = "") -> Any:
    """The `ray` module, set up to keep to itself.

    Parameters
    ----------
    address : str
        Where the cluster is; empty when one is to be started here.

    Raises
    ------
    UsageError
        It is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")
    if not address:
        # Read at import; without it this machine's Ray takes its outer address and listens on every
        # interface, where whoever reaches it may run code.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    need("ray", "--engine ray")
    return importlib.import_module("ray")


@contextmanager
def joined(address: str = "", cpus: int | None = None) -> Iterator[Any]:
    """The `ray` module, connected until the block ends.

    A connection that is already there is used and left open.

    Parameters
    ----------
    address : str
        HOST:PORT of a cluster; empty starts one on this machine, which ends with the block.
    cpus : int, optional
        CPUs that the one started here claims to have; those of the machine if not given.

    Raises
    ------
    UsageError
        No Ray, or no cluster at the address.
    """
    ray = need_ray(address)
    if ray.is_initialized():
        yield ray
        return
    if address:
        _knock(ray, address)
        where: dict[str, Any] = {"address": address}
    else:
        where = {
            "address": "local",
            "num_cpus": cpus,
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
            "_node_ip_address": "127.0.0.1",
        }
    try:
        with _own_signals():
            ray.init(
                **where, log_to_driver=False, logging_level=logging.CRITICAL, configure_logging=True
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"Ray cannot be used at {address or 'this machine'}: {first_line(error)}"
        ) from error
    try:
        with redirect_stdout(sys.stderr):  # Ray prints what it has to say; stdout is for results
            yield ray
    finally:
        with _own_signals():
            ray.shutdown()


def _knock(ray: Any, address: str) -> None:
    """Ray itself would wait for ever."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"{address!r} is no address of a Ray cluster: HOST:PORT.")
    if host in ("localhost", "127.0.0.1", "::1"):
        host = ray.util.get_node_ip_address()  # as Ray takes it
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"No Ray cluster answers at {address}.") from error


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray installs handlers of its own; what a signal means here is for the scan to say."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if threading.current_thread() is not threading.main_thread():
        before = {}  # only the main thread can set them
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
