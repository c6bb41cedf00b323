"""The second witness in an attributor, and how two witnesses become one score, p and decision.

Where the second witness speaks, no image is attributed against it: the generator must make it
again, altered or not. Images that it finds near enough are accepted; of the doubtful ones, which a
small share of own images are, those that the first accepts too. The first, which looks at the last
layer's input, can be led by a few grey levels and knows no altered image, but its null is long: of
an attributed image p is twice the smaller of both p-values (Bonferroni), of any other that of the
second alone, doubled as well, so that the choice is paid for. Where both accept an image as it was
made, and the fit saw enough for a model of the tail of both, p is the model's if that is smaller;
the empirical p-value stays beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.alteration_words import alteration_of, words
from flipad_ops.attribution.joint_tail import both
from flipad_ops.attribution.judgement import Attribution, Calibration, Screening
from flipad_ops.attribution.testimony import Testimony, Witnesses, pack_latent
from flipad_ops.common.errors import AttributorError
from flipad_ops.generators import SplitGenerator
from flipad_ops.regeneration.alterations import SIDE, apply_filter, place, resample
from flipad_ops.regeneration.laps import LAPS
from flipad_ops.regeneration.measures import decibels
from flipad_ops.regeneration.observation import compressed
from flipad_ops.regeneration.refinement import Search
from flipad_ops.regeneration.regeneration_settings import RegenerationSettings
from flipad_ops.regeneration.regenerator import Regenerator
from flipad_ops.regeneration.remade_batch import FAR, Remade
from flipad_ops.regeneration.witness_model import WitnessModel

#: Bytes of the last layer's inputs of all images refined together, at most.
BATCH_BYTES = 2**25
#: Latents of more entries than this share of the pixels are rich: they can make compression noise.
RICH = 0.1


def make_regenerator(
    generator: SplitGenerator, model: WitnessModel, settings: RegenerationSettings
) -> Regenerator:
    """A regenerator of a split generator, on its device.

    Raises
    ------
    AttributorError
        There is neither an encoder of the model's own nor a trained one.
    """
    device, own, trained = generator.device, generator.encode, model.encoder
    latent = generator.latent
    model.to(device)
    if trained is None and own is None:
        raise AttributorError("The generator has no encoder, and none was trained.")

    def encode(pixels: Tensor) -> tuple[Tensor, Tensor]:
        if trained is not None:
            guessed: tuple[Tensor, Tensor] = trained(pixels)
            return guessed
        assert own is not None
        return own(pixels), torch.zeros(len(pixels), 3, device=device)

    low, high, scale = model.latents.tolist()
    batch = at_once(generator, settings.batch)
    blind = bool(generator.why_not_differentiable)
    return Regenerator(
        Search(generator.pixels, latent.shape, low, high, scale, batch, latent.choices),
        encode,
        model,
        float(generator.grid.step),
        0 if blind else settings.first_steps,
        0 if blind else settings.steps,
        has_rich_latents(generator),
    )


def at_once(generator: SplitGenerator, most: int) -> int:
    """How many images are refined together, `most` unless they are too large."""
    return max(1, min(most, BATCH_BYTES // (4 * math.prod(generator.layer.input_shape))))


def has_rich_latents(generator: SplitGenerator) -> bool:
    """Whether latents can make what compression left in pixels, see RICH."""
    return math.prod(generator.latent.shape) > RICH * math.prod(generator.sample_shape)


class SecondWitness:
    """A regenerator with its calibration.

    Parameters
    ----------
    regenerator : Regenerator
    calibration : Calibration
        Of the attributor; its `remade_null` is filled.
    device : str
    """

    def __init__(self, regenerator: Regenerator, calibration: Calibration, device: str) -> None:
        self.regenerator, self.calibration, self.device = regenerator, calibration, device
        self.own = np.sort(np.exp(regenerator.model.own.cpu().numpy().clip(-FAR, FAR)))
        null = [np.zeros(0), *calibration.remade_null.values()]
        self._foreign = np.sort(np.concatenate(null))

    @property
    def told(self) -> str:
        """What it is, a sentence."""
        regenerator = self.regenerator
        guess = "an encoder trained in the fit" if regenerator.model.encoder else "its own encoder"
        if not regenerator.steps:
            return f"The generator makes the image again from the guess of {guess}, unrefined."
        steps = 2 * (regenerator.first_steps + regenerator.steps)
        tried = ", every class is tried" if regenerator.search.choices else ""
        if regenerator.rich:  # one way alone, and on from there
            steps = regenerator.first_steps + (1 + LAPS) * regenerator.steps
        return (
            f"The generator makes the image again: {guess} guesses the latent{tried}, at most "
            f"{steps} gradient steps refine it, as it is and with zoom, shift and filter."
        )

    @property
    def typical_p(self) -> float:
        """p-value of the median own image, as made, by the tail's model; 0 without one."""
        tail = self.calibration.joint_tail
        return 0.0 if tail is None else tail.typical

    def promising(self, pixels: Tensor) -> NDArray[np.bool_]:
        """Which (n, channels, height, width) pixels are worth a search."""
        kept: NDArray[np.bool_] = self.regenerator.promising(pixels.to(self.device)).cpu().numpy()
        return kept

    def screen(self, pixels: Tensor, screening: Screening) -> Screening:
        """With (n, channels, height, width) pixels remade; hopeless ones need no inversion."""
        remade = self.regenerator.remake(pixels.to(self.device))
        hopeless = remade.hopeless.cpu().numpy()
        return Screening(
            score=np.where(hopeless & screening.needed, np.inf, screening.score),
            needed=screening.needed & ~hopeless,
            recompressed=screening.recompressed & ~hopeless,
            remade=remade,
        )

    def testify(self, pixels: Tensor, first: Attribution, remade: Remade) -> Attribution:
        """Both witnesses' word on (n, channels, height, width) pixels."""
        threshold = self.calibration.threshold
        # Among lossy files the first cannot tell the model from others of like data: it is unheard.
        support = np.where(first.recompressed, np.inf, first.score / threshold)
        ratio = remade.supported(torch.from_numpy(support)).cpu().numpy()
        accepts = ratio <= 1
        counted = self.p(ratio, np.where(first.recompressed, 1.0, first.p))
        p = np.minimum(counted, self.modelled(remade, first, accepts))
        empirical = [
            c if m < c else None for c, m in zip(counted.tolist(), p.tolist(), strict=True)
        ]
        told = self._testimonies(pixels, remade, ratio, first.attributed, empirical)
        return replace(
            first,
            score=ratio * threshold,
            p=p,
            attributed=accepts,
            converged=np.where(accepts, remade.converged.cpu().numpy(), first.converged),
            testimony=told,
        )

    def p(self, ratio: NDArray[np.float64], first: NDArray[np.float64]) -> NDArray[np.float64]:
        """p-values (n,) of both, see the top of this file."""
        assert self.calibration.second_null is not None
        second = self.calibration.second_null.p(ratio)
        either = np.where(ratio <= 1, np.minimum(first, second), second)
        doubled: NDArray[np.float64] = np.minimum(1.0, 2 * either)
        return doubled

    def modelled(
        self, remade: Remade, first: Attribution, accepts: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """p-values (n,) by the tail's model; 1 where it does not apply."""
        tail, p = self.calibration.joint_tail, np.ones(len(accepts))
        if tail is None or first.views is None:
            return p
        beyond = remade.beyond.cpu().numpy()
        known = accepts & first.attributed & first.inverted & ~first.recompressed
        known &= np.isfinite(beyond)
        p[known] = tail.p(both(first.views[known], beyond[known]))
        return p

    def show(self, testimony: Testimony) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The recorded latent's image, (height, width, channels), as made and as altered."""
        made = self._made(testimony)
        shown = (made, self._altered(made, testimony.alteration))
        first, second = (
            (image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
            for image in shown
        )
        return first, second

    def distance(self, pixels: Tensor, testimony: Testimony) -> float:
        """PSNR in dB of (channels, height, width) pixels and the recorded latent's image."""
        made = self._altered(self._made(testimony), testimony.alteration)
        found = pixels[None].to(self.device)
        quality = torch.tensor([int(testimony.alteration.get("jpeg", 0))], device=self.device)
        quality = quality * self.regenerator.rich
        squared = self.regenerator.observed(found, quality).distance(made)
        return -float(decibels(squared)[0])

    @torch.no_grad()
    def _made(self, testimony: Testimony) -> Tensor:
        latents = testimony.latents()[None].to(self.device)
        return self.regenerator.search.make(latents)

    @torch.no_grad()
    def _altered(self, made: Tensor, alteration: Mapping[str, object]) -> Tensor:
        if "filter" not in alteration:
            return made
        values = [alteration[name] for name in ("zoom", "down", "right")]
        where = torch.tensor([values], dtype=torch.float32, device=made.device)
        side = torch.tensor([alteration["side"]], device=made.device)
        taps = torch.tensor(alteration["filter"], dtype=torch.float32, device=made.device)
        return apply_filter(resample(place(made, where), side), taps.reshape(1, SIDE, SIDE))

    def _testimonies(
        self,
        pixels: Tensor,
        remade: Remade,
        ratio: NDArray[np.float64],
        first: NDArray[np.bool_],
        empirical: Sequence[float | None],
    ) -> tuple[Testimony, ...]:
        accepts = ratio <= 1
        quality = np.zeros(len(pixels), np.int64)
        if accepts.any():  # the search for tables is dear, and evidence for findings alone
            quality[accepts] = compressed(pixels[torch.from_numpy(accepts)]).cpu().numpy()
        taps = self.regenerator.filters(pixels.to(self.device), remade, accepts)
        told = []
        for row, value in enumerate(ratio.tolist()):
            kept = bool(accepts[row])
            latent, sha256 = pack_latent(remade.latents[row]) if kept else ("", "")
            done = alteration_of(remade, row, taps.get(row), int(quality[row]))
            below = np.searchsorted(self._foreign, value, side="right")
            above = len(self.own) - np.searchsorted(self.own, value, side="left")
            told.append(
                Testimony(
                    ratio=value,
                    psnr=-float(remade.distance[row]),
                    relative=float(remade.blurred[row] - remade.distance[row]),
                    alteration=done,
                    words=words(done),
                    latent=latent,
                    latent_shape=tuple(remade.latents.shape[1:]) if kept else (),
                    latent_sha256=sha256,
                    converged=bool(remade.converged[row]),
                    steps=int(remade.steps[row]),
                    own_farther=above / max(1, len(self.own)),
                    foreign_nearer=below / max(1, len(self._foreign)),
                    witnesses=_who(bool(first[row]), kept),
                    empirical_p=empirical[row],
                )
            )
        return tuple(told)


def _who(first: bool, second: bool) -> Witnesses:
    if first and second:
        return "both"
    return "second" if second else "first" if first else "neither"
