"""The sections by name, in the order of the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.regeneration_parts.cost_section import cost
from benchmarks.regeneration_parts.face_section import faces
from benchmarks.regeneration_parts.field import Field, Row
from benchmarks.regeneration_parts.sibling_section import siblings
from benchmarks.regeneration_parts.taef2_large import taef2_large, taef2_largest
from benchmarks.regeneration_parts.taef2_section import taef2_small
from benchmarks.regeneration_parts.whitebox_section import whitebox
from benchmarks.regeneration_parts.zoo_section import zoo, zoo_few

SECTIONS: dict[str, Callable[[Field], Iterator[Row]]] = {
    "zoo": zoo, "zoo_few": zoo_few, "siblings": siblings, "taef2": taef2_small,
    "taef2_256": taef2_large, "taef2_512": taef2_largest, "faces": faces, "cost": cost,
    "whitebox": whitebox,
}  # fmt: skip
