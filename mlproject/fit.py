"""Entry point `fit`: the same as `flipadops fit`, inside the run that `mlflow run` made."""

from __future__ import annotations

import argparse
import sys

from flipad_ops.common.exit_codes import ATTRIBUTOR, OK, end_process
from flipad_ops.common.parameters import flag, items, number, whole
from flipad_ops.common.progress import stages


def main() -> int:
    """Read the parameters, fit, print the outcome; the code of `flipadops fit`."""
    parser = argparse.ArgumentParser(prog="mlproject/fit.py")
    parser.add_argument("--model-uri", required=True)
    for name, default in (
        ("negatives", ""),
        ("negatives-models", ""),
        ("registry", "true"),
        ("group", ""),
        ("patch-scale", "0"),
        ("recipe", "default"),
        ("settings", ""),
        ("seed", "0"),
        ("device", "cpu"),
        ("force", "false"),
        ("accept-weak", ""),
        ("data-docs", "false"),
        ("allow-pickle", "false"),
    ):
        parser.add_argument(f"--{name}", default=default)
    given = parser.parse_args()
    from flipad_ops.workflows.fit import FitRequest, fit
    from flipad_ops.workflows.fit_request import read_settings

    request = FitRequest(
        uri=given.model_uri,
        negatives=items(given.negatives),
        negatives_models=items(given.negatives_models),
        registry=flag("registry", given.registry),
        group=given.group,
        patch_scale=number("patch_scale", given.patch_scale),
        recipe=given.recipe,
        settings=read_settings(given.settings) if given.settings else None,
        seed=whole("seed", given.seed),
        device=given.device,
        force=flag("force", given.force),
        accept_weak=given.accept_weak.strip(),
        data_docs=flag("data_docs", given.data_docs),
        allow_pickle=flag("allow_pickle", given.allow_pickle),
    )
    with stages() as progress:
        outcome = fit(request, progress)
    sys.stdout.write(outcome.text())
    return ATTRIBUTOR if outcome.held_back else OK


if __name__ == "__main__":
    end_process(main)
