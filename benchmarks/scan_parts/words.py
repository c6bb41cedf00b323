"""The results as a page."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any

from benchmarks.frame import pages

PAGE = Path(__file__).with_name("page.md")
SOURCES = {
    "faces": (
        "the public face DCGAN (`gan_face_generate`)",
        "One inversion of 64x64 takes some 30 ms of an idle core. The spectral screen settles "
        "{screen_share_of_objects:.1%} of these objects from their pixels alone, exactly (a score "
        "above every threshold changes no decision); only the others are inverted.",
        "python -m benchmarks.scan --source faces --objects {objects} --name scan_faces",
    ),
    "small": (
        "a barely trained 16x16 DCGAN",
        "Why not the face DCGAN: of such a bucket the spectral screen settles 94%, and inverting "
        "the rest for 100,000 objects takes 40 minutes and more on this machine beside other work. "
        "`scan_faces.md` is the same benchmark with it over 10,000. Here the screen settles "
        "{screen_share_of_objects:.2%}, so that reading is the slowest stage.",
        "python -m benchmarks.scan",
    ),
}


def in_words(results: dict[str, Any]) -> str:
    """Goals, method and every figure of the summary."""
    summary, machine, runs = results["summary"], results["machine"], results["runs"]
    own, why, command = SOURCES[results["source"]]
    return PAGE.read_text().format(
        objects=results["objects"],
        size=64 if results["source"] == "faces" else 16,
        stage_objects=results["stage_objects"],
        cores=machine["cores"],
        threads=machine["threads"],
        own=own,
        why=fill(why.format(**summary), 100),
        command=command.format(**results),
        note=results.get("note", ""),
        figures="\n".join(
            pages.table(("figure", "value"), ((k, _number(v)) for k, v in summary.items()))
        ),
        **goals(summary, len(runs["stages"]), runs["changed"][0]["seconds"]),
    )


def goals(figures: dict[str, Any], rounds: int, rescan: float) -> dict[str, str]:
    """One cell for each goal."""
    q = figures["q_of_planted_prefix"]
    said = "above 0.01" if q is None else f"{q:.1g}"
    texts = {
        "share": "{share_of_slowest_stage:.1%}, median of {rounds}",
        "memory": "{memory_ratio_100k_to_10k:.3f} ({peak_mb_at_tenth:.0f} and "
        "{peak_mb_at_whole:.0f} MB)",
        "changed": "{changed_objects_fetched} read, exactly those: {fetched_exactly_the_changed}",
        "rescan": "{rescan_time_share:.1%} ({rescan:.1f} of {whole_seconds:.0f} s)",
        "leaks": "{planted_significant} of 20 lie in a folder called or are called themselves "
        "(attributed {planted_attributed}, by image {planted_significant_alone}, q of the folder "
        "{q})",
        "fdr": "false images: {others_called_leak} of {images_called_leak} called; false folders: "
        "{other_prefixes_called} of {prefixes_called} called among {prefixes}",
    }
    facts = figures | {"rounds": rounds, "rescan": rescan, "q": said}
    return {f"goal_{name}": text.format(**facts) for name, text in texts.items()}


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
