"""Names of a class as a tag: whole, and their number where not all fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flipad_ops.registry import tags

NAMES = st.lists(
    st.text(st.characters(exclude_characters=","), min_size=1, max_size=120).map(
        lambda name: f"{name.strip() or 'x'}/1"
    ),
    min_size=1,
    max_size=120,
    unique=True,
)


@given(NAMES)
def test_no_name_is_cut(names: list[str]) -> None:
    text = tags.cut(tags.CLASS, tags.names_text(names))
    assert len(text) <= 5000
    found = text.split(", ")
    if len(", ".join(names)) <= tags.NAMES_LENGTH:
        assert found == names
    else:
        assert found[:-1] == names[: len(found) - 1]
        assert found[-1] == f"and {len(names) - len(found) + 1} more"


def test_forty_versions_are_all_named() -> None:
    names = [f"a-generator-of-faces-with-a-name/{n}" for n in range(40)]
    assert tags.names_of(tags.names_text(names), ()) == tuple(names)


def test_what_earlier_versions_cut_in_the_middle_becomes_no_name() -> None:
    names = [f"a-generator-of-faces/{n}" for n in range(40)]
    text = ", ".join(names)[: tags.TAG_LENGTH]
    assert text.split(", ")[-1] not in names or len(text.split(", ")) < 40
    assert set(tags.names_of(text, names)) == set(names)
    assert set(tags.names_of(text, names[:3])) < set(names)
