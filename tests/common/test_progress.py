"""What progress says, by a clock of the test's own."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from flipad_ops.common import progress as module
from flipad_ops.common.progress import ScanProgress, counter, span, stages


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_rate_and_time_left_where_the_total_is_known(clock: list[float]) -> None:
    said: list[str] = []
    progress = ScanProgress("images", lambda text, done, total: said.append(text))
    progress(0, 0)
    clock[0] = 10.0
    progress(40, 1)
    progress.expect(200)
    progress(40, 1)
    clock[0] = 200.0
    progress(60, 2)
    progress(300, 2)  # more than were counted: files came meanwhile
    assert said == [
        "0 images, 0 attributed",
        "40 images, 1 attributed, 4 a second",
        "40 of 200 images, 1 attributed, 4 a second, 40 s left",
        "60 of 200 images, 2 attributed, 0.105 a second, 22 min left",
        "300 of 300 images, 2 attributed, 0.105 a second",
    ]


def test_a_line_comes_whatever_a_batch_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    with counter("images") as progress:
        progress(3, 1)
        seen = ""
        while seen.count("\n") < 2:
            seen += capsys.readouterr().err
        progress.end()
    assert set(seen.splitlines()) <= {"0 images, 0 attributed", "3 images, 1 attributed"}
    with counter("images", quiet=True) as progress:
        progress(3, 1)
    assert capsys.readouterr().err == ""


def test_lines_of_stages(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with stages() as show:
        show("sample", 0, 0)
        show("invert", 0, 100)
        show("invert", 1, 100)
        show("train", 2, 10)
    assert capsys.readouterr().err == "sample\ninvert\ntrain 2/10\n"


def test_a_stage_that_is_over_does_not_tick() -> None:
    bar = Progress(console=Console(file=io.StringIO()))
    show = module._Stages(bar)
    show("sample", 0, 0)
    show("invert", 40, 100)
    assert [task.finished for task in bar.tasks] == [True, False]
    show("train", 1, 10)
    assert [task.finished for task in bar.tasks] == [True, True, False]
    show("train", 10, 10)
    assert all(task.finished for task in bar.tasks)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_span(seconds: float, said: str) -> None:
    assert span(seconds) == said
