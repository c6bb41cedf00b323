from __future__ import annotations

from pathlib import Path

import pytest

from flipad_ops.attribution.fit_settings import recipe
from flipad_ops.common.errors import UsageError
from flipad_ops.workflows.fit_request import FitRequest
from registry_hooks.hook_settings import HookSettings, load_settings


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "flipadops.toml"
    path.write_text(text)
    return path


def test_the_file_is_read_and_overridden(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[hooks]\nregistry = "http://a"\nlease = 5\ninclude = ["face-*"]\n'
        '[hooks.fit]\nrecipe = "fast"\nnegatives_models = ["x", "y/2"]\n'
        "[hooks.fit.settings]\nown_train = 90\n[hooks.fit.settings.detector]\nepochs = 4\n",
    )
    settings = load_settings(path, registry="http://b", table=None)
    assert (settings.registry, settings.lease, settings.include) == ("http://b", 5, ("face-*",))
    request = settings.request("models:/face-a/1")
    assert request.negatives_models == ("x", "y/2")
    fit = request.fit_settings()
    assert (fit.own_train, fit.detector.epochs, fit.channels) == (90, 4, 16)


def test_defaults_ask_for_what_flipadops_fit_does() -> None:
    assert HookSettings().config_sha256() == FitRequest("models:/any/1").config_sha256()
    assert HookSettings().request("models:/a/1").fit_settings() == recipe("default")


def test_models_not_included_and_excluded_ones_are_left_alone() -> None:
    settings = HookSettings(include=("face-*",), exclude=("*-test",))
    names = ("face-a", "face-test", "face-an-attributor", "digits")
    assert [settings.wants(name) for name in names] == [True, False, True, False]


@pytest.mark.parametrize(
    "text",
    [
        "[hooks",
        "hooks = 3",
        "[hooks]\nbogus = 1",
        "[hooks]\nlease = 'long'",
        "[hooks]\nlease = -1",
        "[hooks]\nattempts = 0",
        "[hooks]\ninclude = 'face'",
        "[hooks.fit]\nbogus = 1",
        "[hooks.fit]\nrecipe = 'bogus'",
        "[hooks.fit.settings]\nbogus = 1",
        "[hooks.fit.settings]\nown_train = 0",
        "[hooks]\nproject = '.'\nbackend = 'kubernetes'\n[hooks.fit]\nfnr = 0.01",
        "[hooks]\nproject = '.'\nbackend = 'kubernetes'\n[hooks.fit.settings]\nown_train = 9",
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"[.?]$"):
        load_settings(write(tmp_path, text))


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_settings(tmp_path / "none.toml")
