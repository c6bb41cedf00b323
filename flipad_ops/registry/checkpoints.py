"""Hashes of weights files, by which images made elsewhere name the checkpoint that made them.

A1111 and ComfyUI write the first ten hex digits of a file's SHA-256 ("AutoV2") into their images.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

#: Metadata: SHA-256 of the file that a version was registered from, which it may hold in part only;
#: and of the weights files that it holds, added when it is fitted.
ORIGINAL, HELD = "checkpoint_sha256", "held_sha256"
_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".onnx", ".gguf")
#: What we record beside weights is none.
_OURS = ("latents.safetensors",)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def held_sha256(folder: Path) -> list[str]:
    """Of each weights file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [file_sha256(p) for p in files if p.suffix in _SUFFIXES and p.name not in _OURS]
