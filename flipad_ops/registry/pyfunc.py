"""An attributor as an MLflow pyfunc: encoded images in, scores out."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.serialisation import load_attributor
from flipad_ops.common.errors import ImageError
from flipad_ops.samples.decode import DEFAULT_LIMITS, sniff
from flipad_ops.samples.decoder import DecodeJob
from flipad_ops.samples.row import write_row
from flipad_ops.samples.sample_kinds import decodable

ARTIFACT = "attributor"
INPUT = "image"
#: TensorFlow Serving's {"b64": ...}, as MLflow leaves it.
_B64 = re.compile(rb"\{'b64': '([A-Za-z0-9+/=]*)'\}")


def signature(threshold: float, fields: Sequence[str] = ()) -> ModelSignature:
    """One binary column in, or a table's columns; score, p, attributed and error out.

    The residual, given on demand, is no part of it: Spark expects every column that is named here
    to be there.

    Parameters
    ----------
    threshold : float
        The calibrated one, shown as the parameter's default.
    fields : sequence of str
        Columns of an attributor for rows of a table.
    """
    inputs: list[ColSpec | TensorSpec] = [ColSpec(DataType.double, name) for name in fields]
    inputs = inputs or [ColSpec(DataType.binary, INPUT)]
    return ModelSignature(
        inputs=Schema(inputs),
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
        self, context: Any, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """One row out per row in, in order."""
        options = dict(params or {})
        threshold = float(options.get("threshold", self.attributor.calibration.threshold))
        pixels, errors = self._read(_samples(model_input, self.attributor.space.fields))
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
            result = self.attributor.score(self.attributor.space.to_tensor(np.stack(pixels)))
            frame.loc[usable, "score"] = result.score
            frame.loc[usable, "p"] = result.p
            frame.loc[usable, "attributed"] = result.score <= threshold
            for index, residual in zip(usable, result.residual.flatten(1).tolist(), strict=True):
                residuals[index] = residual
        if options.get("return_residual", False):
            frame["residual"] = pd.Series(residuals, dtype=object)
        return frame

    def _read(self, images: Iterable[Any]) -> tuple[list[Any], list[str]]:
        job = DecodeJob((decodable(self.attributor.space),), "reject", DEFAULT_LIMITS)
        pixels: list[Any] = []
        errors: list[str] = []
        for image in images:
            try:
                (fit,) = job.run(_as_bytes(image)).fits
            except ImageError as error:
                fit = str(error)
            errors.append(fit if isinstance(fit, str) else "")
            if not isinstance(fit, str):
                pixels.append(fit)
        return pixels, errors


def _samples(frame: pd.DataFrame, fields: Sequence[str]) -> Iterable[Any]:
    """Encoded images, or a table's rows as `samples.row` writes them."""
    if not fields:
        return list(frame[INPUT])
    values = frame[list(fields)].itertuples(index=False, name=None)
    return [write_row(dict(zip(fields, row, strict=True))) for row in values]


def _as_bytes(image: Any) -> bytes:
    if isinstance(image, str):
        image = image.encode()
    if not isinstance(image, (bytes, bytearray, memoryview)):
        return b""
    data = bytes(image)
    if sniff(data) is not None:
        return data
    # MLflow passes base64 of `instances` and `inputs` through, and what is not cast to a type.
    wrapped = _B64.fullmatch(data)
    with suppress(ValueError):
        return base64.b64decode(wrapped[1] if wrapped else data, validate=True)
    return data
