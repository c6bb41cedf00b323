"""File systems hold what no listing expects: each entry fails by itself, by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flipad_ops.common.errors import FlipadError, ImageTooLarge, TargetError
from flipad_ops.scanning.outcome.summary import exit_code
from flipad_ops.scanning.pipeline.run import run_scan
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import open_target
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import png

#: Names as file systems take them: any bytes but "/" and NUL, UTF-8 or not.
NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name and not name.startswith(b".")
)
KINDS = st.sampled_from(["image", "loop", "dangling", "folder", "fifo", "chain", "image"])


def make(place: bytes, kind: str) -> None:
    if kind == "image":
        with open(place, "wb") as file:
            file.write(png(0.7, 1))
    elif kind == "loop":
        os.symlink(os.path.basename(place), place)
    elif kind == "chain":
        os.symlink(os.path.basename(place) + b"/below", place)
    elif kind == "dangling":
        os.symlink(b"nothing at all", place)
    elif kind == "folder":
        os.mkdir(place)
    else:
        os.mkfifo(place)


@given(entries=st.dictionaries(NAMES, KINDS, max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_entry_is_read_or_fails_by_name(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[bytes, str]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for name, kind in entries.items():
        make(os.fsencode(root) + b"/" + name, kind)
    target = open_target(str(root))
    read, failed, told = set(), set(), list[str]()
    for item in target.list():
        try:
            assert target.read(item, 10**6).data == png(0.7, 1)
            read.add(os.fsencode(item.key))
        except FlipadError as error:
            told.append(str(error).replace(item.key, ""))
            failed.add(os.fsencode(item.key))
    assert not [text for text in told if "\n" in text]
    assert read == {name for name, kind in entries.items() if kind == "image"}
    assert failed == {name for name, kind in entries.items() if kind in {"loop", "chain"}}


def test_a_scan_of_such_a_tree_is_incomplete_and_scans_the_rest(tmp_path: Path) -> None:
    (tmp_path / "ok.png").write_bytes(png(0.7, 1))
    (tmp_path / "loop.png").symlink_to("loop.png")
    outcome = run_scan(ScanPlan([open_target(str(tmp_path))], workers=0), [DarkIsOurs()])
    assert [finding.row.key for finding in outcome.findings] == ["ok.png"]
    assert [row.key for row in outcome.failed] == ["loop.png"]
    assert exit_code(outcome) == 4


def test_a_file_that_vanishes_while_it_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(png(0.7, 1))
    target = open_target(str(tmp_path))
    listing = target.list()
    assert next(listing).key == "a.png"
    (tmp_path / "b.png").unlink()
    assert [item.key for item in listing] == ["c.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_closed_folder_keeps_no_other_from_being_listed(tmp_path: Path) -> None:
    for name in ("a", "closed", "z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(png(0.7, 1))
    (tmp_path / "closed").chmod(0)
    try:
        outcome = run_scan(ScanPlan([open_target(str(tmp_path))], workers=0), [DarkIsOurs()])
    finally:
        (tmp_path / "closed").chmod(0o755)
    assert [finding.row.key for finding in outcome.findings] == ["a/x.png", "z/x.png"]
    assert "closed" in outcome.broken[0]


def test_one_target_that_is_not_there_keeps_no_other_from_being_scanned(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png(0.7, 1))
    targets = [open_target(str(tmp_path / "gone")), open_target(str(tmp_path))]
    outcome = run_scan(ScanPlan(targets, workers=0), [DarkIsOurs()])
    assert len(outcome.findings) == 1
    assert "gone" in outcome.broken[0]
    assert exit_code(outcome) == 4
    with pytest.raises(TargetError, match="gone"):
        run_scan(ScanPlan(targets[:1], workers=0), [DarkIsOurs()])


def test_too_large_says_how_large(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"x" * 300)
    target = open_target(str(tmp_path))
    with pytest.raises(ImageTooLarge) as caught:
        target.read(next(target.list()), 100)
    assert caught.value.size == 300
