"""The files in deploy/ name commands, options and settings that exist."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from flipad_ops.cli.app import app
from flipad_ops.cli.hooks import hooks
from registry_hooks.hook_settings import load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "flipad-hooks.service"
CRON = list(yaml.safe_load_all((DEPLOY / "kubernetes/scan-cronjob.yaml").read_text()))
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes/hooks.yaml").read_text()))


def accepted(words: list[str]) -> bool:
    """Whether the command line of `flipadops hooks` parses."""
    assert Path(words[0]).name == "flipadops"
    assert words[1] == "hooks"
    return CliRunner().invoke(hooks, [*words[2:], "--help"]).exit_code == 0


def test_the_unit_starts_a_command_that_exists() -> None:
    start = next(line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart="))
    assert accepted(shlex.split(start.removeprefix("ExecStart=")))
    assert not accepted(["flipadops", "hooks", "up", "--bogus"])


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / UNIT.name
    # It checks that the program is there.
    unit.write_text(UNIT.read_text().replace("/opt/flipad/bin/flipadops", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("manifest", [*MANIFESTS, *CRON], ids=lambda each: each["kind"])
def test_kubernetes_accepts_the_manifests(manifest: dict[str, Any]) -> None:
    version = kubernetes_validate.latest_version()
    kubernetes_validate.validate(manifest, version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**manifest, "bogus": 1}, version, strict=True)


def test_the_cron_job_scans_as_the_program_can() -> None:
    job, claim = CRON
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    words = [*container["command"], *container["args"]]
    assert words[:2] == ["flipadops", "scan"]
    assert CliRunner().invoke(app, [*words[1:], "--help"]).exit_code == 0
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_the_manifests_agree_with_the_program_and_each_other(tmp_path: Path) -> None:
    found: dict[str, list[dict[str, Any]]] = {}
    for manifest in MANIFESTS:
        found.setdefault(manifest["kind"], []).append(manifest)
    config = tmp_path / "flipadops.toml"
    config.write_text(found["ConfigMap"][0]["data"]["flipadops.toml"])
    settings = load_settings(config)
    service = found["Service"][0]["spec"]
    selected = [
        pod["spec"]["template"]
        for pod in found["Deployment"]
        if pod["spec"]["template"]["metadata"]["labels"] == service["selector"]
    ]
    assert len(selected) == 1
    assert selected[0]["spec"]["containers"][0]["ports"][0]["containerPort"] == settings.port
    assert service["ports"][0]["port"] == settings.port
    for pod in found["Deployment"]:
        container = pod["spec"]["template"]["spec"]["containers"][0]
        assert accepted([*container["command"], *container.get("args", [])])
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["spec"]["template"]["spec"]["volumes"]}
