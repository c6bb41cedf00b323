"""The page docs/bad-inputs.md, made from the cases: `python -m tests.bad_inputs.page`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.bad_inputs.commands import CASES
from tests.bad_inputs.deliveries import IGNORED, REFUSED
from tests.bad_inputs.images import CASES as FILES
from tests.bad_inputs.models import CASES as MODELS
from tests.bad_inputs.places import ENTRIES, KEYS, OBJECTS
from tests.bad_inputs.provenance_blocks import CASES as BLOCKS

PAGE = Path(__file__).parents[2] / "docs" / "bad-inputs.md"
HEAD = """# Bad inputs and what becomes of them

Made from the tests (`python -m tests.bad_inputs.page`); each row is one of them, run against the
real program. No row ends with a traceback, takes over 30 seconds or changes the file that it names.
{count} rows.

## Files in a bucket

Skipped with a reason, or scored as any viewer would show them; the scan goes on. Tests:
`tests/bad_inputs/test_images.py`.

| file | outcome |
|---|---|
"""
PROVENANCE = """
## What a file says of itself

The image is scored as if the block were not there; a block that cannot be read is named in the row.
Tests: `tests/bad_inputs/test_provenance_blocks.py`.

| block | the row says |
|---|---|
"""
PLACES = """
## Keys in a bucket

An image under the key is scored, or fails by its name; every output of the scan is written. Tests
of this and the next two: `tests/bad_inputs/test_places.py`.

| key | outcome |
|---|---|
"""
DELIVERIES = """
## Deliveries to the hooks

Nothing is queued. Tests: `tests/registry_hooks/test_receiver.py`.

| delivery | answer |
|---|---|
"""


REGISTERED = """
## Registered models

To `flipadops doctor`, in a process with 2 GiB of address space above that of the libraries. Tests:
`tests/bad_inputs/test_models.py`.

| model | exit code | the diagnosis says |
|---|---|---|
"""


def rows() -> Iterator[str]:
    """Everything after the head."""
    for name, _, outcome, _ in FILES:
        yield f"| {name} | {outcome} |"
    yield PROVENANCE.rstrip()
    for name, _, words in BLOCKS:
        yield f"| {name} | {f'`{words}`' if words else ''} |"
    yield PLACES.rstrip()
    for name, _, outcome in KEYS:
        yield f"| {name.replace('|', '')} | {outcome} |"
    yield "\n## States of objects\n\n| object | outcome |\n|---|---|"
    for name, _, outcome, _ in OBJECTS:
        yield f"| {name} | {outcome} |"
    yield "\n## Entries of a folder\n\n| entry | outcome |\n|---|---|"
    for name, _, outcome in ENTRIES:
        yield f"| {name} | {outcome} |"
    group = ""
    for case in CASES:
        if case.group != group:
            group = case.group
            yield f"\n## {group}\n\nOne sentence on stderr."
            yield "Tests: `tests/bad_inputs/test_commands.py`.\n"
            yield "| case | exit code | the sentence says |\n|---|---|---|"
        said = case.sentence.replace("|", "\\|")
        yield f"| {case.name} | {case.code} | {f'`{said}`' if said else ''} |"
    yield REGISTERED.rstrip()
    for model in MODELS:
        said = f"`{model.sentence}`" if model.sentence else ""
        yield f"| {model.name} | {model.code} | {said} |"
    yield DELIVERIES.rstrip()
    for name in IGNORED:
        yield f"| signed: {name} | 202 |"
    for name, (status, _) in REFUSED.items():
        yield f"| {name} | {status} |"


def page() -> str:
    """The whole page."""
    tables = (FILES, BLOCKS, KEYS, OBJECTS, ENTRIES, CASES, MODELS, IGNORED, REFUSED)
    count = sum(map(len, tables))
    return HEAD.format(count=count) + "\n".join(rows()) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
