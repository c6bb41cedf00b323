"""How an attributor is used, in words for the pages of the MLflow UI."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flipad_ops.registry import tags

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

#: How our line in the description of somebody's generator begins.
BEGINS = "**flipad_ops:**"


def usage(
    generator: ModelVersion, fields: Sequence[str] = (), two_witnesses: bool = False
) -> list[str]:
    """Lines of Markdown for the card of an attributor of this generator version.

    Parameters
    ----------
    fields : sequence of str
        Columns of an attributor for rows of a table.
    two_witnesses : bool
        Whether a scan hears a second witness.
    """
    alias = tags.version_alias(str(generator.version))
    uri = f"models:/{tags.attributor_name(generator.name)}@{alias}"
    model = shlex.quote(f"{generator.name}/{generator.version}")
    frame = (
        'pd.read_parquet("found.parquet")'
        if fields
        else 'pd.DataFrame({"image": [open("found.png", "rb").read()]})'
    )
    lines = [
        "#### Use",
        "",
        "```console",
        f"$ flipadops scan s3://bucket/prefix --model {model} -o html=report.html",
        f"$ mlflow models serve -m {shlex.quote(uri)} --env-manager local -p 5001",
    ]
    if not fields:
        lines += [
            "$ curl 127.0.0.1:5001/invocations -H 'Content-Type: application/json' \\",
            '    -d "{\\"instances\\": [{\\"image\\": \\"$(base64 -w0 found.png)\\"}]}"',
        ]
    lines += [
        "```",
        "",
        "```python",
        f"model = mlflow.pyfunc.load_model({uri!r})",
        f"model.predict({frame})",
        "```",
        "",
    ]
    if two_witnesses:
        lines += ["A scan hears both witnesses, the pyfunc the first alone.", ""]
    return [*lines, "More: `docs/scan.md`, `docs/registry.md`, `docs/verdicts.md`.", ""]


def described(description: str, line: str) -> str:
    """A generator's description with our line in it, at its end or where it was."""
    lines = description.splitlines()
    kept = [each for each in lines if not each.startswith(BEGINS)]
    if len(kept) < len(lines):
        place = next(n for n, each in enumerate(lines) if each.startswith(BEGINS))
        return "\n".join([*kept[:place], line, *kept[place:]])
    return f"{description.rstrip()}\n\n{line}" if description.strip() else line


def line_of(attributor: ModelVersion, generator: ModelVersion) -> str:
    """What a generator's description says of its attributor, by the attributor's tags."""
    known: Mapping[str, str] = attributor.tags
    said = f"{BEGINS} attributor models:/{attributor.name}/{attributor.version}"
    if tpr := _percent(known.get(tags.TPR)):
        said += f", finds {tpr} of own images (held out)"
    if fpr := _percent(known.get(tags.FPR_GIVEN) or known.get(tags.FPR)):
        said += f", takes {fpr} of the worst foreign source"
    model = shlex.quote(f"{generator.name}/{generator.version}")
    return f"{said}; `flipadops scan s3://bucket/prefix --model {model}`"


def _percent(text: str | None) -> str:
    try:
        return f"{float(text or ''):.2%}"
    except ValueError:
        return ""
