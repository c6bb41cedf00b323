"""What a fit would find in a registered version, and how to mend what stands in its way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from flipad_ops.common.devices import check_device
from flipad_ops.common.errors import (
    FlipadError,
    GeneratorError,
    GeneratorUnreadable,
    NotAttributable,
    RangeUnknown,
    UsageError,
)
from flipad_ops.generators import SplitGenerator
from flipad_ops.generators.output_range import MeasuredRange
from flipad_ops.generators.several_inputs import SeveralInputs
from flipad_ops.registry import tags
from flipad_ops.registry.attributors import mark
from flipad_ops.registry.classes import class_members
from flipad_ops.registry.denials import unless_denied
from flipad_ops.registry.generators import fetched, read_fetched, set_metadata, split_loaded
from flipad_ops.registry.store import registry_errors, tracking
from flipad_ops.registry.uris import parse_model, resolve

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

#: Samples that `doctor` looks at: pixels at most, of so many at most and of so many at least.
LOOKED_AT, MOST, LEAST = 2**20, 64, 4


@dataclass(frozen=True)
class Diagnosis:
    """One version examined.

    Parameters
    ----------
    attributable : bool
    facts : mapping of label to text
        What was found, in the order to show it.
    problem, remedy : str
        Why it cannot be attributed and what to do; empty when it can.
    error : FlipadError or None
    """

    model: str
    attributable: bool
    facts: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    remedy: str = ""
    error: FlipadError | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "model": self.model,
            "attributable": self.attributable,
            **dict(self.facts),
            "problem": self.problem,
            "remedy": self.remedy,
        }


def diagnose(
    uri: str,
    *,
    device: str = "cpu",
    allow_pickle: bool = False,
    tracking_uri: str | None = None,
    write_tags: bool = True,
) -> Diagnosis:
    """Load and split the version that `uri` names and say what came of it.

    Parameters
    ----------
    write_tags : bool
        Record the final layer's and the decoder's hash on the version, by which versions that
        cannot be told apart are found.

    Raises
    ------
    GeneratorNotFound
        Anything else wrong with the generator is part of the diagnosis.
    UsageError
        No such device.
    """
    check_device(device)
    with tracking(tracking_uri) as client:
        version = resolve(client, parse_model(uri))
        if tags.is_attributor(version.tags):
            raise UsageError(f"{version.name} is an attributor; name the generator.")
        where = f"models:/{version.name}/{version.version}"
        facts: dict[str, str] = {}
        metadata: dict[str, Any] = {}
        try:
            with fetched(client, version) as (folder, metadata):
                facts["artifact"] = folder.summary()
                loaded = read_fetched(client, version, folder, metadata, device, allow_pickle)
            facts |= {"artifact": loaded.kind, "runs on": loaded.runs_on}
            generator = split_loaded(loaded, metadata, version, device)
        except GeneratorError as error:
            return Diagnosis(
                where,
                attributable=False,
                facts={**facts, **_status(version)},
                problem=str(error),
                remedy=remedy(error, version, metadata),
                error=error,
            )
        if why := generator.why_in_no_file:
            return Diagnosis(
                where,
                attributable=False,
                facts={**facts, **_split_facts(generator), **_status(version)},
                problem=why,
                remedy=_into_files(generator, version),
            )
        hashes = tags.hashes_of(generator)
        if write_tags:
            with registry_errors(version.name), unless_denied():
                mark(client, version, hashes)
        if loaded.note and loaded.latents is None:
            facts["note"] = loaded.note
        members = class_members(client, version, hashes)
        facts |= {**_split_facts(generator), **_status(version)}
        facts["equivalence class"] = (
            f"{', '.join(members)} (cannot be told apart)"
            if len(members) > 1
            else "no other known version has this final layer"
        )
    return Diagnosis(where, attributable=True, facts=facts)


def remedy(error: GeneratorError, version: ModelVersion, stated: Mapping[str, Any]) -> str:
    """What to do about an error that a fit of `version` would end with, beyond what its metadata
    states."""
    if error.remedy:
        return error.remedy
    if isinstance(error, SeveralInputs):
        return (
            f"Tell what they are, with the number of your classes and your constants: "
            f"{set_metadata(version, error.proposed)}"
        )
    if isinstance(error, RangeUnknown):
        known = set_metadata(version, {"output_range": [-1, 1]})
        return (
            f"State which outputs are black and white, for example: {known}; if no image of yours "
            "comes from such values, the generator is fed with other latents than stated: record "
            "some (register --latents)"
        )
    if isinstance(error, NotAttributable):
        known = set_metadata(version, {"activation": "tanh", "output_range": [-1, 1]})
        state = (
            f"If you know the output activation or range, state it: {known} (activations: tanh, "
            "sigmoid, identity; range: the outputs that are black and white). Otherwise the "
        )
        return ("The " if {"activation", "output_range"} <= {*stated} else state) + (
            "architecture is not one that FLIPAD covers: it needs a last linear layer followed by "
            "an invertible activation; samples can be registered in its place (register --samples)"
        )
    if isinstance(error, GeneratorUnreadable):
        return (
            "Log the bare generator module (latent in, images out) with "
            "mlflow.pytorch.log_model(..., serialization_format='pt2', input_example=<two "
            "latents>) or mlflow.onnx, or use flipadops register"
        )
    return ""


def _into_files(generator: SplitGenerator, version: ModelVersion) -> str:
    """What makes images out of samples that no file holds."""
    shape = generator.sample_shape
    if len(shape) == 3:
        return (
            "If the first three (or one) of them are what files hold, log a module that returns "
            "them alone: images = generator(z)[:, :3]"
        )
    side, colours = math.isqrt(math.prod(shape)), math.isqrt(math.prod(shape) // 3)
    image = [3, colours, colours] if 3 * colours**2 == math.prod(shape) else [1, side, side]
    stated = set_metadata(version, {"image_shape": image})
    return f"State the image's [channels, height, width]: {stated}; of a table its columns"


def _split_facts(generator: SplitGenerator) -> dict[str, str]:
    layer, output = generator.layer, generator.output_map
    size = "x".join(str(n) for n in layer.weight.shape)
    facts = {
        "final layer": f"{layer.kind}, weight {size}"
        + ("" if layer.bias is None else ", bias")
        + f", {list(layer.input_shape)} to {list(layer.output_shape)}"
    }
    if layer.kind != "linear":
        facts["geometry"] = (
            f"stride {layer.stride}, padding {layer.padding}, dilation {layer.dilation}, "
            f"groups {layer.groups}"
        )
    if layer.skip is not None:
        shape, way = list(layer.skip.input_shape), layer.skip.name
        facts["skip image"] = f"{shape}, doubled ({way}) and added; recovered with the activation"
    if generator.reading is not None and generator.reading.modulated:
        facts["modulation"] = "styles scale input channels; the scales are part of the activation"
    if generator.ending is not None:
        facts["before the activation"] = f"{generator.ending}; folded into the layer"
    minimum = generator.activation_minimum(_looked_at(generator))
    return {
        **facts,
        "activation": f"{output.activation}, outputs {output.low:g} to {output.high:g}",
        **_range_facts(generator),
        **({"then": str(generator.tail)} if str(generator.tail) else {}),
        "features": "end in a ReLU (never negative)" if minimum >= 0 else "of either sign",
        "latent": str(generator.latent),
        "samples": f"{list(generator.sample_shape)}{generator.space.remark}"
        + ("" if generator.batched else ", one at a time (exported at batch size 1)"),
        "gradients": generator.why_not_differentiable or "reach the latents",
        "encoder": "its own" if generator.encode is not None else "none",
        "final layer sha256": layer.sha256(),
        "decoder sha256": generator.decoder_sha256,
    }


def _looked_at(generator: SplitGenerator) -> int:
    """How many samples: few of large ones, each of which takes a CPU half a minute."""
    return min(MOST, max(LEAST, LOOKED_AT // math.prod(generator.sample_shape)))


def _range_facts(generator: SplitGenerator) -> dict[str, str]:
    """Where values without an activation lie, and whether that fits black and white."""
    output = generator.output_map
    if output.activation != "identity" or not generator.layer.inverts:
        return {}
    count = generator.latent.at_most(_looked_at(generator))
    made = torch.cat([outputs for outputs, _ in generator.batches(count, seed=0)])
    measured = MeasuredRange.of(made)
    text = f"{measured} (all but 0.5% of values at either end)"
    usual = measured.usual()
    if "output_range" in generator.metadata and usual not in (None, (output.low, output.high)):
        text += f"; they look like {usual[0]:g} to {usual[1]:g}, and the metadata says otherwise"
    return {"measured": text}


def _status(version: ModelVersion) -> dict[str, str]:
    found = {
        "status": version.tags.get(tags.STATUS, "not fitted"),
        "attributor": version.tags.get(tags.ATTRIBUTOR, ""),
        "reason": version.tags.get(tags.REASON, ""),
    }
    return {key: value for key, value in found.items() if value}
