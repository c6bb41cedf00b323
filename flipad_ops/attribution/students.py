"""Sibling versions that a fit makes itself: small GANs trained on the generator's own samples.

The hard case of attribution is the same architecture under another seed, and a model's first
version has no such sibling in the registry. A student is one: a fresh network of transposed
convolutions whose last layer has the geometry of the generator's, trained for a few hundred steps
to imitate its samples. Its content is alike, its final layer is another (METHOD 4.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from flipad_ops.generators import FinalLayer, OutputMap, SplitGenerator
from flipad_ops.generators.adversarial import halvings, train_pair

LATENT = 64
BATCH = 32
#: Widths: of the discriminator's first layer, and at most of a student's layers.
DISCRIMINATOR_WIDTH, MAX_WIDTH = 16, 256


class Student(nn.Module):
    """(batch, LATENT) to samples: up to the final layer's input, then a fresh final layer.

    Parameters
    ----------
    layer : FinalLayer
        Whose geometry the last layer takes; its weights are not used.
    activate : callable
        The output activation.
    """

    def __init__(self, layer: FinalLayer, activate: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        channels, height, width = layer.input_shape
        doublings = max(0, int(math.log2(min(height, width) / 4)))
        start = (-(-height >> doublings), -(-width >> doublings))
        width_here = min(MAX_WIDTH, channels * 2**doublings)
        self.first = nn.Linear(LATENT, width_here * math.prod(start), bias=False)
        self.start = (width_here, *start)
        body: list[nn.Module] = [nn.BatchNorm2d(width_here), nn.ReLU()]
        for step in range(doublings, 0, -1):
            out = min(MAX_WIDTH, channels * 2 ** (step - 1))
            body += [
                nn.ConvTranspose2d(width_here, out, 4, 2, 1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(),
            ]
            width_here = out
        self.body = nn.Sequential(*body)
        self.size = (height, width)
        self.layer, self.activate = layer, activate
        self.weight = nn.Parameter(0.02 * torch.randn(layer.weight.shape))
        self.bias = nn.Parameter(torch.zeros(layer.output_shape[0]))

    def forward(self, latents: Tensor) -> Tensor:
        """In the range of the output activation."""
        z = self.body(self.first(latents).unflatten(1, self.start))
        z = z[..., : self.size[0], : self.size[1]]
        return self.activate(replace(self.layer, weight=self.weight, bias=self.bias)(z))


def can_have_students(generator: SplitGenerator) -> bool:
    """Whether a student can be built: images out of a convolution."""
    layer = generator.layer
    return (
        layer.inverts
        and len(layer.input_shape) == 3
        and tuple(layer.output_shape) == generator.sample_shape
    )


def student_samples(
    generator: SplitGenerator,
    images: Tensor,
    count: int,
    *,
    steps: int,
    seed: int,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """Train one student and sample it.

    Parameters
    ----------
    generator : SplitGenerator
    images : Tensor, float32, (n, *sample_shape) in [0, 1]
        What the student imitates.
    count, steps, seed : int

    Returns
    -------
    Tensor, float32, (count, *sample_shape) in [0, 1], on the generator's grid
    """
    output_map = generator.output_map
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        student = Student(generator.layer, output_map.activate)
        for module in student.modules():
            if isinstance(module, nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
        discriminator = discriminator_of(generator.sample_shape)

        def draw(step: int) -> tuple[Tensor, Tensor]:
            real = 2 * images[torch.randint(len(images), (BATCH,))] - 1
            return real, 2 * _pixels(output_map, student(torch.randn(BATCH, LATENT))) - 1

        train_pair(student, discriminator, draw, steps, report=report)
        student.eval()
        with torch.no_grad():
            made = [
                output_map.to_pixels(student(torch.randn(len(part), LATENT)))
                for part in torch.split(torch.empty(count), 64)
            ]
    return generator.grid.round(torch.cat(made))


def _pixels(output_map: OutputMap, output: Tensor) -> Tensor:
    """Outputs to pixels without the clamp, which would stop gradients."""
    return (output - output_map.low) / (output_map.high - output_map.low)


def discriminator_of(shape: tuple[int, ...]) -> nn.Sequential:
    """A small critic of samples (batch, *shape) in [-1, 1]."""
    channels, *sides = shape
    layers, width, left = halvings(channels, DISCRIMINATOR_WIDTH, tuple(sides))
    return nn.Sequential(*layers, nn.Flatten(1), nn.Linear(width * math.prod(left), 1))
