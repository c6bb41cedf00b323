from __future__ import annotations

import pytest
import torch

from flipad_ops.common.errors import LatentUnknown
from flipad_ops.generators import LatentSpec


@pytest.mark.parametrize("metadata", [None, {}, {"latent": None}, {"latent": {}}, {"latent": [4]}])
def test_a_missing_latent_says_how_to_state_it(metadata: dict[str, object] | None) -> None:
    with pytest.raises(LatentUnknown, match="does not state its latent shape") as caught:
        LatentSpec.from_metadata(metadata)
    assert 'metadata={"flipad": {"latent": {"shape": [100, 1, 1]' in str(caught.value)


@pytest.mark.parametrize("shape", [[], [0], [-3], [4.0], ["4"], [True], [None], [[4]]])
def test_shape_of_no_positive_sizes(shape: list[object]) -> None:
    with pytest.raises(LatentUnknown, match="is not a list of positive sizes"):
        LatentSpec.from_metadata({"latent": {"shape": shape}})


@pytest.mark.parametrize("shape", [100, "100", None, {"a": 1}])
def test_shape_that_is_no_list(shape: object) -> None:
    with pytest.raises(LatentUnknown, match="is not a list: log the model"):
        LatentSpec.from_metadata({"latent": {"shape": shape}})


@pytest.mark.parametrize("shape", [[2**24 + 1], [100_000, 100_000], [10] * 400])
def test_absurd_shape_is_refused_before_anything_is_allocated(shape: list[int]) -> None:
    with pytest.raises(LatentUnknown, match="absurdly large"):
        LatentSpec.from_metadata({"latent": {"shape": shape}})


@pytest.mark.parametrize("distribution", ["gamma", None, 3, ["normal"]])
def test_unknown_distribution(distribution: object) -> None:
    with pytest.raises(LatentUnknown, match="is not one of normal, uniform"):
        LatentSpec.from_metadata({"latent": {"shape": [4], "distribution": distribution}})


def test_round_trip_and_default() -> None:
    assert LatentSpec.from_metadata({"latent": {"shape": [4]}}) == LatentSpec((4,), "normal")
    spec = LatentSpec((4, 1, 1), "uniform")
    assert LatentSpec.from_metadata({"latent": spec.to_dict()}) == spec


def test_distributions() -> None:
    normal = LatentSpec((100,)).sample(500, seed=1)
    uniform = LatentSpec((100,), "uniform").sample(500, seed=1)
    assert normal.shape == uniform.shape == (500, 100)
    assert abs(float(normal.mean())) < 0.02
    assert abs(float(normal.std()) - 1) < 0.02
    assert float(uniform.min()) >= -1
    assert float(uniform.max()) <= 1
    assert abs(float(uniform.std()) - 3**-0.5) < 0.01


def test_where_latents_lie() -> None:
    assert LatentSpec((4,)).span() == (-5.0, 5.0, 1.0)
    assert LatentSpec((4,), "uniform").span() == (-1, 1, 3**-0.5)
    recorded = LatentSpec((2,), "recorded", torch.tensor([[0.0, 1.0], [2.0, 3.0]]))
    assert recorded.span()[:2] == (0.0, 3.0)
    assert recorded.span(recorded.recorded[:1])[:2] == (0.0, 1.0)  # type: ignore[index]


def test_seeds_fix_the_sample_and_leave_torch_alone() -> None:
    before = torch.random.get_rng_state()
    spec = LatentSpec((7,))
    assert torch.equal(spec.sample(9, seed=5), spec.sample(9, seed=5))
    assert not torch.equal(spec.sample(9, seed=5), spec.sample(9, seed=6))
    assert torch.equal(before, torch.random.get_rng_state())


def test_recorded_latents_are_drawn_once_each() -> None:
    recorded = torch.arange(12.0).reshape(6, 2)
    latent = LatentSpec.from_metadata({"latent": {"shape": [2], "file": "x"}}, recorded)
    assert (latent.distribution, latent.at_most(4), latent.at_most(9)) == ("recorded", 4, 6)
    drawn = latent.sample(6, seed=1)
    assert torch.equal(drawn[drawn[:, 0].argsort()], recorded)
    assert torch.equal(latent.sample(3, seed=1), drawn[:3])
    assert not torch.equal(latent.sample(6, seed=2), drawn)
    assert latent.to_dict() == {"shape": [2], "distribution": "recorded"}
    with pytest.raises(LatentUnknown, match="7 latents are needed and 6 are recorded") as caught:
        latent.sample(7, seed=1)
    assert caught.value.remedy


def test_recorded_latents_and_metadata_must_agree() -> None:
    with pytest.raises(LatentUnknown, match="only then"):
        LatentSpec((2,), "recorded")
    with pytest.raises(LatentUnknown, match="only then"):
        LatentSpec((2,), "normal", torch.zeros(3, 2))
    with pytest.raises(LatentUnknown, match=r"shape \[4\], not \[2\]"):
        LatentSpec((2,), "recorded", torch.zeros(3, 4))
