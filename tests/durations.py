"""How long tests took: the longest files begin first, and `--fast` leaves long tests out.

`durations.txt` has what took LONG or more, written by a whole run with `--write-durations`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

FILE = Path(__file__).with_suffix(".txt")
#: Seconds, of set-up, call and tear-down.
LONG = 0.5


def known() -> dict[str, float]:
    """Seconds by test; shorter ones are missing."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    parts = (line.split(" ", 1) for line in lines)
    return {test: float(seconds) for seconds, test in parts}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("durations")
    group.addoption("--fast", action="store_true", help=f"leave out e2e and what takes {LONG} s")
    group.addoption("--write-durations", action="store_true", help=f"write {FILE.name}")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--write-durations") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Writer())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A file goes to one process: the longest, begun last, would keep it waiting."""
    took, files = known(), Counter[str]()
    for test, seconds in took.items():
        files[test.split("::")[0]] += seconds  # type: ignore[assignment]  # sums of seconds
    items.sort(key=lambda item: -files[item.nodeid.split("::")[0]])
    if config.getoption("--fast"):
        # Of tests with servers and processes the set-up is long, whoever comes first pays for it.
        out = [i for i in items if i.nodeid in took or i.get_closest_marker("e2e")]
        left = set(out)
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=out)


class _Writer:
    def __init__(self) -> None:
        self.took: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.took[report.nodeid] = self.took.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        long = sorted((-seconds, test) for test, seconds in self.took.items() if seconds >= LONG)
        lines = [f"{-seconds:.1f} {test}\n" for seconds, test in long]
        FILE.write_text("".join(lines), encoding="utf-8")
