"""Decoders of the diffusers library: mlflow.diffusers adapters and folders it wrote.

mlflow.diffusers (MLflow 3.17) keeps LoRA adapters and names their base model. Adapters change the
denoiser, never the autoencoder: what such a version shares with its base is the decoder, and
FLIPAD's final layer is that decoder's `conv_out`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flipad_ops.common.errors import GeneratorUnreadable, first_line
from flipad_ops.common.extras import need
from flipad_ops.common.size_limits import SizeGuard
from flipad_ops.common.untrusted_json import parse
from flipad_ops.registry.model_folder import LoadedGenerator, ModelFolder

#: Where pipelines keep their autoencoder.
SUBFOLDERS = ("vae", "movq", "vqvae")
#: Names that weights in half precision are saved under (`save_pretrained(variant=...)`).
VARIANTS = ("fp16", "bf16")
#: How the names of their classes begin.
NAMES = ("Autoencoder", "AsymmetricAutoencoder", "ConsistencyDecoder", "VQ")


class LatentDecoder(nn.Module):
    """Latents as the denoiser sees them, of about unit variance, to images.

    Parameters
    ----------
    autoencoder : nn.Module
        With `decode(z).sample`, as diffusers' AutoencoderKL.
    scale, shift : Tensor
        z = latent * scale + shift; broadcast over (batch, channels, height, width).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, autoencoder: nn.Module, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, latents: Tensor) -> Tensor:
        """(batch, channels, height, width) to images (batch, 3, height, width)."""
        decoded = self.autoencoder.decode(latents * self.scale + self.shift)  # type: ignore[operator]
        return decoded.sample  # type: ignore[no-any-return]

    def encode(self, images: Tensor) -> Tensor:
        """Images (batch, 3, height, width) as `forward` returns them to latents; of a
        distribution its mode.

        Raises
        ------
        GeneratorUnreadable
            The autoencoder's result is of a kind not known here.
        """
        encoded = self.autoencoder.encode(images)  # type: ignore[operator]
        if (posterior := getattr(encoded, "latent_dist", None)) is not None:
            encoded = posterior.mode()
        else:  # AutoencoderTiny and VQModel; AutoencoderDC
            encoded = getattr(encoded, "latents", getattr(encoded, "latent", None))
        if not isinstance(encoded, Tensor):
            raise GeneratorUnreadable("The autoencoder's encoder gives no latents.")
        return (encoded - self.shift) / self.scale


def is_diffusers(folder: ModelFolder, metadata: Mapping[str, Any]) -> bool:
    """The flavour, or a folder written by diffusers."""
    return "diffusers" in folder.flavors or find_autoencoder(folder.root) is not None


def read_diffusers(
    folder: ModelFolder, metadata: Mapping[str, Any], device: str
) -> LoadedGenerator:
    """The decoder of an adapter's base model or of the folder; raises GeneratorError."""
    read = read_adapter if "diffusers" in folder.flavors else read_autoencoder
    return read(folder, metadata, device)


def read_adapter(folder: ModelFolder, metadata: Mapping[str, Any], device: str) -> LoadedGenerator:
    """The decoder of the base model that an mlflow.diffusers adapter names.

    The base is read from a local folder or from the local Hugging Face cache; nothing is
    downloaded. Metadata "base_model" names another place.

    Raises
    ------
    GeneratorUnreadable
    """
    flavor = folder.flavors["diffusers"]
    base = str(metadata.get("base_model") or flavor.get("base_model", ""))
    remedy = (
        f"Fetch the base model where fits run (hf download {base} --include "
        '\'vae/*\'), or state a local folder: {"base_model": "/models/base"}'
    )
    where: Path | str = base
    subfolder: str | None = SUBFOLDERS[0]
    if Path(base).is_dir() or base.startswith(("/", ".", "~")):
        found = find_autoencoder(Path(base).expanduser())
        if found is None:
            raise GeneratorUnreadable(
                f"The base model {base!r} of this adapter holds no autoencoder here.", remedy=remedy
            )
        where, subfolder = found, None
    revision = flavor.get("base_model_revision")
    loaded = _load(where, subfolder, revision, metadata, device, remedy)
    kind = f"mlflow.diffusers, adapter of {base}, whose {loaded[0]} decodes"
    return _loaded(loaded, kind, device)


def read_autoencoder(
    folder: ModelFolder, metadata: Mapping[str, Any], device: str
) -> LoadedGenerator:
    """The decoder in a folder that diffusers' `save_pretrained` wrote, alone or in a pipeline.

    Raises
    ------
    GeneratorUnreadable
    """
    where = find_autoencoder(folder.root)
    if where is None:
        raise GeneratorUnreadable("The artifacts hold no autoencoder of diffusers.")
    loaded = _load(where, None, None, metadata, device, "Save it with safe_serialization=True")
    name = where.relative_to(folder.root).as_posix()
    place = "" if name == "." else f" in {name}"
    return _loaded(loaded, f"diffusers, decoder of {loaded[0]}{place}", device)


def find_autoencoder(root: Path) -> Path | None:
    """The folder of an autoencoder's config.json, at the root, in a pipeline, or below."""
    for pipeline in [root, *sorted(p.parent for p in root.rglob("model_index.json"))]:
        for folder in (pipeline, *(pipeline / name for name in SUBFOLDERS)):
            if _class_name(folder) is not None:
                return folder
    found = sorted(p.parent for p in root.rglob("config.json") if _class_name(p.parent))
    return found[0] if len(found) == 1 else None


def _class_name(folder: Path) -> str | None:
    try:
        name = parse((folder / "config.json").read_text(encoding="utf-8"))["_class_name"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) and name.startswith(NAMES) else None


def _load(
    where: Path | str,
    subfolder: str | None,
    revision: str | None,
    metadata: Mapping[str, Any],
    device: str,
    remedy: str,
) -> tuple[str, LatentDecoder, dict[str, Tensor], tuple[int, ...] | None]:
    need("diffusers", "Reading this version")
    import diffusers

    options: dict[str, Any] = {"local_files_only": True, "revision": revision}
    if subfolder:
        options["subfolder"] = subfolder
    try:
        # The library warns about its own use of huggingface_hub.
        with warnings.catch_warnings(), SizeGuard():
            warnings.simplefilter("ignore")
            config: Any = diffusers.AutoencoderKL.load_config(str(where), **options)
            name = str(config.get("_class_name"))
            kind = getattr(diffusers, name, None)
            if name.startswith("ConsistencyDecoder"):
                raise GeneratorUnreadable(
                    f"{name} makes each image by sampling a diffusion model: it draws noise of its "
                    "own and ends in no layer that makes the image.",
                    remedy="Attribute the pipeline with an AutoencoderKL in its place, if its "
                    "images are decoded so; else register samples (register --samples)",
                )
            if not (isinstance(kind, type) and hasattr(kind, "decode")):
                raise GeneratorUnreadable(f"{name} is no autoencoder that diffusers knows.")
            module = _pretrained(kind, str(where), options)
    except (OSError, ValueError) as error:
        raise GeneratorUnreadable(
            f"The autoencoder of {str(where)!r} cannot be read: {first_line(error)}", remedy=remedy
        ) from error
    module = module.float().eval()
    if any(isinstance(part, nn.Conv3d) for part in module.modules()):
        raise GeneratorUnreadable(
            f"{name} decodes videos: its last linear operation is a 3-d convolution, over frames.",
            remedy="FLIPAD inverts 2-d convolutions and linear layers; register samples instead "
            "(register --samples)",
        )
    decoder = LatentDecoder(module, *scaling(config, metadata)).to(device).eval()
    return name, decoder, decoder_state(module), _latent_shape(config)


def decoder_state(autoencoder: nn.Module) -> dict[str, Tensor]:
    """The tensors that decide its images."""
    everything = dict(autoencoder.state_dict())
    parts = ("decoder.", "post_quant_conv.")
    return {k: v for k, v in everything.items() if k.startswith(parts)} or everything


def _pretrained(kind: Any, where: str, options: Mapping[str, Any]) -> nn.Module:
    """The module in float32; of weights saved in half precision alone, those.

    Raises
    ------
    OSError, ValueError
        What diffusers says of the usual file.
    """
    read = partial(
        kind.from_pretrained, where, use_safetensors=True, low_cpu_mem_usage=False, **options
    )
    usual = Path(where) / "diffusion_pytorch_model.safetensors"
    for variant in VARIANTS:  # seen at once, where diffusers would complain on the terminal first
        if not usual.exists() and usual.with_suffix(f".{variant}.safetensors").exists():
            return read(variant=variant)  # type: ignore[no-any-return]
    try:
        return read()  # type: ignore[no-any-return]
    except (OSError, ValueError):
        for variant in VARIANTS:
            with suppress(OSError, ValueError):
                return read(variant=variant)  # type: ignore[no-any-return]
        raise


def scaling(config: Mapping[str, Any], metadata: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """As diffusers' pipelines do before `decode`: divide by the scaling factor, shift back."""
    factor = metadata.get("scaling_factor", config.get("scaling_factor") or 1.0)
    if not isinstance(factor, (int, float)) or not factor > 0:
        raise GeneratorUnreadable(f"The scaling_factor {factor!r} is not a positive number.")
    mean, std = config.get("latents_mean"), config.get("latents_std")
    if mean and std:
        scale = torch.tensor(std, dtype=torch.float32)[:, None, None] / float(factor)
        return scale, torch.tensor(mean, dtype=torch.float32)[:, None, None]
    shift = float(metadata.get("shift_factor", config.get("shift_factor")) or 0.0)
    return torch.tensor(1.0 / float(factor)), torch.tensor(shift)


def _latent_shape(config: Mapping[str, Any]) -> tuple[int, ...] | None:
    channels, size = config.get("latent_channels"), config.get("sample_size")
    blocks = config.get("block_out_channels") or ()
    if not isinstance(channels, int) or not isinstance(size, int) or not blocks:
        return None
    side = size // 2 ** (len(blocks) - 1)
    return (channels, side, side) if side else None


def _loaded(
    loaded: tuple[str, LatentDecoder, dict[str, Tensor], tuple[int, ...] | None],
    kind: str,
    device: str,
) -> LoadedGenerator:
    _, decoder, state, shape = loaded
    return LoadedGenerator(
        decoder,
        state,
        kind=kind,
        runs_on=f"torch, {device}",
        latent_shape=shape,
        note="the denoiser is not run, and random latents are not what it makes: to recognise a "
        "pipeline's images, register it with recorded latents (register --latents)",
    )
