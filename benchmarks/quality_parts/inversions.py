"""An inverter that remembers on disk, so that rows and reruns share their inversions."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flipad_ops.generators import FinalLayer, OutputMap
from flipad_ops.inversion import FinalLayerInverter, InversionResult, InversionSettings


class CachedInverter(FinalLayerInverter):
    """Like its parent; what was inverted once is read from `folder`, image by image."""

    def __init__(
        self, folder: Path, layer: FinalLayer, output_map: OutputMap, anchor: Tensor,
        settings: InversionSettings,
    ) -> None:  # fmt: skip
        super().__init__(layer, output_map, anchor, settings)
        key = hashlib.sha256(layer.sha256().encode())
        key.update(json.dumps(settings.to_dict(), sort_keys=True).encode())
        key.update(anchor.numpy().tobytes())
        self.folder = folder / key.hexdigest()[:24]
        self.folder.mkdir(parents=True, exist_ok=True)

    def invert(self, pixels: Tensor, step: float = 1 / 255, progress: object = None
               ) -> InversionResult:  # fmt: skip
        """See the parent; residuals are computed anew, iterations of cached images read 0."""
        self.check(pixels)
        levels = (pixels * 255).round().to(torch.uint8).numpy()
        paths = [self.folder / f"{hashlib.sha1(x.tobytes()).hexdigest()}.npy" for x in levels]
        missing = [row for row, path in enumerate(paths) if not path.exists()]
        fresh = super().invert(pixels[missing], step) if missing else None
        z = torch.empty(len(pixels), *self.anchor.shape)
        gap = torch.zeros(len(pixels), dtype=torch.float64)
        for position, row in enumerate(missing):
            assert fresh is not None
            np.save(paths[row], fresh.z[position].numpy())
            gap[row] = fresh.gap[position]
        for row, path in enumerate(paths):
            z[row] = torch.from_numpy(np.load(path))
        box = self.target(pixels, step).shifted(self.offset)
        return InversionResult(
            z=z,
            iterations=torch.zeros(len(pixels), dtype=torch.int64),
            gap=gap,
            objective=gap * 0,
            converged=gap <= self.settings.tolerance,
            residual=box.gradient(self.operator.apply(z - self.anchor)),
        )
