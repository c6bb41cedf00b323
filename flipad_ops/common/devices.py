"""Is there such a device? Asked before anything is loaded onto it."""

from __future__ import annotations

import torch

from flipad_ops.common.errors import UsageError, first_line


def check_device(name: str) -> str:
    """`name`, if a tensor can be put there.

    Raises
    ------
    UsageError
        No such kind of device, or none on this machine.
    """
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError, ValueError) as error:
        reason = first_line(error).split(" device type at")[0]
        raise UsageError(f"There is no device {name!r} here: {reason.rstrip('.')}.") from error
    return name
