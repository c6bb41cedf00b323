"""Files of other frameworks, recognised without being loaded, and how each becomes readable."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from flipad_ops.common.errors import GeneratorUnreadable

#: Bytes of a pickle in which its classes are looked for.
LOOKED_AT = 2**20
_ONNX = "and log generator.onnx (mlflow.onnx.log_model, or the file as the version's only artifact)"


class Foreign(NamedTuple):
    """A kind of file or folder: what it is, its test, and what to do."""

    what: str
    is_it: Callable[[Path], bool]
    remedy: str


def is_torchscript(path: Path) -> bool:
    """What `torch.jit.save` wrote."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return any(name.endswith("/constants.pkl") for name in names) and any(
        "/code/" in name for name in names
    )


def _is_stylegan(path: Path) -> bool:
    return any(
        module.startswith(("torch_utils.persistence", "dnnlib")) for module in pickled_modules(path)
    )


def pickled_modules(path: Path) -> list[str]:
    """Modules whose objects a plain pickle asks for, as far as its first bytes tell; nothing is
    loaded."""
    with path.open("rb") as stream:
        head = stream.read(LOOKED_AT)
    if not head.startswith(b"\x80"):
        return []
    found: list[str] = []
    texts: list[str] = []
    try:
        for code, argument, _ in pickletools.genops(head):
            if code.name == "GLOBAL":
                found.append(str(argument).partition(" ")[0])
            elif code.name == "STACK_GLOBAL":
                found += texts[-2:-1]
            elif isinstance(argument, str):
                texts.append(argument)
    except ValueError:  # the pickle goes on beyond what was read
        pass
    return found


def _starts(*magic: bytes) -> Callable[[Path], bool]:
    def test(path: Path) -> bool:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(16).startswith(magic)

    return test


def _is_keras(path: Path) -> bool:
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "model.weights.h5" in archive.namelist()


FOREIGN = (
    Foreign(
        "a TorchScript program",
        is_torchscript,
        "Take its weights, torch.save(torch.jit.load({path!r}).state_dict(), 'weights.pt'), and "
        "register them in the module's class: flipadops register NAME --factory "
        "package.module:Class --weights weights.pt --latent SHAPE",
    ),
    Foreign(
        "a network pickled by NVIDIA's StyleGAN code",
        lambda path: path.is_file() and _is_stylegan(path),
        "With that repository at hand: G = legacy.load_network_pkl(open({path!r}, 'rb'))['G_ema']; "
        "wrap it in a module whose forward(z) is G(z, None, noise_mode='const') and log that with "
        "mlflow.pytorch.log_model(..., serialization_format='pt2', input_example=<two latents>)",
    ),
    Foreign(
        "a Keras model",
        lambda path: path.is_file() and (_is_keras(path) or _starts(b"\x89HDF\r\n")(path)),
        "Convert it where TensorFlow is: tf.keras.models.load_model({path!r}).export('saved'); "
        f"python -m tf2onnx.convert --saved-model saved --output generator.onnx; {_ONNX}",
    ),
    Foreign(
        "a TensorFlow SavedModel",
        lambda path: path.name in ("saved_model.pb", "saved_model.pbtxt"),
        "Convert it: python -m tf2onnx.convert --saved-model {folder!r} --output generator.onnx; "
        + _ONNX,
    ),
    Foreign(
        "a TensorFlow Lite model",
        lambda path: path.suffix == ".tflite",
        "Convert it: python -m tf2onnx.convert --tflite {path!r} --output generator.onnx; " + _ONNX,
    ),
    Foreign(
        "a GGUF file of quantised weights",
        _starts(b"GGUF"),
        "Register the weights it was quantised from, as safetensors",
    ),
)


def recognised(path: Path) -> Foreign | None:
    """The framework that a file is of; None for what is read here or not known."""
    return next((each for each in FOREIGN if each.is_it(path)), None)


def refuse_foreign(paths: list[Path], root: Path) -> None:
    """Name the first file of another framework.

    Raises
    ------
    GeneratorUnreadable
        Its `remedy` says how to convert it.
    """
    for path in paths:
        if (found := recognised(path)) is not None:
            shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
            raise GeneratorUnreadable(
                f"{shown} is {found.what}, which is not read here.",
                remedy=found.remedy.format(path=path.name, folder=path.parent.name or "."),
            )
