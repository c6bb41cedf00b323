"""A generator in an ONNX file, run by onnxruntime.

F is run by asking onnxruntime for one more output: the tensor that feeds the last linear node.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from flipad_ops.common.errors import GeneratorUnreadable, first_line
from flipad_ops.common.size_limits import check_entries
from flipad_ops.generators.onnx_full_precision import widen_graph
from flipad_ops.generators.onnx_graph import LastNode, find_last_linear
from flipad_ops.generators.onnx_layer import linear_call
from flipad_ops.generators.onnx_twin import OnnxTwin, unknown_operators
from flipad_ops.generators.trace import LinearCall, TracesItself

if TYPE_CHECKING:
    from onnx import ModelProto

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class OnnxGenerator(TracesItself):
    """One latent input, one image output.

    Parameters
    ----------
    path : Path
        The .onnx file, external data beside it. A second file with more outputs is written
        beside it, so the folder must be writable.
    device : str
        "cpu" or "cuda..."; what onnxruntime really uses is in `provider`.

    Attributes
    ----------
    provider : str
    on_device : bool
        Whether `provider` is on the device asked for.
    batched : bool
        False when the graph is fixed to one latent at a time.
    latent_shape : tuple of int or None
        As far as the graph states it.
    state : dict of name to Tensor
        All initializers.

    Raises
    ------
    GeneratorUnreadable
        No valid ONNX file, more inputs than one, or a fixed batch size above one.
    NotAttributable
        See `find_last_linear`.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        import onnx
        from onnx.inliner import inline_local_functions

        onnx.checker.check_model(str(path))  # also refuses external data outside the folder
        model = onnx.load(str(path), load_external_data=False)
        _check_sizes(model)
        if model.functions:
            model = inline_local_functions(model)
        widen_graph(model, path.parent)
        self.batched, self.latent_shape = _input(model)
        self.opset = next((o.version for o in model.opset_import if o.domain == ""), 0)
        self.constants = {
            each.name: torch.from_numpy(
                np.array(onnx.numpy_helper.to_array(each, base_dir=str(path.parent)))
            )
            for each in model.graph.initializer
            if onnx.helper.tensor_dtype_to_np_dtype(each.data_type).kind in "fiub"
        }
        self.state = {n: v for n, v in self.constants.items() if v.dtype is not torch.bool}
        self.node = find_last_linear(model)
        output = model.graph.output[0].name
        self.names = _outputs(self.node)
        for name in {*self.names} - {value.name for value in model.graph.output}:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
        traced = path.with_name(f"{path.stem}.flipad.onnx")
        onnx.save(model, str(traced))
        del model.graph.initializer[:]  # `constants` has them
        self.model, self.device = model, device
        self.session = _session(traced, device)
        self.provider = str(self.session.get_providers()[0])
        # onnxruntime falls back to the CPU in silence.
        self.on_device = (torch.device(device).type == "cuda") == ("CUDA" in self.provider)
        self.input = self.session.get_inputs()[0]
        self.asked = [output, *self.names]

    @cached_property
    def twin(self) -> OnnxTwin | None:
        """See `TracesItself`; that it gives the same images is for who asks to check."""
        return self._twin_or_reason[0]

    @cached_property
    def why_no_twin(self) -> str:
        """See `TracesItself`."""
        return self._twin_or_reason[1]

    @cached_property
    def _twin_or_reason(self) -> tuple[OnnxTwin | None, str]:
        blocked = "so no gradient reaches the latents."
        if unknown := unknown_operators(self.model):
            names = ", ".join(unknown[:6])
            return None, f"ONNX operators without a counterpart here ({names}) run, {blocked}"
        dtype = torch.from_numpy(np.empty(0, _TYPES[self.input.type])).dtype
        try:
            return OnnxTwin(self.model, self.constants, dtype, self.device), ""
        except Exception as error:  # a graph may use an operator in ways unforeseen here
            why = first_line(error).rstrip(".")
            return None, f"The ONNX graph does not run in torch ({why}), {blocked}"

    def trace(self, latents: Tensor) -> tuple[Tensor, LinearCall]:
        """See `TracesItself`; tensors are on the CPU."""
        values = latents.detach().cpu().numpy().astype(_TYPES[self.input.type])
        output, *rest = (
            torch.from_numpy(np.array(each, np.float32))
            for each in self.session.run(self.asked, {self.input.name: values})
        )
        found = dict(zip(self.names, rest, strict=True))
        node = self.node
        call = linear_call(
            node,
            found[node.data],
            found[node.weight],
            None if node.bias is None else found[node.bias],
            None if node.added is None else found[node.added],
            found[node.output],
        )
        return output, call


def _check_sizes(model: ModelProto) -> None:
    """Every shape that the graph states, or that follows from it, for one sample."""
    import onnx

    for each in model.graph.initializer:
        check_entries(each.dims, f"Initializer {each.name!r}")
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    for value in (*graph.input, *graph.value_info, *graph.output):
        sizes = [int(dim.dim_value) or 1 for dim in value.type.tensor_type.shape.dim]
        check_entries(sizes, f"{value.name!r} of the ONNX graph")


def _outputs(node: LastNode) -> list[str]:
    names = (node.data, node.weight, node.bias, node.added, node.output)
    return list(dict.fromkeys(name for name in names if name))


def _input(model: ModelProto) -> tuple[bool, tuple[int, ...] | None]:
    held = {each.name for each in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in held]
    if len(inputs) != 1:
        raise GeneratorUnreadable(
            f"The ONNX graph takes {len(inputs)} inputs; it must take one, the latent.",
            remedy="Export a module that takes the latent alone (labels and noise fixed inside)",
        )
    kind = inputs[0].type.tensor_type
    dims = list(kind.shape.dim)
    if not dims:
        raise GeneratorUnreadable("The ONNX graph does not state the shape of its input.")
    size = dims[0].dim_value
    if size > 1:
        raise GeneratorUnreadable(
            f"The ONNX graph was exported for batches of exactly {size}.",
            remedy="Export it with a dynamic batch dimension (dynamic_axes or dynamic_shapes), or "
            "for batches of one",
        )
    rest = tuple(int(dim.dim_value) for dim in dims[1:])
    return size != 1, rest if rest and all(rest) else None


def _session(path: Path, device: str) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: Sequence[Any] = ["CPUExecutionProvider"]
    if torch.device(device).type == "cuda":
        index = torch.device(device).index or 0
        # TF32, the default, keeps ten bits: too few for the split's check.
        cuda = {"device_id": index, "use_tf32": 0}
        providers = [("CUDAExecutionProvider", cuda), *providers]
    session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    if session.get_inputs()[0].type not in _TYPES:
        raise GeneratorUnreadable(
            f"The ONNX graph takes {session.get_inputs()[0].type}; the latent must be of floats."
        )
    return session
