"""Activations of a fit in a temporary file: thousands, of up to megabytes each, fill a memory."""

from __future__ import annotations

import math
import shutil
import tempfile
import weakref

import numpy as np
import torch
from torch import Tensor

from flipad_ops.common.errors import UsageError

#: Bytes up to which everything stays in memory.
HELD = 2**26


class ActivationFile:
    """Activations written once, one behind the other, and read by row; see `Activations`.

    The file lies in the folder that TMPDIR names and ends with the object or its process.

    Parameters
    ----------
    count : int
        How many there will be.
    activation_shape : tuple of int

    Raises
    ------
    UsageError
        The folder has less room than they take.
    """

    def __init__(self, count: int, activation_shape: tuple[int, ...]) -> None:
        self.shape: tuple[int, ...] = (count, *activation_shape)
        self._size = 4 * math.prod(activation_shape)
        folder, needed = tempfile.gettempdir(), count * self._size
        free = shutil.disk_usage(folder).free
        if needed > max(free, HELD):
            raise UsageError(
                f"The activations of this fit take {needed / 2**30:.1f} GiB and {folder} has only "
                f"{free / 2**30:.1f} GiB left: let TMPDIR name a larger folder, or fit with a "
                "smaller window or fewer samples."
            )
        self._file = tempfile.SpooledTemporaryFile(HELD)  # noqa: SIM115
        weakref.finalize(self, self._file.close)

    def append(self, activations: Tensor) -> None:
        """The next ones, float32, (n, *activation_shape)."""
        self._file.write(activations.numpy().tobytes())

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Those of int64 rows (n,), float32 (n, *activation_shape)."""
        found = torch.empty(len(rows), *self.shape[1:])
        for row, place in zip(rows.tolist(), found, strict=True):
            self._file.seek(row * self._size)
            values = np.frombuffer(bytearray(self._file.read(self._size)), np.float32)
            place.copy_(torch.from_numpy(values).reshape(self.shape[1:]))
        return found
