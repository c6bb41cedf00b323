from __future__ import annotations

import json

import numpy as np
import pytest

from flipad_ops.attribution.evaluation import evaluate_scores


def test_figures_of_a_small_case() -> None:
    own = np.array([1.0, 2.0, 3.0, 9.0])
    foreign = {"near": np.array([3.0, 4.0]), "far": np.array([50.0, 60.0, 70.0])}
    found = evaluate_scores(own, foreign, threshold=3.0)  # at the threshold is attributed
    assert (found["tpr"]["value"], found["tpr"]["count"]) == (0.75, 4)
    assert found["tpr"]["low"] < 0.75 < found["tpr"]["high"]
    near, far = found["strata"]["near"], found["strata"]["far"]
    assert (near["fpr"]["value"], near["fpr"]["count"]) == (0.5, 2)
    assert near["accuracy"] == pytest.approx((0.75 + 0.5) / 2)
    assert near["auc"] == pytest.approx((2.5 + 3) / 8)
    assert (far["fpr"]["value"], far["auc"], far["accuracy"]) == (0.0, 1.0, 0.875)
    assert 0 < far["fpr"]["high"] < 1
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_ceiling_of_the_paper() -> None:
    """An FNR of 0.5% and no false alarm make 99.75%."""
    own, foreign = np.arange(1000.0), np.full(10, 1e9)
    found = evaluate_scores(own, {"a": foreign}, threshold=994.0)
    assert found["strata"]["a"]["accuracy"] == pytest.approx(0.9975)
