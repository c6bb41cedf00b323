"""flipadops.toml for scans: where it is found, what stands over what, and what is refused."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
from typer.testing import CliRunner, Result

from flipad_ops.cli.app import app
from flipad_ops.cli.config import TEMPLATE
from flipad_ops.cli.config_schema import config_schema
from flipad_ops.cli.scan_config import KEYS, scan_defaults
from flipad_ops.common.config_file import find_config
from flipad_ops.common.errors import UsageError

FILE = """
[scan]
targets = ["images", "s3://bucket/in"]
models = "faces"
fdr = 0.02
outputs = ["table", "html=out/report.html"]
ignore_file = "allowed.yaml"

[profile.nightly]
all_models = true
fail_on = "never"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the file, the working folder below it."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "flipadops.toml").write_text(FILE)
    (tmp_path / "allowed.yaml").write_text("[]")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    return tmp_path


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(app, list(words), env=environment)


def shown(*words: str, **environment: str) -> dict[str, tuple[Any, str]]:
    done = run("config", "show", "--json", *words, **environment)
    assert done.exit_code == 0, done.output
    return {each["key"]: (each["value"], each["source"]) for each in json.loads(done.stdout)}


def taken(*words: str) -> dict[str, Any]:
    """The values that `flipadops scan` would take."""
    command: Any = typer.main.get_command(app)
    found: dict[str, Any] = command.commands["scan"].make_context("scan", list(words)).params
    return found


def test_the_file_is_found_upwards_and_its_paths_are_its_own(home: Path) -> None:
    found = shown()
    assert set(found) == set(KEYS)
    assert found["targets"] == (["../../images", "s3://bucket/in"], f"{home}/flipadops.toml [scan]")
    assert found["outputs"][0] == ["table", "html=../../out/report.html"]
    assert found["ignore_file"][0] == "../../allowed.yaml"
    assert found["include"] == (None, "default")


def test_the_search_ends_at_the_repository(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_config() == home / "flipadops.toml"
    (home / "deep" / ".git").mkdir()
    assert find_config() is None
    (home / "deep" / "flipadops.toml").touch()
    assert find_config() == home / "deep" / "flipadops.toml"


def test_a_profile_stands_over_scan(home: Path) -> None:
    found = shown("--scan-profile", "nightly")
    assert found["all_models"] == (True, f"{home}/flipadops.toml [profile.nightly]")
    assert found["models"] == (None, "default")  # one choice: all of them
    assert (found["fdr"][0], found["fail_on"][0]) == (0.02, "never")
    assert shown(FLIPADOPS_PROFILE="nightly") == found


def test_the_environment_stands_over_the_file(home: Path) -> None:
    found = shown(FLIPADOPS_SCAN_FDR="0.1", FLIPADOPS_SCAN_MODELS="a b/2")
    assert found["fdr"] == (0.1, "environment FLIPADOPS_SCAN_FDR")
    assert found["models"][0] == ["a", "b/2"]


def test_a_flag_stands_over_both(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLIPADOPS_SCAN_FDR", "0.1")
    params = taken("other", "--fdr", "0.3", "-m", "cats", "-o", "json")
    assert [str(each) for each in params["targets"]] == ["other"]
    assert (params["fdr"], params["model"], params["output"]) == (0.3, ["cats"], ["json"])
    assert taken()["fdr"] == 0.1
    assert taken()["model"] == ["faces"]


@pytest.mark.parametrize("words", [("--config", "{path}"), ("-P", "nightly", "--config", "{path}")])
def test_another_file(words: tuple[str, ...], home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[scan]\nfdr = 0.3\n[profile.nightly]\nfdr = 0.4\n")
    params = taken(*(word.format(path=other) for word in words))
    assert params["fdr"] == (0.4 if "-P" in words else 0.3)
    assert not params["targets"]


def test_names_on_the_command_line_are_not_all_of_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/mlflow.db")
    done = run("scan", "-P", "nightly", "--model", "cats", "-o", "table")
    assert "cats" in str(done.exception)
    done = run("scan", "--all-models", "-o", "table")
    assert "no attributor" in str(done.exception)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[scna]\n", "unknown table 'scna'; did you mean 'scan'?"),
        ("[other]\n", "unknown table 'other'."),
        ("[scan]\nmodel = 'a'\n", "[scan] has an unknown key 'model'; did you mean 'models'?"),
        ("[scan]\nfail-on = 'leak'\n", "unknown key 'fail-on'; did you mean 'fail_on'?"),
        ("[scan]\ncolour = 1\n", "[scan] has an unknown key 'colour'."),
        ("[scan]\nfdr = 2.0\n", "[scan] fdr must be at most 0.5, not 2.0."),
        ("[scan]\nfdr = '1'\n", "[scan] fdr cannot be '1'."),
        ("[scan]\nfail_on = 'some'\n", "fail_on is leak, accepted, review or never, not some."),
        ("[scan]\ntargets = 3\n", "[scan] targets must be a list of texts."),
        ("scan = 3\n", "[scan] of flipadops.toml is not a table."),
        ("profile = 3\n", "Write [profile.NAME] for each profile"),
        ("[profile.a]\nfdrr = 1\n", "[profile.a] has an unknown key 'fdrr'; did you mean 'fdr'?"),
        ("[profile.nightly]\n", "has no profile 'nigthly'; did you mean 'nightly'?"),
    ],
)
def test_what_is_wrong_is_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "flipadops.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        scan_defaults(path, "nigthly" if "nigthly" in sentence else "")


def test_a_profile_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"there is no flipadops\.toml here or above"):
        taken("x", "-P", "nightly")


def test_init_writes_every_key_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run("config", "init").exit_code == 0
    assert shown()["fdr"][1] == "default"
    assert isinstance(run("config", "init").exception, UsageError)
    keys = re.compile(r"^# (?=[a-z_]+ = |\[)", re.MULTILINE)
    meant = keys.sub("", TEMPLATE).replace("# or all_models", "\nall_models")
    (tmp_path / "flipadops.toml").write_text(meant)
    values = scan_defaults(tmp_path / "flipadops.toml", "nightly").values
    assert set(values) == set(KEYS)


def test_the_schema_takes_what_the_reader_takes() -> None:
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    whole = FILE + (
        "[hooks]\nlease = 5.0\n[hooks.fit]\nrecipe = 'fast'\n"
        "[[schedule]]\nname = 's'\ncron = '0 0 * * *'\ntargets = 'x'\n"
        "[[notify]]\nname = 'n'\nkind = 'webhook'\nurl = 'http://a'\nsecret_env = 'S'\n"
    )
    jsonschema.validate(tomllib.loads(whole), schema)
    for wrong in (
        {"scan": {"model": "a"}},
        {"scna": {}},
        {"schedule": [{"name": "s", "root": ""}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    assert json.loads(run("config", "schema").stdout) == schema
