"""A calibration as tensors, for an attributor's files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flipad_ops.attribution.joint_tail import JointTail
from flipad_ops.attribution.judgement import Calibration
from flipad_ops.common.errors import AttributorCorrupt, AttributorUncalibrated

ORIGINS = "calibration.origins."
TAIL = "calibration.tail."


def calibration_tensors(calibration: Calibration) -> dict[str, Tensor]:
    """All but the threshold, by names that start with "calibration."."""
    tensors = {"calibration.own": torch.tensor(calibration.own_scores)}
    for kind, null in (("null", calibration.null_scores),
                       ("recompressed", calibration.recompressed_null_scores),
                       ("remade", calibration.remade_null)):  # fmt: skip
        for name, scores in null.items():
            tensors[f"calibration.{kind}.{name}"] = torch.tensor(np.asarray(scores))
    for name, origins in calibration.origins.items():
        tensors[ORIGINS + name] = torch.tensor(np.asarray(origins))
    if calibration.joint_tail is not None:
        parts = calibration.joint_tail.tensors()
        tensors |= {TAIL + name: value for name, value in parts.items()}
    return tensors


def stored_calibration(fields: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Calibration:
    """Out of what `calibration_tensors` gave and the fields that name strata.

    Raises
    ------
    AttributorUncalibrated
        No threshold, or no null scores.
    AttributorCorrupt
    """
    threshold = float(fields["threshold"])
    null = {name: tensors[f"calibration.null.{name}"].numpy() for name in fields["strata"]}
    recompressed = {
        name: tensors[f"calibration.recompressed.{name}"].numpy()
        for name in fields["recompressed_strata"]
    }
    remade = {
        name: tensors[f"calibration.remade.{name}"].numpy()
        for name in fields.get("remade_strata", ())
    }
    every = [*null.values(), *recompressed.values(), *remade.values()]
    if not null or any(len(s) == 0 or not np.isfinite(s).all() for s in every):
        raise AttributorUncalibrated("The attributor holds no finite foreign calibration scores.")
    if not math.isfinite(threshold):
        raise AttributorUncalibrated("The attributor holds no finite threshold.")
    origins = {name: tensors[ORIGINS + name].numpy() for name in fields.get("origins", ())}
    if any(name not in null or len(at) != len(null[name]) for name, at in origins.items()):
        raise AttributorCorrupt("The stored origins are not those of the calibration scores.")
    own = tensors["calibration.own"].numpy()
    tail, config = None, fields.get("joint_tail")
    if config is not None:
        try:
            tail = JointTail.stored(config, tensors[TAIL + "weights"], tensors[TAIL + "own"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AttributorCorrupt("The stored tail of p-values is damaged.") from error
    return Calibration(threshold, own, null, recompressed, remade, origins, tail)
