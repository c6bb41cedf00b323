"""The soak's channel counts what would be a lost or repeated alert."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.hook_parts import alerts
from benchmarks.hook_parts.alerts import findings_of, receiving


def test_messages_are_counted_by_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "REFUSED", 10**9)
    with receiving(seed=1) as channel:

        def send(number: str, *digests: str, new: int) -> None:
            found = [{"sha256": each} for each in digests]
            body = {"id": number, "new": new, "findings": found, "scan": {"started": 1.0}}
            assert channel.take("/gan", json.dumps(body).encode()) == 200

        send("1", "a", "b", new=2)
        send("1", "a", "b", new=2)
        send("2", "b", new=4)
        failed = {"id": "3", "new": 1, "failures": [{"reason": "x"}], "scan": {"started": 7.5}}
        channel.take("/gan", json.dumps(failed).encode())
        assert channel.told("/gan") == {"a": 1, "b": 2, "failed at 7.5": 1}
        assert (channel.sent_again(), channel.unnamed) == (1, 3)


def test_only_complete_records_count(tmp_path: Path) -> None:
    found = {"type": "image", "verdict": "leak", "sha256": "a"}
    for name, last in (("cut", []), ("whole", [{"type": "summary"}])):
        folder = tmp_path / "scans" / "uploads" / name
        folder.mkdir(parents=True)
        lines = [{**found, "sha256": name}, {**found, "verdict": "clear"}, *last]
        (folder / "records.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    assert findings_of(tmp_path) == {"whole"}
