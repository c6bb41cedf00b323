"""Students: self-made sibling versions."""

from __future__ import annotations

import torch
from torch import nn

from flipad_ops.attribution.students import Student, can_have_students, student_samples
from flipad_ops.generators import SplitGenerator, quantise, split_generator
from tests.generators.toys import METADATA, toy


def test_student_ends_in_a_fresh_layer_of_the_same_geometry(toy_split: SplitGenerator) -> None:
    student = Student(toy_split.layer, toy_split.output_map.activate)
    split = split_generator(student, {"latent": {"shape": [64]}})
    assert split.layer.geometry() == toy_split.layer.geometry()
    assert split.layer.sha256() != toy_split.layer.sha256()


def test_student_learns_what_it_is_shown(toy_split: SplitGenerator) -> None:
    dark = torch.zeros(16, *toy_split.sample_shape)
    untaught = student_samples(toy_split, dark, 12, steps=1, seed=1)
    taught = student_samples(toy_split, dark, 12, steps=60, seed=1)
    assert taught.shape == (12, *toy_split.sample_shape)
    assert torch.equal(taught, quantise(taught))
    assert float(taught.mean()) < float(untaught.mean()) - 0.02
    assert torch.equal(untaught, student_samples(toy_split, dark, 12, steps=1, seed=1))
    assert not torch.equal(untaught, student_samples(toy_split, dark, 12, steps=1, seed=2))


def test_only_images_from_a_convolution_have_students(toy_split: SplitGenerator) -> None:
    assert can_have_students(toy_split)
    assert not can_have_students(split_generator(toy("linear", nn.Sigmoid()), METADATA))
