"""`flipadops register`: a Python factory and a weights file become a registered generator."""

from __future__ import annotations

import sys

from flipad_ops.cli import register_options as opt
from flipad_ops.cli.shared_options import TrackingUri
from flipad_ops.common.shown_text import printable


def register(
    name: opt.Name,
    factory: opt.Factory = None,
    latent: opt.Latent = None,
    latents: opt.Latents = None,
    samples: opt.Samples = None,
    weights: opt.Weights = None,
    weights_key: opt.WeightsKey = None,
    weights_prefix: opt.WeightsPrefix = None,
    arg: opt.Arg = None,
    inputs: opt.Inputs = None,
    distribution: opt.Distribution = opt.DistributionChoice.normal,
    activation: opt.Activation = None,
    output_range: opt.OutputRange = None,
    bits: opt.Bits = 8,
    columns: opt.Columns = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Register a generator: build it, load its weights, check its split, log it as pt2. An
    autoencoder of the Stable Diffusion family needs --weights alone. Or register samples, where
    there are no weights.

    The factory is code that runs; torch checkpoints are read without unpickling objects.
    """
    from flipad_ops.common.errors import GeneratorError
    from flipad_ops.common.parameters import numbers
    from flipad_ops.common.progress import waiting
    from flipad_ops.registry.store import need_store
    from flipad_ops.workflows import register as work

    shape = None if latent is None else numbers(latent, whole=True, option="--latent")
    outer = None
    if output_range is not None:
        outer = tuple(numbers(output_range, whole=False, option="--output-range"))
    request = work.RegisterRequest(
        name=name,
        factory=factory,
        latent=None if shape is None else tuple(int(size) for size in shape),
        latents=latents,
        samples=samples,
        weights=weights,
        weights_key=weights_key,
        weights_prefix=weights_prefix,
        arguments=tuple(arg or ()),
        inputs=inputs,
        distribution=distribution.value,
        activation=None if activation is None else activation.value,
        output_range=outer,
        bits=bits,
        columns=columns,
        tracking_uri=tracking_uri,
    )
    need_store(tracking_uri)
    try:
        with waiting(f"registering {name}"):
            result = work.register(request)
    except GeneratorError as error:
        if error.remedy:
            sys.stderr.write(f"remedy: {error.remedy}\n")
        raise
    if samples is not None:
        used, left_out = result.samples_used, result.samples_left_out
        sys.stderr.write(f"{used} samples registered, {left_out} files left out\n")
    sys.stdout.write(f"{result.uri}\n")
    sys.stderr.write(f"next: flipadops fit {printable(result.uri)} --negatives FOLDER\n")
