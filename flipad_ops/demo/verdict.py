"""What the demo prints: found against truth, and the commands to type next."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from flipad_ops.common.text_columns import write_columns
from flipad_ops.demo.main_job import MODEL, OTHER, DemoResult
from flipad_ops.demo.material import KINDS
from flipad_ops.demo.output_folder import DATABASE
from flipad_ops.scanning.outcome.summary import sentences, summarise, verdict

#: What each sub-folder holds.
HOLDS = {
    "own-png": "new faces, as made",
    "own-jpeg": "new faces, JPEG 75 to 95",
    "own-resized": "new faces, 48 to 128 pixels",
    "other-faces": "another team's generator",
    "photographs": "photographs, PNG and JPEG",
}

#: What decided.
FIRST_ALONE = (
    "A small fit, and the first witness alone, which looks at the final layer's input; of\n"
    "resized images its p-values are a hint. The faces that the report shows beside the found\n"
    "ones are for the eye: `flipadops demo --remake` fits a second witness, which decides by\n"
    "them, ten minutes more.\n"
)
REMADE = (
    "A small fit of both witnesses; the recipe `default` takes some seven times as many images.\n"
)


def write_verdict(result: DemoResult, folder: Path, seconds: float, stream: TextIO) -> None:
    """The fit, the scan by sub-folder, one verdict line, what to do next."""
    fdr = result.outcome.request.fdr
    if result.fit is not None:
        stream.write(result.fit.text())
    lines: list[tuple[str, ...]] = [("folder", "holds", "images", "attributed", "leaks", "truth")]
    for kind, truth in KINDS.items():
        figures = (result.counts[kind], result.attributed[kind], result.leaks[kind])
        lines.append((f"found/{kind}", HOLDS[kind], *map(str, figures), truth))
    stream.write(f"\nscan of found/ with the attributor of {MODEL}/1\n")
    write_columns(lines, stream, "  ")
    rule = result.outcome.request.size_rule
    stream.write(
        f"\n{verdict(result.outcome).upper()}: {sum(result.attributed.values())} of "
        f"{sum(result.counts.values())} images attributed, {sum(result.leaks.values())} of them "
        f"leaks at a false discovery rate of {fdr:g}. {seconds:.0f} seconds in all.\n"
        f"{sentences(summarise(result.outcome))}\n"
        f"{REMADE if rule == 'search' else FIRST_ALONE}"
        f"The fit has seen other faces of {OTHER}/1, and other photographs than those scanned;\n"
        "generators that it has never seen are harder.\n"
        f"\nThe report, remade faces beside found ones: {folder / 'report.html'}\n"
        "Next:\n"
        f"  cd {folder}\n"
        f"  flipadops scan found --model {MODEL}/1 --size-rule {rule} --fdr {fdr:g} "
        f"--tracking-uri sqlite:///{DATABASE}\n"
        f"  mlflow ui --backend-store-uri sqlite:///{DATABASE}\n"
    )
