"""An attributor on disk: JSON and safetensors, no code and no pickle."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.stored_calibration import (
    calibration_tensors,
    stored_calibration,
)
from flipad_ops.common.errors import (
    AttributorCorrupt,
    AttributorError,
    FlipadError,
    first_line,
)
from flipad_ops.common.untrusted_json import parse
from flipad_ops.common.version import __version__
from flipad_ops.detection import FeatureMap, stored_detector, view_configs
from flipad_ops.generators import FinalLayer, OutputMap
from flipad_ops.regeneration.witness_model import WitnessModel
from flipad_ops.samples.quantisation import SIXTEEN_BIT, Grid
from flipad_ops.samples.sample_kinds import space_of

FORMAT = 4
#: Written where an older reader would go wrong: samples that are not 8-bit images, or no layer.
EXTENDED = 5
#: Written where the detector has a view that is not in every version: it names such views.
VIEWED = 6
#: Written where there is a second witness, without which an older reader would decide otherwise; 7
#: and 8, never released, had judges of other measures.
REMADE = 11
#: Judges' buffers that came later than a format: 9 knew no distance that settles it, 10 none at
#: which an image has not been made again.
LATER = {9: (".nothing", ".made", ".coarse"), 10: (".coarse",)}
#: Formats that can be read; 3 has no view of lossy files.
READABLE = (3, FORMAT, EXTENDED, VIEWED, *LATER, REMADE)
JSON_NAME = "attributor.json"
TENSORS_NAME = "attributor.safetensors"


def save_attributor(attributor: Attributor, folder: str | Path) -> Path:
    """Write both files into `folder`, made if missing; returns it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = _tensors(attributor)
    save_file(tensors, folder / TENSORS_NAME)
    views, extended = view_configs(attributor.detector), _is_extended(attributor)
    model = attributor.regeneration
    fields = {
        "format": REMADE if model else VIEWED if views else EXTENDED if extended else FORMAT,
        "code_version": __version__,
        "layer": attributor.layer.geometry(),
        "output_map": vars(attributor.output_map),
        "sample_shape": list(attributor.sample_shape),
        "pool": attributor.features.pool,
        "threshold": attributor.calibration.threshold,
        "strata": sorted(attributor.calibration.null_scores),
        "recompressed_strata": sorted(attributor.calibration.recompressed_null_scores),
        "origins": sorted(attributor.calibration.origins),
        "settings": attributor.settings.to_dict(),
        "generator": dict(attributor.generator),
        "evaluation": dict(attributor.evaluation),
        "tensors_sha256": _file_sha256(folder / TENSORS_NAME),
    }
    if model is not None:
        fields["regeneration"] = model.config()
        fields["remade_strata"] = sorted(attributor.calibration.remade_null)
        if attributor.calibration.joint_tail is not None:
            fields["joint_tail"] = attributor.calibration.joint_tail.config()
    if views or model is not None:
        fields["views"] = views
    if extended or views or model is not None:
        fields["sample"] = words = attributor.space.to_metadata()
        fields["grid"] = attributor.space.grid.to_dict()  # for earlier versions, as the next
        fields["columns"] = words.get("columns")
    (folder / JSON_NAME).write_text(
        json.dumps(fields, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
    return folder


def load_attributor(folder: str | Path, device: str = "cpu") -> Attributor:
    """Read what `save_attributor` wrote.

    Raises
    ------
    AttributorCorrupt
        A file is missing, altered, of another format, or does not fit together.
    AttributorUncalibrated
        No threshold or no null scores were stored.
    """
    folder = Path(folder)
    fields = _read_json(folder / JSON_NAME)
    if fields.get("format") not in READABLE:
        raise AttributorCorrupt(
            f"Attributor format {fields.get('format')!r} is none that this version of flipad_ops "
            f"reads ({', '.join(map(str, READABLE))}): fit it again or install the version that "
            "wrote it."
        )
    try:
        if _file_sha256(folder / TENSORS_NAME) != fields["tensors_sha256"]:
            raise AttributorCorrupt(f"{TENSORS_NAME} was altered after the attributor was saved.")
        return _assemble(fields, load_file(folder / TENSORS_NAME), device)
    except AttributorError:
        raise
    except OSError as error:
        raise AttributorCorrupt(
            f"The attributor's file {TENSORS_NAME} is missing or unreadable."
        ) from error
    except KeyError as error:
        raise AttributorCorrupt(f"The attributor's files lack {error}.") from error
    except (
        FlipadError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
        SafetensorError,
    ) as error:
        reason = first_line(error)
        raise AttributorCorrupt(f"The attributor's files do not fit together: {reason}") from error


def attributor_sha256(folder: str | Path) -> str:
    """Content hash over both files, recorded by scans and checked by `verify`."""
    digest = hashlib.sha256()
    for name in (JSON_NAME, TENSORS_NAME):
        digest.update(bytes.fromhex(_file_sha256(Path(folder) / name)))
    return digest.hexdigest()


def _is_extended(attributor: Attributor) -> bool:
    return bool(attributor.space.to_metadata()) or not attributor.layer.inverts


def _tensors(attributor: Attributor) -> dict[str, Tensor]:
    tensors = {
        "anchor": attributor.anchor,
        "features.mean": attributor.features.mean,
        "features.std": attributor.features.std,
        "features.channels": attributor.features.channels,
        **calibration_tensors(attributor.calibration),
    }
    tensors |= {f"layer.{name}": tensor for name, tensor in attributor.layer.tensors().items()}
    if attributor.reference is not None:
        tensors["reference"] = attributor.reference
    if attributor.regeneration is not None:
        for name, tensor in attributor.regeneration.state_dict().items():
            tensors[f"regeneration.{name}"] = tensor
    for name, tensor in attributor.detector.state_dict().items():
        tensors[f"detector.{name}"] = tensor
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _assemble(fields: Mapping[str, Any], tensors: dict[str, Tensor], device: str) -> Attributor:
    if fields["format"] == 3:
        fields = _from_format_3(fields, tensors)
    # A setting of earlier versions; what it made is told by the tensors.
    known = {name: value for name, value in fields["settings"].items() if name != "immunised"}
    settings = FitSettings.from_dict(known)
    features = FeatureMap(
        tensors["features.mean"],
        tensors["features.std"],
        tensors["features.channels"],
        int(fields["pool"]),
    )
    layer = FinalLayer.from_parts(fields["layer"], _under("layer.", tensors))
    if layer.sha256() != fields["generator"]["final_layer_sha256"]:
        raise AttributorCorrupt("The stored final layer does not match its recorded hash.")
    sample_shape = tuple(fields["sample_shape"])
    if math.prod(sample_shape) != math.prod(layer.output_shape):
        raise AttributorCorrupt(
            f"The stored sample shape {list(sample_shape)} is not what the final layer makes."
        )
    reference = tensors.get("reference")
    if reference is not None and tuple(reference.shape) != sample_shape:
        raise AttributorCorrupt("The stored reference image does not have the sample shape.")
    detector = stored_detector(
        _under("detector.", tensors),
        fields["views"] if fields["format"] >= VIEWED else {},
        settings.extra_views,
        feature_shape=features.shape,
        sample_shape=sample_shape,
        dim=settings.detector.dim,
    )
    return Attributor(
        layer=layer,
        output_map=OutputMap(**fields["output_map"]),
        anchor=tensors["anchor"],
        space=space_of(_words(fields), sample_shape),
        features=features,
        detector=detector,
        calibration=stored_calibration(fields, tensors),
        settings=settings,
        generator=fields["generator"],
        evaluation=fields["evaluation"],
        reference=reference,
        device=device,
        regeneration=_regeneration(fields, tensors, sample_shape),
    )


def _regeneration(
    fields: Mapping[str, Any], tensors: Mapping[str, Tensor], sample_shape: tuple[int, ...]
) -> WitnessModel | None:
    if fields["format"] < min(LATER):
        return None
    model = WitnessModel.empty(fields["regeneration"], sample_shape)
    stored = _under("regeneration.", tensors)
    later = LATER.get(fields["format"], ())
    stored |= {name: t for name, t in model.state_dict().items() if name.endswith(later)}
    model.load_state_dict(stored)
    return model


def _words(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the samples are; in files of earlier versions as a grid and columns."""
    if "sample" in fields or "grid" not in fields:
        return dict(fields.get("sample", {}))
    if fields.get("columns"):
        return {"columns": fields["columns"]}
    return {"bits": 16 if Grid.from_dict(fields["grid"]) == SIXTEEN_BIT else 8}


def _from_format_3(fields: Mapping[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """What format 4 adds, for an attributor without a view of lossy files."""
    tensors["detector.lossy_scale"] = torch.tensor(1.0, dtype=torch.float64)
    settings = {"recompressed": 0.0, **fields["settings"]}
    return {**fields, "recompressed_strata": [], "settings": settings}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        fields = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AttributorCorrupt(f"{path.parent} holds no attributor ({path.name}).") from error
    except ValueError as error:
        raise AttributorCorrupt(f"{path.name} is not JSON.") from error
    if not isinstance(fields, dict):
        raise AttributorCorrupt(f"{path.name} is not a JSON object.")
    return fields


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
