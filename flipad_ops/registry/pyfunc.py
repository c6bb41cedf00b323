"""An attributor as an MLflow pyfunc: encoded images in, scores out."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from flipad_ops.attributor import Attributor
from flipad_ops.attributor_io import load_attributor
from flipad_ops.errors import ImageError
from flipad_ops.images.decode import decode
from flipad_ops.images.fit import Shape, fit_to

ARTIFACT = "attributor"
INPUT = "image"


def signature(threshold: float) -> ModelSignature:
    """One binary column in; score, p, attributed and error out.

    The residual, given on demand, is no part of it: Spark expects every column that is named here
    to be there.

    Parameters
    ----------
    threshold : float
        The calibrated one, shown as the parameter's default.
    """
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, INPUT)]),
        outputs=Schema(
            [
                ColSpec(DataType.double, "score", required=False),
                ColSpec(DataType.double, "p", required=False),
                ColSpec(DataType.boolean, "attributed", required=False),
                ColSpec(DataType.string, "error", required=False),
            ]
        ),
        params=ParamSchema(
            [
                ParamSpec("threshold", DataType.double, float(threshold)),
                ParamSpec("return_residual", DataType.boolean, False),
                ParamSpec("refuse_unreadable", DataType.boolean, True),
            ]
        ),
    )


class AttributorModel(PythonModel):
    """Decodes, inverts and scores each row of the `image` column.

    A row whose image cannot be used gets its reason in `error`, which is "" otherwise (Spark would
    turn None into the word). A request without a single
    usable image is refused (HTTP 400) unless `refuse_unreadable` is false.
    """

    attributor: Attributor

    def load_context(self, context: Any) -> None:
        """Read the attributor from the model's artifacts."""
        device = (context.model_config or {}).get("device") or "cpu"
        self.attributor = load_attributor(Path(context.artifacts[ARTIFACT]), device=device)

    def predict(
        self,
        context: Any,
        model_input: pd.DataFrame,
        params: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """One row out per row in, in order."""
        options = dict(params or {})
        threshold = float(options.get("threshold", self.attributor.calibration.threshold))
        pixels, errors = self._read(model_input[INPUT])
        usable = [index for index, error in enumerate(errors) if not error]
        if errors and not usable and options.get("refuse_unreadable", True):
            raise MlflowException(
                f"No image of the request can be scored: {errors[0]}",
                error_code=INVALID_PARAMETER_VALUE,
            )
        frame = pd.DataFrame(
            {
                "score": np.full(len(errors), np.nan),
                "p": np.full(len(errors), np.nan),
                "attributed": np.zeros(len(errors), dtype=bool),
                "error": pd.Series(errors, dtype=object),
            }
        )
        residuals: list[list[float] | None] = [None] * len(errors)
        if usable:
            result = self.attributor.score(torch.from_numpy(np.stack(pixels)).float() / 255)
            frame.loc[usable, "score"] = result.score
            frame.loc[usable, "p"] = result.p
            frame.loc[usable, "attributed"] = result.score <= threshold
            for index, residual in zip(usable, result.residual.flatten(1).tolist(), strict=True):
                residuals[index] = residual
        if options.get("return_residual", False):
            frame["residual"] = pd.Series(residuals, dtype=object)
        return frame

    def _read(self, images: Iterable[Any]) -> tuple[list[Any], list[str]]:
        channels, height, width = self.attributor.sample_shape
        shape: Shape = (channels, height, width)
        pixels: list[Any] = []
        errors: list[str] = []
        for image in images:
            try:
                pixels.append(fit_to(decode(_as_bytes(image)), shape))
                errors.append("")
            except ImageError as error:
                errors.append(str(error))
        return pixels, errors


def _as_bytes(image: Any) -> bytes:
    if isinstance(image, str):
        # `mlflow models predict` passes base64 text through unchanged when types are not cast.
        try:
            return base64.b64decode(image, validate=True)
        except ValueError:
            return b""
    return bytes(image) if isinstance(image, (bytes, bytearray, memoryview)) else b""
