"""Matrix products whose rounding does not depend on the other images of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

#: With fewer trailing columns a product's last bits depend on the position of its row.
ALIGNMENT = 16
#: Layers with fewer blocks are solved in groups of one fixed size.
SMALL_TORUS = 64


def multiply(rows: Tensor, matrix: Tensor, per_image: int) -> Tensor:
    """`rows @ matrix`, each image's `per_image` rows rounded alike wherever they stand.

    A CPU product handles the last rows of its row blocks by another kernel, so images whose
    row count is no multiple of ALIGNMENT are multiplied one by one. Layers with few blocks
    come in groups of fixed size instead (`solvers.splitting`).
    """
    if is_uniform(rows, per_image):
        return rows @ matrix
    out = rows.new_empty(rows.shape[0], matrix.shape[1])
    for start in range(0, rows.shape[0], per_image):
        image = slice(start, start + per_image)
        torch.mm(rows[image], matrix, out=out[image])
    return out


def is_uniform(rows: Tensor, per_image: int) -> bool:
    """Whether one product over all images rounds each of them alike."""
    exporting = torch.compiler.is_compiling()  # where a loop would fix the batch size
    return exporting or rows.is_cuda or per_image % ALIGNMENT == 0 or per_image < SMALL_TORUS
