"""What an installation is made of: locked with hashes, listed in an SBOM, under known licences."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
_PIN = re.compile(r"^([\w.\-]+==\S+(?: ; [^\\]+)?) \\$", re.MULTILINE)
#: Licences under which code may be used in and beside an Apache-2.0 product without consequences
#: for it. MPL is copyleft by file: nobody changes those files.
ALLOWED = re.compile(
    r"(0BSD|Apache([- ]2\.0| 2\.0 License| Software License)?( WITH LLVM-exception)?|BSL-1\.0|"
    r"BSD|BSD[- ][23]-Clause|BSD( \(?3-Clause\)?)?|3-Clause BSD License|BSD License|CC0-1\.0|"
    r"CNRI-Python|ISC|ISC License \(ISCL\)|MIT|MIT License|MIT-0|MIT-CMU|MPL-2\.0|"
    r"Mozilla Public License 2\.0 \(MPL 2\.0\)|PSF-2\.0|Python Software Foundation License|"
    r"The Unlicense \(Unlicense\)|Zlib)"
)
#: Packages whose licence another rule allows, or that do not state theirs in their metadata.
KNOWN = {
    "psycopg": "LGPL-3.0-only: an optional driver, used unchanged as a library",
    "psycopg-binary": "LGPL-3.0-only: the same",
    "huey": "MIT in its repository",
    "skops": "MIT in its repository",
}


def locked(file: str = "requirements-cpu.lock") -> dict[str, str]:
    """Versions by name, on this platform and Python."""
    text = (ROOT / file).read_text(encoding="utf-8")
    pins = [Requirement(line) for line in _PIN.findall(text)]
    return {
        canonicalize_name(pin.name): next(iter(pin.specifier)).version
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


def project() -> dict[str, list[str]]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"": table["dependencies"], **table["optional-dependencies"]}


def test_every_requirement_is_locked_within_its_range() -> None:
    pins = locked()
    extras = {name: lines for name, lines in project().items() if name != "onnx-gpu"}
    for text in (line for lines in extras.values() for line in lines):
        wanted = Requirement(text)
        here = wanted.marker is None or wanted.marker.evaluate()
        if not here or wanted.name in ("torch", "flipad-ops"):  # torch: its pin, any build
            continue
        pin = pins[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(pin), f"{wanted} is locked to {pin}: run make lock"


def test_constraints_are_what_is_locked() -> None:
    lines = (ROOT / "constraints-cpu.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert pins.pop("torch")
    locks = locked()
    differing = {n: p for n, p in pins.items() if locks.get(canonicalize_name(n)) != p}
    assert not differing, "run make lock"


def test_the_product_alone_is_locked_to_the_same_versions() -> None:
    product, everything = locked("requirements-product.lock"), locked()
    assert {name: everything.get(name) for name in product} == product
    ours = {"torch", "flipad-ops"}
    for wanted in map(Requirement, project()[""] + project()["fit"]):
        assert wanted.name in ours or canonicalize_name(wanted.name) in product
    assert not {"pytest", "ray", "boto3", "onnxruntime", "great-expectations"} & set(product)


@pytest.mark.parametrize(
    "name",
    ["requirements-cpu.lock", "requirements-demo.lock", "requirements-foreign.lock",
     "requirements-product.lock"],
)  # fmt: skip
def test_every_locked_package_has_hashes(name: str) -> None:
    entries = re.split(r"^(?=\w)", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    entries = [entry for entry in entries if entry.strip()]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in "".join(entries)  # no index, no address


def test_what_is_installed_is_what_is_locked() -> None:
    installed = {canonicalize_name(d.metadata["Name"]): d.version for d in distributions()}
    differing = {
        name: (version, installed[name])
        for name, version in locked().items()
        if installed.get(name, version) != version
    }
    assert not differing


def test_licences_are_known() -> None:
    listed = subprocess.run(
        [BIN / "pip-licenses", "--from=mixed", "--format=json"],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    packages = {row["Name"]: row["License"] for row in json.loads(listed.stdout)}
    assert len(packages) > 100
    unknown = {
        name: licence
        for name, licence in packages.items()
        if canonicalize_name(name) not in KNOWN
        and not all(ALLOWED.fullmatch(part) for part in re.split(r"; | AND | OR ", licence))
    }
    assert not unknown


def test_the_sbom_lists_what_is_installed(tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    subprocess.run(
        # `make sbom` validates, which takes 25 seconds.
        [BIN / "cyclonedx-py", "environment", "--no-validate", "--pyproject",
         ROOT / "pyproject.toml",
         "--output-reproducible", "--output-format", "JSON", "--output-file", file,
         sys.executable],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    bill = json.loads(file.read_text(encoding="utf-8"))
    assert bill["metadata"]["component"]["name"] == "flipad-ops"
    listed = {canonicalize_name(part["name"]): part["version"] for part in bill["components"]}
    for name in ("mlflow", "torch", "numpy", "boto3"):
        assert listed[name].split("+")[0]
    assert len(listed) > 100
