from __future__ import annotations

import inspect
import re

import pytest

from flipad_ops.common import errors

CLASSES = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}


def drawn_tree() -> dict[str, str | None]:
    """Child to parent, read from the drawing in the module's docstring."""
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ((?:\|   |    )*)(\+-- )?([A-Z]\w+)", line)
        if found is None:
            continue
        depth = len(found[1]) // 4 + bool(found[2])
        path[depth:] = [found[3]]
        parents[found[3]] = path[depth - 1] if depth else None
    return parents


def test_the_drawing_is_the_tree() -> None:
    drawn = drawn_tree()
    assert set(drawn) == set(CLASSES)
    assert drawn.pop("FlipadError") is None
    for child, parent in drawn.items():
        assert CLASSES[child].__bases__ == (CLASSES[str(parent)],), child
    assert errors.FlipadError.__bases__ == (Exception,)


def test_all_names_every_class_in_order() -> None:
    assert errors.__all__ == sorted(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_documented_and_carries_its_message(name: str) -> None:
    error = CLASSES[name]("One sentence.")
    assert isinstance(error, errors.FlipadError)
    assert str(error) == "One sentence."
    assert (CLASSES[name].__doc__ or "").endswith(".")
