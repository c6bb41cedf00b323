"""What a default fit takes, its second witness included, and what it then tells apart.

    python -m benchmarks.zoo.train     # once
    python -m benchmarks.fit_time      # fit_time.json

One zoo target from nothing on one thread, with real images as the only foreign ones, as
`benchmarks.quality_time` measures it; its figures of the recipe as it was are read beside.
"""

from __future__ import annotations

import json
from statistics import mean
from typing import Any

from benchmarks.frame.results import RESULTS, machine, write_json
from benchmarks.quality_time import Point, asked, measure

NAME = "fit_time"


def figures(point: dict[str, Any], prefix: str = "default") -> dict[str, float]:
    """Of a point of `quality_time`, flat."""
    accuracy = point["accuracy"].values()
    return {
        f"{prefix}_cpu_s": point["fit_cpu_s"],
        f"{prefix}_accuracy_mean": round(mean(accuracy), 4),
        f"{prefix}_accuracy_min": round(min(accuracy), 4),
    }


def main() -> None:
    """Run and write."""
    options, target = asked(__doc__ or "")
    point = measure(Point("default"), target)
    summary = figures(point)
    earlier = json.loads((RESULTS / "quality_time.json").read_text(encoding="utf-8"))["points"]
    for before in (each for each in earlier if each["label"] == "default"):
        summary |= figures(before, "without_second_witness")
    result = {
        "machine": machine(),
        "command": "python -m benchmarks.fit_time",
        "summary": summary,
        "target": options.target,
        "point": point,
    }
    write_json(options.out / f"{NAME}.json", result)


if __name__ == "__main__":
    main()
