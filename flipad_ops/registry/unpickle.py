"""Child process: unpickle a module and export it, so that no other process has to unpickle it.

    python -P -m flipad_ops.registry.unpickle MODEL.pth OUT.pt2 100,1,1 [CODE_FOLDER]

Unpickling runs whatever code the file asks for. This process has none of its parent's credentials
in the environment, but the same user's rights: consent is still needed (`generators.check_pickle`).
"""

from __future__ import annotations

import os
import sys

import torch


def main(file: str, out: str, shape: str, code: str = "") -> None:
    """Load `file`, export it for any batch size or else for one latent, write `out`."""
    if code:
        sys.path.insert(0, code)
    sys.path.append(os.getcwd())  # last: the working folder may add modules, not replace any
    module = torch.load(file, map_location="cpu", weights_only=False)
    if not isinstance(module, torch.nn.Module) or isinstance(module, torch.jit.ScriptModule):
        raise TypeError(f"the file holds a {type(module).__name__}, not a plain torch module")
    module = module.eval()
    size = [int(n) for n in shape.split(",")]
    try:
        # Two rows: torch.export turns a batch of one into a constant.
        program = torch.export.export(
            module, (torch.zeros(2, *size),), dynamic_shapes=[{0: torch.export.Dim.DYNAMIC}]
        )
    except Exception:  # the module may fix its batch to one
        program = torch.export.export(module, (torch.zeros(1, *size),))
    torch.export.save(program, out)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseException as problem:
        first = (str(problem).strip().splitlines() or [""])[0]
        sys.exit(f"{type(problem).__name__}: {first}")
