"""Generators: run them, split them into G = sigma o L o F, hash them."""

from flipad_ops.generators.generator import SplitGenerator, split_generator
from flipad_ops.generators.latent import LatentSpec
from flipad_ops.generators.layer import FinalLayer, state_sha256
from flipad_ops.generators.output import OutputMap, default_output_map, quantise
from flipad_ops.samples.quantisation import EIGHT_BIT, SIXTEEN_BIT, Grid

__all__ = [
    "EIGHT_BIT",
    "SIXTEEN_BIT",
    "FinalLayer",
    "Grid",
    "LatentSpec",
    "OutputMap",
    "SplitGenerator",
    "default_output_map",
    "quantise",
    "split_generator",
    "state_sha256",
]
