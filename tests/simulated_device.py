"""A device that is none: tensors on it compute on the CPU, and refuse what a GPU refuses.

Tensors of `DEVICE` mix with none of the CPU's but single numbers and indices; their memory cannot
be read as an array; random numbers for it are drawn by no CPU generator. Kernels are the CPU's, so
that sums and times say nothing of a GPU, but every line of a fit and a score runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

#: A kind that torch knows, asks no driver for, and has no kernels of its own for.
DEVICE = "lazy"
_HERE = torch.device(DEVICE, 0)
_aten = torch.ops.aten
_MOVES = {_aten.copy_.default, _aten._to_copy.default}
_INDEXED = {
    _aten.index.Tensor,
    _aten.index_put_.default,
    _aten.index_put.default,
    _aten._index_put_impl_.default,
}


class Placed(Tensor):
    """A tensor of the simulated device; `inner` lies on the CPU."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Placed:
        """A wrapper that says it lies elsewhere."""
        placed = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(),
            dtype=inner.dtype, device=_HERE, requires_grad=inner.requires_grad,
        )  # fmt: skip
        placed.inner = inner
        return placed  # type: ignore[no-any-return]

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Placed({self.inner})"

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        """Every operation."""
        return _run(func, args, kwargs or {})


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    leaves = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    placed = [x for x in leaves if isinstance(x, Placed)]
    plain = [x for x in leaves if not isinstance(x, Placed) and x.dim()]
    there = bool(placed)
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]).type == DEVICE
        kwargs = {**kwargs, "device": torch.device("cpu")}
    source = kwargs.get("generator")
    if there and source is not None and source.device.type == "cpu":
        raise RuntimeError(f"{func}: a CPU generator for a device's tensor")
    if placed and plain and func not in _MOVES:
        values = args[2:] if func is not _aten.index.Tensor else ()
        wrong = [x for x in values if isinstance(x, Tensor) and x.dim()]
        wrong = [x for x in wrong if isinstance(x, Placed) is not isinstance(args[0], Placed)]
        if func not in _INDEXED or not isinstance(args[0], Placed) or wrong:
            raise RuntimeError(f"{func}: tensors on two devices, {[tuple(x.shape) for x in plain]}")
    if func is _aten.copy_.default:
        there = isinstance(args[0], Placed)
    out = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    if func._schema.is_mutable and isinstance(out, Tensor):
        return kwargs.get("out", args[0])
    return tree_map(lambda x: Placed(x) if there and type(x) is Tensor else x, out)


def _inner(x: object) -> object:
    return x.inner if isinstance(x, Placed) else x


class _Operations(TorchDispatchMode):
    """Makers of tensors, whose arguments hold none."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Calls(TorchFunctionMode):
    """What torch does in its own core, past the dispatcher."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        if func is torch.Tensor.tolist and isinstance(args[0], Placed):
            return args[0].inner.tolist()
        return func(*args, **kwargs)


@contextmanager
def simulated_device() -> Iterator[str]:
    """In it `DEVICE` can be named wherever torch takes a device."""
    with _Operations(), _Calls():
        yield DEVICE
