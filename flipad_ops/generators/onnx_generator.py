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

from flipad_ops.common.errors import first_line
from flipad_ops.common.size_limits import check_entries
from flipad_ops.generators.conditions import Input
from flipad_ops.generators.onnx_full_precision import widen_graph
from flipad_ops.generators.onnx_graph import LastNode, find_last_linear
from flipad_ops.generators.onnx_inputs import OnnxInputs
from flipad_ops.generators.onnx_layer import linear_call
from flipad_ops.generators.onnx_twin import OnnxTwin, unknown_operators
from flipad_ops.generators.trace import LinearCall, TracesItself

if TYPE_CHECKING:
    from onnx import ModelProto


class OnnxGenerator(TracesItself):
    """A latent, and what metadata tells beside it, to one image output.

    Parameters
    ----------
    path : Path
        The .onnx file, external data beside it. A second file with more outputs is written
        beside it, so the folder must be writable.
    device : str
        "cpu" or "cuda..."; what onnxruntime really uses is in `provider`.
    stated, shape
        See `OnnxInputs`.

    Attributes
    ----------
    provider : str
    on_device : bool
        Whether `provider` is on the device asked for.
    inputs : OnnxInputs
    batched, latent_shape
        Of those.
    state : dict of name to Tensor
        All initializers.

    Raises
    ------
    GeneratorUnreadable
        No valid ONNX file, or inputs that `OnnxInputs` refuses.
    NotAttributable
        See `find_last_linear`.
    """

    def __init__(
        self,
        path: Path,
        device: str = "cpu",
        stated: Sequence[Input] = (),
        shape: tuple[int, ...] = (),
    ) -> None:
        import onnx
        from onnx.inliner import inline_local_functions

        onnx.checker.check_model(str(path))  # also refuses external data outside the folder
        model = onnx.load(str(path), load_external_data=False)
        _check_sizes(model)
        if model.functions:
            model = inline_local_functions(model)
        widen_graph(model, path.parent)
        self.inputs = OnnxInputs(model, stated, shape)
        self.batched, self.latent_shape = self.inputs.batched, self.inputs.latent_shape
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
        try:
            return OnnxTwin(self.model, self.constants, self.inputs, self.device), ""
        except Exception as error:  # a graph may use an operator in ways unforeseen here
            why = first_line(error).rstrip(".")
            return None, f"The ONNX graph does not run in torch ({why}), {blocked}"

    def trace(self, latents: Tensor) -> tuple[Tensor, LinearCall]:
        """See `TracesItself`; tensors are on the CPU."""
        fed = {name: value.numpy() for name, value in self.inputs(latents.detach().cpu()).items()}
        output, *rest = (
            torch.from_numpy(np.array(each, np.float32))
            for each in self.session.run(self.asked, fed)
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
    return onnxruntime.InferenceSession(str(path), options, providers=providers)
