"""What programs around Stable Diffusion write: A1111's `parameters`, ComfyUI's graphs.

Links between nodes are not followed, so graphs may hold circles.
"""

from __future__ import annotations

import re
from typing import Any

from flipad_ops.common.untrusted_json import parse
from flipad_ops.provenance.stated import Gathered

#: Values of a graph that are looked at.
VALUES = 200_000
_MODEL = re.compile(r"\b(?:Model|VAE): ([^,\n]{1,200})")
_HASH = re.compile(r'\b(?:Model hash|VAE hash): "?([0-9a-fA-F]{10,64})\b')
_HASHES = re.compile(r'"(?:model|vae)": ?"([0-9a-fA-F]{10,64})"')
_VERSION = re.compile(r"\bVersion: ([^,\n]{1,100})")
_WEIGHTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft")
_NAMES = ("ckpt_name", "unet_name", "vae_name", "model_name")


def read_parameters(text: str, found: Gathered) -> None:
    """AUTOMATIC1111 and Forge: the line of settings behind the prompts."""
    settings = text[max(0, text.rfind("Steps: ")) :]
    found.models += _MODEL.findall(settings)
    for digits in (*_HASH.findall(settings), *_HASHES.findall(settings)):
        found.hashed(digits)
    version = _VERSION.search(settings)
    # Nobody else writes "Steps: 20, Sampler: ...".
    if "Steps: " in text:
        found.software.append(f"AUTOMATIC1111 {version[1]}" if version else "AUTOMATIC1111")


def read_graph(text: str, found: Gathered) -> None:
    """ComfyUI's `prompt` or `workflow`.

    Raises
    ------
    ValueError
        It is no JSON, or too large.
    """
    try:
        waiting, seen = [parse(text)], 0
    except ValueError as error:
        raise ValueError("no JSON, or nested too deeply") from error
    if not isinstance(waiting[0], dict | list):
        raise ValueError("no graph")
    found.software.append("ComfyUI")
    while waiting:
        seen += 1
        if seen > VALUES:
            raise ValueError(f"more than {VALUES} values")
        value = waiting.pop()
        if isinstance(value, dict):
            _node(value, found)
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _node(node: dict[Any, Any], found: Gathered) -> None:
    found.models += [node[name] for name in _NAMES if isinstance(node.get(name), str)]
    for name in ("hash", "model_hash", "sha256"):
        if isinstance(node.get(name), str):
            found.hashed(node[name])
    widgets, kind = node.get("widgets_values"), node.get("type")
    if isinstance(widgets, list) and isinstance(kind, str) and "Loader" in kind:
        found.models += [w for w in widgets if isinstance(w, str) and w.endswith(_WEIGHTS)]
