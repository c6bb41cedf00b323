"""What the demo prints: found against truth, and the commands to type next."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from flipad_ops.common.text_columns import write_columns
from flipad_ops.demo.main_job import MODEL, VERSIONS, DemoResult
from flipad_ops.demo.output_folder import DATABASE
from flipad_ops.scanning.outcome.summary import sentences, summarise, verdict

#: What each sub-folder holds, and how much of it should be attributed.
TRUTH = {
    "own": ("new samples of version 1", "all"),
    "sibling": ("samples of version 2, same network, other seed", "none"),
    "real": ("patches of photographs", "none"),
}


def write_verdict(result: DemoResult, folder: Path, seconds: float, stream: TextIO) -> None:
    """The fits, the scan by sub-folder, one verdict line, what to do next."""
    fdr = result.outcome.request.fdr
    for fit in result.fits:
        stream.write(fit.text())
    lines: list[tuple[str, ...]] = [("folder", "holds", "images", "attributed", "leaks", "truth")]
    for kind, (holds, truth) in TRUTH.items():
        figures = (result.counts[kind], result.attributed[kind], result.leaks[kind])
        lines.append((f"found/{kind}", holds, *map(str, figures), truth))
    stream.write(f"\nscan of found/ with the attributor of {MODEL}/{VERSIONS[0]}\n")
    write_columns(lines, stream, "  ")
    stream.write(
        f"\n{verdict(result.outcome).upper()}: {sum(result.leaks.values())} of "
        f"{sum(result.counts.values())} images, at a false discovery rate of "
        f"{fdr:g}. {seconds:.0f} seconds in all.\n"
        f"{sentences(summarise(result.outcome))}\n"
        f"(The fit had seen other samples of version {VERSIONS[1]} and other parts of the same "
        "photographs;\ngenerators that it has never seen are harder.)\n"
        f"\nThe report with pictures: {folder / 'report.html'}\n"
        "Next:\n"
        f"  cd {folder}\n"
        f"  flipadops scan found --model {MODEL}/{VERSIONS[0]} --fdr {fdr:g} "
        f"--tracking-uri sqlite:///{DATABASE}\n"
        f"  mlflow ui --backend-store-uri sqlite:///{DATABASE}\n"
    )
