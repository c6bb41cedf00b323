from __future__ import annotations

import pytest
import torch

from flipad_ops.generators import quantise, split_generator
from tests.generators.toys import METADATA, export, toy


@pytest.fixture(scope="module")
def split():
    return split_generator(toy("conv_transpose2d"), METADATA, name="toy", version="7")


def test_keeps_what_it_was_told(split) -> None:
    assert (split.name, split.version, split.metadata) == ("toy", "7", METADATA)
    assert split.batched
    assert len(split.decoder_sha256) == 64


def test_sample_is_quantised_and_fixed_by_its_seed(split) -> None:
    images = split.sample(10, seed=3)
    assert images.shape == (10, 3, 8, 8)
    assert images.dtype == torch.float32
    assert torch.equal(quantise(images), images)
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    assert torch.equal(split.sample(10, seed=3), images)
    assert not torch.equal(split.sample(10, seed=4), images)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batch_size_changes_nothing(split, batch_size: int) -> None:
    expected = split.sample(10, seed=3, batch_size=10)
    images = split.sample(10, seed=3, batch_size=batch_size)
    # Kernels may differ in the last bit, which now and then moves a pixel by one grey level.
    assert float((images - expected).abs().max()) <= 1.01 / 255
    assert float((images != expected).float().mean()) < 0.01
    sizes = [len(output) for output, _ in split.batches(10, 3, batch_size)]
    assert sum(sizes) == 10
    assert max(sizes) <= batch_size


def test_a_program_for_one_latent_samples_the_same(split) -> None:
    single = split_generator(export(toy("conv_transpose2d"), "one"), METADATA, batched=False)
    difference = (single.sample(6, seed=1) - split.sample(6, seed=1)).abs()
    assert float(difference.max()) <= 1.01 / 255


def test_anchor_is_the_mean_activation(split) -> None:
    module = toy("conv_transpose2d")
    with torch.no_grad():
        expected = module[:4](split.latent.sample(50, seed=8)).mean(dim=0)
    anchor = split.mean_activation(50, seed=8, batch_size=16)
    assert anchor.dtype == torch.float32
    torch.testing.assert_close(anchor, expected, atol=1e-6, rtol=1e-5)


def test_activation_minimum_tells_a_relu() -> None:
    assert split_generator(toy("conv2d"), METADATA).activation_minimum() == 0
    bare = torch.nn.Sequential(*[m for m in toy("conv2d") if not isinstance(m, torch.nn.ReLU)])
    assert split_generator(bare, METADATA).activation_minimum() < 0


def test_run_leaves_no_graph(split) -> None:
    outputs, activations = split.run(split.latent.sample(2, 0).requires_grad_())
    assert not outputs.requires_grad
    assert not activations.requires_grad
