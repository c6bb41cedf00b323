"""What `/metrics` says, read with Prometheus's own parser."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from flipad_ops.scanning.outputs import write_outputs
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.metrics import Deliveries, exposition
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.schedules import Schedule
from registry_hooks.schema import DONE, Fit
from tests.scanning.pipeline.test_run import save, scan

RULES = Path(__file__).parents[2] / "deploy/prometheus-rules.yaml"
NOW = 1_000_000.0
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(table: FitQueue, deliveries: Deliveries | None = None) -> Samples:
    text = exposition(table.sessions, deliveries or Deliveries(table.sessions), table.clock)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def get(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


class House:
    """A table with fits and scans, on a clock that a test sets."""

    def __init__(self, folder: Path) -> None:
        self.time = NOW
        url = f"sqlite:///{folder}/m.db"
        self.table = FitQueue(url, lease=60.0, clock=lambda: self.time)

    def claim(self) -> Fit:
        work = self.table.claim("a", "c")
        assert work is not None
        return work

    def fill(self) -> None:
        self.table.enqueue([("gan", 1), ("gan", 2), ("gan", 3)], "c")
        first = self.claim()
        self.time += 70
        self.claim()  # the lease of the first ran out
        assert not self.table.finish(first, DONE)
        assert self.table.retry(self.claim(), "Crashed.") == "queued"
        schedules = ScanQueue(self.table.sessions, clock=lambda: self.time)
        schedules.sync([Schedule("nightly", "0 2 * * *", ("x",))])
        for code, skipped, unreadable in ((3, 5, 0), (4, 0, 2)):
            start = schedules.start("nightly", Path("/logs"))
            assert start is not None
            counts = {"skipped": skipped, "unreadable": unreadable, "scored": 10, "leaks": 1}
            schedules.end(start, exit_code=code, **counts)
            self.time += 5


def test_every_process_sees_what_all_did(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.fill()
    here, there = Deliveries(house.table.sessions), Deliveries(house.table.sessions)
    here.count("queued")
    there.count("queued")
    scrape(house.table, here)
    found = scrape(house.table, there)
    assert get(found, "flipad_deliveries_total", outcome="queued") == 2
    assert get(found, "flipad_table_up") == 1
    assert get(found, "flipad_work", state="running") == 1
    assert get(found, "flipad_attempts_total", outcome="lost") == 1
    assert get(found, "flipad_attempts_total", outcome="retried") == 1
    assert get(found, "flipad_fit_duration_seconds_sum", outcome="lost") == 60
    assert get(found, "flipad_fit_duration_seconds_bucket", outcome="lost", le="60.0") == 1
    assert get(found, "flipad_fit_duration_seconds_bucket", outcome="lost", le="10.0") == 0
    assert get(found, "flipad_scans_total", schedule="nightly", outcome="findings") == 1
    assert get(found, "flipad_scans_total", schedule="nightly", outcome="incomplete") == 1
    assert get(found, "flipad_scanned_images_total", schedule="nightly") == 20
    assert get(found, "flipad_findings_total", schedule="nightly", verdict="leak") == 2
    assert get(found, "flipad_unreadable_images_total", schedule="nightly") == 2
    assert get(found, "flipad_skipped_images_total", schedule="nightly") == 5
    name = "flipad_schedule_last_success_timestamp_seconds"
    assert get(found, name, schedule="nightly") == NOW + 70
    house.table.close()


def test_waiting_work_and_a_database_that_is_away(tmp_path: Path) -> None:
    house = House(tmp_path)
    assert get(scrape(house.table), "flipad_work_oldest_waiting_seconds") == 0
    house.table.enqueue([("gan", 1)], "c")
    house.time += 100
    assert get(scrape(house.table), "flipad_work_oldest_waiting_seconds") == 100
    deliveries = Deliveries(house.table.sessions)
    deliveries.count("queued")
    file = tmp_path / "m.db"
    house.table.close()
    file.rename(tmp_path / "away")
    file.mkdir()
    assert list(scrape(house.table, deliveries).values()) == [0.0]
    file.rmdir()
    (tmp_path / "away").rename(file)
    found = scrape(house.table, deliveries)
    assert get(found, "flipad_deliveries_total", outcome="queued") == 1
    house.table.close()


def test_counts_of_many_threads_add_up(work: FitQueue) -> None:
    receivers = [Deliveries(work.sessions) for _ in range(4)]

    def receive(deliveries: Deliveries) -> None:
        for _ in range(20):
            deliveries.count("queued")
            deliveries.keep()

    threads = [threading.Thread(target=receive, args=(each,)) for each in receivers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get(scrape(work), "flipad_deliveries_total", outcome="queued") == 80


def test_the_alerts_name_metrics_that_exist(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.fill()
    deliveries = Deliveries(house.table.sessions)
    deliveries.count("refused")
    known = {name for name, _ in scrape(house.table, deliveries)}
    house.table.close()
    images = tmp_path / "images"
    save(images / "a.png", 0.7)
    write_outputs(scan(images), [("prometheus", tmp_path / "scan.prom")])
    text = (tmp_path / "scan.prom").read_text()
    samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
    known |= {sample.name for sample in samples}
    assert {s.value for s in samples if s.name == "flipad_scan_complete"} == {1.0}
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]:
        named = set(re.findall(r"flipad_\w+", rule["expr"]))
        assert named
        assert named <= known
