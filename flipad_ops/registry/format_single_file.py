"""The autoencoder inside a single-file checkpoint of the Stable Diffusion family.

Of a whole checkpoint only the autoencoder's tensors are read: `first_stage_model.` (SD 1 and 2,
SDXL, SD3), `vae.`, or the bare file (FLUX, FLUX.2, any VAE saved alone), in the names of the latent
diffusion code or of diffusers. Sizes follow from the tensors; diffusers' classes hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from flipad_ops.common.errors import GeneratorUnreadable
from flipad_ops.common.extras import need
from flipad_ops.common.size_limits import SizeGuard
from flipad_ops.registry.format_diffusers import (
    LatentDecoder,
    decoder_state,
    find_autoencoder,
    scaling,
)
from flipad_ops.registry.model_folder import LoadedGenerator, ModelFolder

PREFIXES = ("first_stage_model.", "vae.", "model.vae.", "")
#: Parts of names in a whole checkpoint that tell the family, and its scale and shift of latents;
#: then those of an autoencoder alone, by latent channels.
FAMILIES = (
    ("conditioner.embedders", "SDXL", 0.13025, 0.0),
    ("joint_blocks", "SD3", 1.5305, 0.0609),
    ("double_blocks", "FLUX", 0.3611, 0.1159),
    ("cond_stage_model", "Stable Diffusion 1 or 2", 0.18215, 0.0),
)
ALONE = {4: ("Stable Diffusion", 0.18215, 0.0), 16: ("FLUX", 0.3611, 0.1159)}
OTHERS = ("FLUX.2", 1.0, 0.0)
#: FLUX.2's file keeps these inside encoder and decoder.
MOVED = {"decoder.post_quant_conv.": "post_quant_conv.", "encoder.quant_conv.": "quant_conv."}


def is_single_file(folder: ModelFolder, metadata: Mapping[str, Any]) -> bool:
    """A .safetensors file, stated or the only one, that holds an autoencoder's decoder."""
    if find_autoencoder(folder.root) is not None:
        return False
    path = _file(folder, metadata)
    return path is not None and prefix_of(path) is not None


def read_single_file(
    folder: ModelFolder, metadata: Mapping[str, Any], device: str
) -> LoadedGenerator:
    """The decoder of the file's autoencoder, its encoder beside it.

    Raises
    ------
    GeneratorUnreadable
    """
    path = _file(folder, metadata)
    if path is None:
        raise GeneratorUnreadable("The artifacts hold no single .safetensors file.")
    module, config, family = read_autoencoder_file(path)
    family = str(metadata.get("family", family))
    decoder = LatentDecoder(module, *scaling(config, metadata)).to(device).eval()
    return LoadedGenerator(
        decoder,
        decoder_state(module),
        kind=f"single-file checkpoint {path.name}, decoder of its autoencoder ({family})",
        runs_on=f"torch, {device}",
        note=f"latents are taken to be scaled as in {family}, unless the metadata states a "
        "scaling_factor; random ones are not what a denoiser makes: register --latents",
    )


def read_autoencoder_file(path: Path) -> tuple[nn.Module, dict[str, Any], str]:
    """The autoencoder, float32, its scale and shift of latents, and the family's name.

    Raises
    ------
    GeneratorUnreadable
        It is of another kind than AutoencoderKL and AutoencoderTiny.
    ExtraMissing
        diffusers is not installed.
    """
    prefix = prefix_of(path)
    if prefix is None:
        raise GeneratorUnreadable(f"{path.name} holds no decoder of an autoencoder.")
    need("diffusers", "Reading this version")
    tensors, config = vae_tensors(path)
    state = {name.removeprefix(prefix): value.float() for name, value in tensors.items()}
    for before, after in MOVED.items():
        state = {
            after + name.removeprefix(before) if name.startswith(before) else name: value
            for name, value in state.items()
        }
    build = _tiny if "decoder.layers.0.weight" in state else _kl
    try:
        with SizeGuard():
            module = build(state)
    except (RuntimeError, KeyError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise GeneratorUnreadable(
            f"{path.name} holds an autoencoder of a kind not known here: {why}",
            remedy="Save it as a diffusers folder (save_pretrained) and register that",
        ) from error
    return module.eval(), config, str(config.pop("family"))


def vae_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The autoencoder's tensors of a checkpoint, as they are, and what the names of all tell of it:
    family, scaling_factor and shift_factor. The others are not read."""
    prefix = prefix_of(path) or ""
    with safe_open(path, "pt") as stream:
        names = list(stream.keys())
        tensors = {
            name: stream.get_tensor(name)
            for name in names
            if name.startswith(prefix) and _of_autoencoder(name.removeprefix(prefix))
        }
    state = {name.removeprefix(prefix): value for name, value in tensors.items()}
    family, factor, shift = _family(names, state)
    return tensors, {"family": family, "scaling_factor": factor, "shift_factor": shift}


def prefix_of(path: Path) -> str | None:
    """What the autoencoder's names begin with in a .safetensors file; None where there is none."""
    try:
        with safe_open(path, "pt") as stream:
            names = set(stream.keys())
    except (SafetensorError, OSError):
        return None
    for prefix in PREFIXES:
        if {f"{prefix}decoder.conv_in.weight", f"{prefix}decoder.layers.0.weight"} & names:
            return prefix
    return None


def _file(folder: ModelFolder, metadata: Mapping[str, Any]) -> Path | None:
    stated = metadata.get("weights")
    latent = metadata.get("latent")
    recorded = latent.get("file") if isinstance(latent, Mapping) else None
    if stated is not None:
        path = folder.path(str(stated))
        return path if path.is_file() and path.suffix == ".safetensors" else None
    found = [each for each in folder.find("*.safetensors") if each.name != Path(str(recorded)).name]
    return found[0] if len(found) == 1 else None


def _of_autoencoder(name: str) -> bool:
    return name.startswith(("decoder.", "encoder.", "quant_conv.", "post_quant_conv."))


def _kl(state: dict[str, Tensor]) -> nn.Module:
    """AutoencoderKL of the sizes that the tensors have."""
    import diffusers
    from diffusers.loaders import single_file_utils

    library: Any = diffusers
    convert: Any = single_file_utils.convert_ldm_vae_checkpoint

    ldm = any(name.startswith("decoder.up.") for name in state)
    level = (
        "decoder.up.{}.block.{}.conv2.weight"
        if ldm
        else ("decoder.up_blocks.{}.resnets.{}.conv2.weight")
    )
    sizes: list[int] = []
    while (name := level.format(len(sizes), 0)) in state:
        sizes.append(int(state[name].shape[0]))
    layers = 0
    while level.format(0, layers) in state:
        layers += 1
    count = len(sizes)
    config: dict[str, Any] = {
        "block_out_channels": tuple(sizes if ldm else reversed(sizes)),
        "down_block_types": ("DownEncoderBlock2D",) * count,
        "up_block_types": ("UpDecoderBlock2D",) * count,
        "layers_per_block": layers - 1,
        "latent_channels": int(state["decoder.conv_in.weight"].shape[1]),
        "out_channels": int(state["decoder.conv_out.weight"].shape[0]),
        "use_quant_conv": "quant_conv.weight" in state,
        "use_post_quant_conv": "post_quant_conv.weight" in state,
    }
    # A file with the decoder alone decodes as well.
    whole = any(name.startswith("encoder.") for name in state)
    module: nn.Module = library.AutoencoderKL(**config)
    weights = convert(state, config) if ldm else state
    missing, unknown = module.load_state_dict(weights, strict=False)
    if unknown or any(whole or not name.startswith(("encoder.", "quant_")) for name in missing):
        raise ValueError(f"tensors missing {missing[:3]}, unknown {unknown[:3]}")
    if not whole:
        del module.encoder
    return module


def _tiny(state: dict[str, Tensor]) -> nn.Module:
    """AutoencoderTiny of the usual depth."""
    import diffusers

    library: Any = diffusers
    channels = int(state["decoder.layers.0.weight"].shape[1])
    module: nn.Module = library.AutoencoderTiny(latent_channels=channels)
    module.load_state_dict(state)
    return module


def _family(names: list[str], state: Mapping[str, Tensor]) -> tuple[str, float, float]:
    if "decoder.layers.0.weight" in state:
        return "AutoencoderTiny", 1.0, 0.0
    for part, family, factor, shift in FAMILIES:
        if any(part in name for name in names):
            return family, factor, shift
    return ALONE.get(int(state["decoder.conv_in.weight"].shape[1]), OTHERS)
