"""`--engine ray` on a real cluster of two nodes: the local engine's rows, whatever dies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from flipad_ops.attribution.fitting import FitResult
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.scorer import label
from flipad_ops.attribution.serialisation import save_attributor
from flipad_ops.common.errors import EngineError
from flipad_ops.generators import SplitGenerator
from flipad_ops.registry.scorers import from_folder
from flipad_ops.registry.shipping import ship
from flipad_ops.samples.png import encode_png
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import summarise
from flipad_ops.scanning.pipeline.joint_scorers import sharing_groups
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.scanning.ray.calls import ENDED_SCORERS, Call
from flipad_ops.scanning.ray.ray_engine import RayEngine, RemoteSource
from flipad_ops.storage import LocalTarget, S3Access, open_target
from tests.e2e.ray_scorers import Load, stillborn
from tests.e2e.s3_server import SECRET, s3_server
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import png, rows

pytestmark = pytest.mark.e2e

STORE = 80 * 2**20
#: Ray takes 127.0.0.1 in an address for the machine's outer one.
LOOPBACK = "127.0.0.2"
ROOT = str(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AWS configuration that every node knows of, as on machines of their own."""
    return tmp_path_factory.mktemp("aws") / "config"


@pytest.fixture(scope="module")
def cluster(profile: Path) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_CONFIG_FILE", str(profile))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("PYTHONPATH", ROOT)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        from ray.cluster_utils import Cluster

        node = {
            "num_cpus": 1,
            "object_store_memory": STORE,
            "node_ip_address": LOOPBACK,
            "include_log_monitor": False,
        }
        head = {**node, "include_dashboard": False, "no_monitor": True}
        running = Cluster(initialize_head=True, head_node_args=head)
        running.add_node(**node)
        try:
            yield running
        finally:
            running.shutdown()


def on(cluster: Any, loader: Any) -> RayEngine:
    return RayEngine(loader, address=cluster.address)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("found")
    for index in range(96):
        (root / f"{index:03d}.png").write_bytes(png(0.05 if index % 8 == 0 else 0.7, index % 90))
    (root / "zip.png").write_bytes(b"PK\x03\x04")
    return root


def request(folder: Path, **fields: Any) -> ScanPlan:
    return ScanPlan([LocalTarget(folder)], **{"batch_size": 8, "workers": 0, **fields})


def decided(outcome: ScanOutcome) -> list[tuple[str, str, float, str]]:
    return [(f.row.key, f.row.attributor, f.q, f.verdict) for f in outcome.findings]


def counted(outcome: ScanOutcome) -> dict[str, Any]:
    facts = summarise(outcome)
    facts["stages"] = {name: cost["images"] for name, cost in facts["stages"].items()}
    return {name: value for name, value in facts.items() if name not in ("started", "seconds")}


def test_rows_are_those_of_the_local_engine_bit_for_bit(
    cluster: Any,
    profile: Path,
    toy_fit: FitResult,
    toy_split: SplitGenerator,
    toy_foreign: dict[str, ForeignImages],
    tmp_path: Path,
) -> None:
    one = toy_fit.attributor
    median = float(np.median(one.calibration.own_scores))
    stricter = replace(one.calibration, threshold=median)
    facts = {**one.generator, "name": "other", "final_layer_sha256": one.layer.sha256()}
    other = replace(one, calibration=stricter, generator=facts)
    scorers = [
        from_folder(save_attributor(attributor, tmp_path / name), "cpu")
        for name, attributor in {"one": one, "other": other}.items()
    ]
    assert len(sharing_groups(scorers)) == 1
    images = torch.cat([toy_split.sample(30, seed=5), toy_foreign["sibling"].images[:40]])
    pictures = [
        encode_png((image.permute(1, 2, 0) * 255).round().byte().numpy()) for image in images
    ]
    with s3_server(tmp_path) as server:
        profile.write_text(
            f"[profile here]\naws_access_key_id = {server.key}\n"
            f"aws_secret_access_key = {server.secret}\nendpoint_url = {server.endpoint}\n"
            "region = us-east-1\n"
        )
        client = server.client()
        objects = {f"{index:02d}/x.png": data for index, data in enumerate(pictures)}
        objects |= {"30/zip.png": b"PK\x03\x04", "31/large.png": png(0.5, 1, size=17)}
        objects |= {"69/again.png": pictures[3], "04/again.png": pictures[60]}
        for key, data in objects.items():
            client.put_object(Bucket="private", Key=f"in/{key}", Body=data)
        access = S3Access(profile="here")
        both = [
            run_scan(
                # Small odd batches: on those the last bits of a score depend.
                ScanPlan([open_target("s3://private/in", access)], batch_size=7, workers=1),
                scorers,
                engine=engine,
            )
            for engine in (None, on(cluster, ship(scorers)))
        ]
    here, there = both
    assert len(there.findings) == 2 * 72
    assert {row.attributor for row in rows(there) if row.attributed} == set(map(label, scorers))
    assert rows(there) == rows(here)
    assert decided(there) == decided(here)
    assert counted(there) == counted(here)
    session = Path(cluster.head_node.get_session_dir_path())
    logs = [path for path in session.rglob("*") if path.is_file()]
    assert logs
    assert not [path for path in logs if SECRET.encode() in path.read_bytes()]


def test_a_worker_killed_in_the_middle_costs_nothing(
    cluster: Any, folder: Path, tmp_path: Path
) -> None:
    died = tmp_path / "died"
    engine = on(cluster, Load(once=died))
    ledger = SqliteLedger(tmp_path / "state.db")
    there = run_scan(request(folder), [DarkIsOurs()], engine=engine, ledger=ledger)
    assert died.exists()
    assert rows(there) == rows(run_scan(request(folder), [DarkIsOurs()]))
    assert there.complete


def test_an_image_that_kills_its_workers_fails_alone(
    cluster: Any, folder: Path, tmp_path: Path
) -> None:
    for path in sorted(folder.iterdir())[:20]:
        shutil.copy(path, tmp_path)
    (tmp_path / "007b.png").write_bytes(png(1.0, 1))
    (tmp_path / "zz.png").write_bytes(png(1.0, 1))
    there = run_scan(request(tmp_path), [DarkIsOurs()], engine=on(cluster, Load()))
    assert [(row.key, row.reason) for row in there.failed] == [
        ("007b.png", ENDED_SCORERS),
        ("zz.png", ENDED_SCORERS),
    ]
    here = run_scan(request(tmp_path), [DarkIsOurs()])
    deadly = {row.key for row in there.failed}
    assert [f.row for f in there.findings] == [
        f.row for f in here.findings if f.row.key not in deadly
    ]
    assert not there.complete


def test_a_node_lost_in_the_middle_costs_nothing(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sixteen of these are too many for a message: they stay on the node that decoded them.
    found, meet, until = tmp_path / "found", tmp_path / "meet", tmp_path / "until"
    found.mkdir()
    meet.mkdir()
    for index in range(160):
        level = 0.05 if index % 8 == 0 else 0.7
        (found / f"{index:03d}.png").write_bytes(png(level, index, size=64))
    lost: list[Any] = []
    again: list[Call] = []
    take_back = RemoteSource._gone

    def gone(self: RemoteSource, call: Call) -> None:
        again.append(call)
        take_back(self, call)

    def lose(done: int, found: int) -> None:
        if done == 160 and not lost:
            lost.extend(cluster.worker_nodes)
            cluster.remove_node(lost[0])
            until.touch()

    monkeypatch.setattr(RemoteSource, "_gone", gone)
    scorers, asked = [DarkIsOurs((3, 64, 64))], request(found, batch_size=16)
    engine = on(cluster, Load(meet=meet, until=until, side=64))
    there = run_scan(asked, scorers, lose, engine=engine)
    assert lost
    assert again
    assert rows(there) == rows(run_scan(asked, scorers))
    assert there.complete


def test_workers_that_do_not_stay_end_the_scan(cluster: Any, folder: Path) -> None:
    engine = RayEngine(stillborn, workers=1, address=cluster.address)
    with pytest.raises(EngineError, match="die before they do anything"):
        run_scan(request(folder), [DarkIsOurs()], engine=engine)
