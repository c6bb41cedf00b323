"""Searches of fits, kept: a fit whose judges changed, or that was killed, repeats none of them."""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from unittest.mock import patch

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from flipad_ops.regeneration import alterations, observation, refinement
from flipad_ops.regeneration.observation import Observation
from flipad_ops.regeneration.refinement import Guess, Search

#: What decides where a search ends, beside what it is given.
CODE = "".join(map(inspect.getsource, (alterations, observation, refinement)))


@dataclass
class Spared:
    """What kept searches took when they were made."""

    searches: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0


@contextmanager
def kept_searches(folder: Path) -> Iterator[Spared]:
    """Within, every `Search.refine` that was made before is read; others are made, and kept."""
    folder.mkdir(parents=True, exist_ok=True)
    refine, spared = Search.refine, Spared()

    def kept(
        self: Search, guess: Guess, pixels: Tensor, observed: Observation, placed: bool, steps: int
    ) -> Guess:
        path = folder / f"{_key(self, guess, pixels, observed, placed, steps)}.safetensors"
        if path.exists():
            with safe_open(path, "pt", device=str(pixels.device)) as file:
                wall, cpu = (float(file.metadata()[name]) for name in ("wall_s", "cpu_s"))
                found = Guess(*(file.get_tensor(field.name) for field in fields(Guess)))
            spared.searches, spared.wall_s = spared.searches + 1, spared.wall_s + wall
            spared.cpu_s += cpu
            return found
        wall, cpu = time.perf_counter(), time.process_time()
        found = refine(self, guess, pixels, observed, placed, steps)
        took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        tensors = {field.name: getattr(found, field.name).contiguous() for field in fields(Guess)}
        part = path.with_suffix(".part")
        save_file(tensors, part, {name: str(seconds) for name, seconds in took.items()})
        part.replace(path)
        return found

    with patch.object(Search, "refine", kept):
        yield spared


@torch.no_grad()
def _key(
    search: Search, guess: Guess, pixels: Tensor, observed: Observation, placed: bool, steps: int
) -> str:
    """Of everything given; the generator is told by what it makes of the guess."""
    made = search.make(guess.latents)
    given = (pixels, guess.latents, guess.where, guess.side, made, observed.distance(made))
    plain = (search.low, search.high, search.scale, placed, steps, torch.__version__)
    digest = hashlib.sha256((CODE + repr(plain)).encode())
    for tensor in given:
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
