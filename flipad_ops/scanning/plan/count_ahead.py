"""How many objects a scan will meet, where that is cheap to know."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from flipad_ops.common.errors import FlipadError
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import LocalTarget


def count_ahead(plan: ScanPlan, expect: Callable[[int], None]) -> None:
    """List local folders beside the scan, which meanwhile begins, and say how many it will choose.

    Nothing is said of buckets, which would be asked for every listing twice, of manifests and
    tables, and of animations that have to be read for their frames.
    """
    if not all(type(target) is LocalTarget for target in plan.targets):
        return

    def count() -> None:
        try:
            expect(sum(1 for _ in plan.selection.pick(plan.targets, Counter())))
        except (FlipadError, OSError):  # the scan itself says what is wrong
            return

    threading.Thread(target=count, daemon=True).start()
