"""Training images that a fit makes itself, so that few foreign sources teach a tight own.

A detector that has only seen textured photographs as foreign takes anything smooth for its own.
Two kinds close that gap without more data:

- *widened*: foreign images zoomed into, with contrast, brightness and colour changed;
- *near misses*: the generator's own activations through a disturbed final layer, so that content
  alone cannot pass for origin (METHOD 4.3).

And own samples *recompressed* as JPEG, for the view of the pixels.

All serve training alone; calibration and test keep to images as they were given.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.attribution.augmentation import through_file
from flipad_ops.generators import EIGHT_BIT, Grid, SplitGenerator

#: Smallest side of a zoomed crop, in pixels.
MIN_SIDE = 8
#: Disturbance of near misses, in standard deviations of the final layer's weights; and of
#: relatives, whose images differ as those of the same network trained a little further.
NEAR, RELATIVE = (0.3, 1.2), (0.1, 0.4)


def recompressed(images: Tensor, seed: int) -> Tensor:
    """The images as JPEG files of quality 75 to 99 would show them.

    Parameters
    ----------
    images : Tensor, float32, (n, 1 or 3, height, width) in [0, 1]

    Returns
    -------
    Tensor, float32, (n, 1 or 3, height, width) in [0, 1]; (0, ...) for other channel counts,
    which JPEG does not have
    """
    if images.shape[1] not in (1, 3):
        return images[:0]
    return through_file(images, "JPEG", (75, 99), torch.Generator().manual_seed(seed))


def widen(images: Tensor, count: int, seed: int, grid: Grid = EIGHT_BIT) -> tuple[Tensor, Tensor]:
    """`count` variants of foreign images, each drawn at random.

    Parameters
    ----------
    images : Tensor, float32, (n, channels, height, width) in [0, 1]

    Returns
    -------
    Tensor, float32, (count, channels, height, width) in [0, 1], on the grid
    Tensor, int64, (count,)
        The row of `images` that each stems from: whose relative that is, the variant is too.
    """
    source = torch.Generator().manual_seed(seed)
    height, width = images.shape[2:]
    made, origins = [], []
    for _ in range(count):
        origins.append(int(torch.randint(len(images), (), generator=source)))
        image = images[origins[-1]]
        draw = torch.rand(6, generator=source).tolist()
        zoom = 1.0 + 7.0 * draw[0] ** 1.5
        rows, columns = (max(MIN_SIDE, int(side / zoom)) for side in (height, width))
        top, left = int(draw[1] * (height - rows + 1)), int(draw[2] * (width - columns + 1))
        crop = image[None, :, top : top + rows, left : left + columns]
        crop = F.interpolate(crop, (height, width), mode="bicubic", align_corners=False)[0]
        mean = crop.mean()
        crop = (crop - mean) * (0.3 + 1.2 * draw[3]) + 0.4 * mean + 0.6 * draw[4]
        if draw[5] < 0.3:
            crop = crop.mean(dim=0, keepdim=True).expand_as(crop)
        made.append(grid.round(crop))
    stacked = torch.stack(made) if made else images[:0]
    return stacked, torch.tensor(origins, dtype=torch.int64)


def near_misses(
    generator: SplitGenerator,
    count: int,
    seed: int,
    sizes: tuple[float, float] = NEAR,
    batch_size: int = 8,
) -> Tensor:
    """Images of the generator's features behind disturbed final layers.

    Every batch has its own disturbance, between so many standard deviations of the weights.

    Returns
    -------
    Tensor, float32, (count, *sample_shape) in [0, 1], on the generator's grid
    """
    if count == 0:
        return torch.empty(0, *generator.sample_shape)
    source = torch.Generator().manual_seed(seed)
    layer, made = generator.layer, []
    for output, activation in generator.batches(count, seed, batch_size):
        low, high = sizes
        size = low + (high - low) * float(torch.rand((), generator=source))
        noise = torch.randn(layer.weight.shape, generator=source)
        disturbed = replace(layer, weight=layer.weight + size * layer.weight.std() * noise)
        image = generator.output_map.activate(disturbed(activation)).reshape(output.shape)
        made.append(generator.grid.round(generator.output_map.to_pixels(image)))
    return torch.cat(made)
