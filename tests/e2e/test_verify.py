"""`flipadops verify` on real scans of a folder and a versioned bucket, some tampered with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flipad_ops.attribution.fitting import FitResult
from flipad_ops.attribution.serialisation import save_attributor
from flipad_ops.generators import SplitGenerator
from flipad_ops.samples.png import encode_png
from tests.attribution.test_testimony import said
from tests.conftest import noise_images
from tests.e2e.s3_server import S3Server, s3_server
from tests.e2e.test_scan_cli import ENVIRONMENT

pytestmark = pytest.mark.e2e

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def material(
    toy_fit: FitResult, toy_split: SplitGenerator, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An attributor and a folder with three own images and nine others."""
    root = tmp_path_factory.mktemp("verify")
    save_attributor(toy_fit.attributor, root / "attributor")
    (root / "found" / "in").mkdir(parents=True)
    for index, image in enumerate(toy_split.sample(3, seed=77)):
        (root / "found" / "in" / f"own {index}.png").write_bytes(encode_png(image))
    for index, image in enumerate(noise_images(9, seed=78)):
        (root / "found" / f"other {index}.png").write_bytes(encode_png(image))
    return root


@pytest.fixture
def flipadops(material: Path, tmp_path: Path, server: S3Server) -> Command:
    shutil.copytree(material / "found", tmp_path / "found")
    environment = {**ENVIRONMENT, **server.environment()}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flipad_ops", *arguments], cwd=tmp_path, env=environment,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


def scan(flipadops: Command, target: str, material: Path) -> None:
    ended = flipadops("scan", target, "-m", str(material / "attributor"), "-o", "jsonl=run.jsonl",
                      "--fail-on", "never")  # fmt: skip
    assert ended.returncode == 0, ended.stderr


def change(path: Path, key: str, **values: Any) -> None:
    """Tamper with a row of a saved scan."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        if record.get("key") == key:
            record.update(values)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def test_findings_of_a_folder(flipadops: Command, material: Path, tmp_path: Path) -> None:
    scan(flipadops, "found", material)
    attributor = str(material / "attributor")
    ended = flipadops("verify", "run.jsonl", "-m", attributor)
    assert ended.returncode == 0, ended.stderr
    assert "3 confirmed, 0 differs, 0 unavailable" in ended.stderr
    assert ended.stdout.count("confirmed") == 3

    original = (tmp_path / "run.jsonl").read_text()
    for values, reason in (
        ({"score": 0.1}, "recorded was 0.1"),
        ({"q": 0.5}, "recorded was 0.5"),
        ({"verdict": "leak", "q": 1e-9}, "q is"),
        ({"p": 1e-6}, "recorded was 1e-06"),
    ):
        change(tmp_path / "run.jsonl", "in/own 1.png", **values)
        ended = flipadops("verify", "run.jsonl", "-m", attributor, "--json")
        assert ended.returncode == 3, ended.stderr
        document = json.loads(ended.stdout)
        (differing,) = (check for check in document["checks"] if check["state"] == "differs")
        assert differing["finding"]["key"] == "in/own 1.png"
        assert any(reason in text for text in differing["reasons"])
        (tmp_path / "run.jsonl").write_text(original)

    rows = original.splitlines(keepends=True)
    fewer = [line for line in rows if "other 3" not in line]
    (tmp_path / "run.jsonl").write_text("".join(fewer))  # q is that of another number of images
    assert flipadops("verify", "run.jsonl", "-m", attributor).returncode == 3


def test_what_cannot_be_made_again_is_said_to_be(
    flipadops: Command, material: Path, tmp_path: Path
) -> None:
    scan(flipadops, "found", material)
    asked = ("verify", "run.jsonl", "-m", str(material / "attributor"), "--regenerate")
    ended = flipadops(*asked)
    assert ended.returncode == 4, ended.stderr
    assert "0 confirmed, 0 differs, 3 unavailable" in ended.stderr
    assert ended.stderr.count("No latent is recorded from which") == 3
    change(tmp_path / "run.jsonl", "in/own 1.png", testimony={"ratio": 0.5})
    ended = flipadops(*asked)
    assert ended.returncode == 2
    assert "A recorded testimony has no valid 'psnr'" in ended.stderr
    recorded = said().to_dict()
    change(tmp_path / "run.jsonl", "in/own 1.png", testimony=recorded)
    ended = flipadops(*asked)
    assert ended.returncode == 3
    assert "The second witness says nothing now, and spoke then." in ended.stderr
    assert "The image cannot be made again: " in ended.stderr


def test_moved_and_replaced_content(flipadops: Command, material: Path, tmp_path: Path) -> None:
    scan(flipadops, "found", material)
    attributor = str(material / "attributor")
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / "found" / "in" / "own 0.png").rename(kept / "exhibit A")
    replaced = tmp_path / "found" / "in" / "own 1.png"
    replaced.write_bytes((tmp_path / "found" / "other 1.png").read_bytes())
    ended = flipadops("verify", "run.jsonl", "-m", attributor)
    assert ended.returncode == 4
    assert "1 confirmed, 0 differs, 2 unavailable" in ended.stderr
    assert "'in/own 0.png': Deleted since it was listed." in ended.stderr
    assert "'in/own 1.png': What lies there now is not what was scored." in ended.stderr
    ended = flipadops("verify", "run.jsonl", "-m", attributor, "--copies", "kept")
    assert "2 confirmed, 0 differs, 1 unavailable" in ended.stderr
    ended = flipadops("verify", "run.jsonl", "-m", attributor, "--copies", "kept",
                      "--key", "in/own 0.png")  # fmt: skip
    assert ended.returncode == 0


def test_another_attributor_is_refused(flipadops: Command, material: Path, tmp_path: Path) -> None:
    scan(flipadops, "found", material)
    shutil.copytree(material / "attributor", tmp_path / "changed")
    facts = tmp_path / "changed" / "attributor.json"
    facts.write_text(facts.read_text().replace('"fnr": ', '"fnr":  '))
    ended = flipadops("verify", "run.jsonl", "-m", "changed")
    assert ended.returncode == 6
    assert "are not those by which the scan was made" in ended.stderr
    ended = flipadops("verify", "run.jsonl")
    assert ended.returncode == 6
    assert "is not at hand" in ended.stderr


def test_versions_of_a_bucket(
    flipadops: Command, material: Path, tmp_path: Path, server: S3Server
) -> None:
    client = server.client()
    client.create_bucket(Bucket="evidence")
    client.put_bucket_versioning(Bucket="evidence", VersioningConfiguration={"Status": "Enabled"})
    for path in sorted((tmp_path / "found").rglob("*.png")):
        key = path.relative_to(tmp_path).as_posix()
        client.put_object(Bucket="evidence", Key=key, Body=path.read_bytes())
    scan(flipadops, "s3://evidence/found", material)
    client.put_object(Bucket="evidence", Key="found/in/own 0.png", Body=b"something else")
    client.delete_object(Bucket="evidence", Key="found/in/own 1.png")
    ended = flipadops("verify", "run.jsonl", "-m", str(material / "attributor"))
    assert ended.returncode == 0, ended.stderr
    assert "3 confirmed" in ended.stderr
    for version in client.list_object_versions(Bucket="evidence", Prefix="found/in/own 0.png")[
        "Versions"
    ]:
        if not version["IsLatest"]:
            client.delete_object(
                Bucket="evidence", Key=version["Key"], VersionId=version["VersionId"]
            )
    ended = flipadops("verify", "run.jsonl", "-m", str(material / "attributor"))
    assert ended.returncode == 4
    assert "No version in the bucket is not what was scored" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["nothing.jsonl"], 2, "nothing.jsonl is not the jsonl of a scan"),
        (["run.jsonl", "--copies", "nowhere"], 2, "--copies nowhere is not a folder"),
        (["run.jsonl", "--key", "no such"], 5, "holds no such finding"),
    ],
)
def test_bad_requests(
    flipadops: Command, material: Path, arguments: list[str], code: int, sentence: str
) -> None:
    scan(flipadops, "found/in", material)
    ended = flipadops("verify", *arguments)
    assert ended.returncode == code
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_one_object_as_target(flipadops: Command, material: Path) -> None:
    scan(flipadops, "found/in/own 2.png", material)
    ended = flipadops("verify", "run.jsonl", "-m", str(material / "attributor"))
    assert ended.returncode == 0, ended.stderr


def test_a_report_of_a_saved_scan_has_pictures_where_its_images_are_reached(
    flipadops: Command, material: Path, tmp_path: Path
) -> None:
    scan(flipadops, "found", material)
    attributor = str(material / "attributor")

    def page(*arguments: str) -> tuple[str, str]:
        ended = flipadops("report", "run.jsonl", "-o", "html=r.html", *arguments)
        assert ended.returncode == 0, ended.stderr
        return (tmp_path / "r.html").read_text(), ended.stderr

    text, _ = page()
    assert ('alt="finding"' in text, text.count('alt="residual"')) == (False, 0)
    text, said = page("--images", "-m", attributor)
    assert (text.count('alt="finding"'), text.count('alt="residual"')) == (3, 3)
    assert "warning" not in said
    text, said = page("--images")
    assert "is in no registry" in said
    assert (text.count('alt="finding"'), text.count('alt="residual"')) == (3, 0)
    (tmp_path / "found" / "in" / "own 0.png").write_bytes(b"gone")
    text, said = page("--images", "-m", attributor)
    assert text.count('alt="finding"') == 2
    assert "1 of the first findings" in said
    text, said = page("--images", "-m", attributor, "--copies", str(material / "found"))
    assert text.count('alt="finding"') == 3
    missing = flipadops("report", "run.jsonl", "--images", "--copies", "nowhere")
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
