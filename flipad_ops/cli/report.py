"""`flipadops report`: a finished scan in another format, without scanning again."""

from __future__ import annotations

import typer

from flipad_ops.cli.scan_options import Output
from flipad_ops.cli.shared_options import Saved, Sign
from flipad_ops.common.log import end


def report(saved: Saved, output: Output = None, sign: Sign = None) -> None:
    """Convert a saved scan. Reads no image: the HTML has no pictures then.

    Exit codes: 0 written, 2 usage or no such file, 7 not all could be written.
    """
    from flipad_ops.common.exit_codes import UNRECORDED
    from flipad_ops.scanning.outcome.saved import load_outcome
    from flipad_ops.scanning.outcome.signing import Signer
    from flipad_ops.scanning.outputs import check_outputs, parse_output, write_outputs

    outputs = [parse_output(text) for text in output or ["table"]]
    check_outputs(outputs)
    signer = None if sign is None else Signer(sign).sign
    failed = write_outputs(load_outcome(saved), outputs, signer)
    for sentence in failed:
        end(sentence, UNRECORDED)
    if failed:
        raise typer.Exit(UNRECORDED)
