"""Signed records, against py-minisign and the real minisign."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import minisign
import pytest

from flipad_ops.cli.main import main
from flipad_ops.common.errors import RecordAltered, UsageError
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.signing import Signer, check_signature, public_key
from flipad_ops.scanning.outputs import write_outputs
from tests.scanning.outcome.test_verdicts import outcome_of


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    pair = minisign.KeyPair.generate()
    secret, public = tmp_path / "scans.key", tmp_path / "scans.pub"
    secret.write_bytes(bytes(pair.secret_key))
    public.write_bytes(bytes(pair.public_key))
    return secret, public


@pytest.fixture
def outcome(tmp_path: Path) -> ScanOutcome:
    return outcome_of(tmp_path / "found")


def test_what_is_signed_is_what_is_verified(
    keys: tuple[Path, Path], outcome: ScanOutcome, tmp_path: Path
) -> None:
    page, lines = tmp_path / "run.html", tmp_path / "run.jsonl"
    write_outputs(outcome, [("html", page), ("jsonl", lines)], Signer(keys[0]).sign)
    for file in (page, lines):
        comment = check_signature(file, public_key(str(keys[1])))
        assert comment.startswith(f"file:{file.name} scan:{outcome.started} attributors:dark/1 ")
        assert "a" * 64 in comment
    # The text that minisign prints does as well as its file.
    check_signature(lines, public_key(keys[1].read_text().splitlines()[1]))
    lines.write_text(lines.read_text().replace('"clear"', '"leak"', 1))
    with pytest.raises(RecordAltered, match="is not what was signed with this key"):
        check_signature(lines, public_key(str(keys[1])))
    other = minisign.KeyPair.generate().public_key.to_base64().decode()
    with pytest.raises(RecordAltered, match="not what was signed"):
        check_signature(page, public_key(other))


def test_a_signature_that_is_missing_or_damaged(keys: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").touch()
    key = public_key(str(keys[1]))
    with pytest.raises(RecordAltered, match="has no signature beside it"):
        check_signature(tmp_path / "run.jsonl", key)
    (tmp_path / "run.jsonl.minisig").write_bytes(b"\xff\x00 nothing")
    with pytest.raises(RecordAltered, match="is no signature of minisign"):
        check_signature(tmp_path / "run.jsonl", key)


def test_keys_that_are_none(keys: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        Signer(tmp_path / "nowhere.key")
    (tmp_path / "bad.key").write_text("SECRET-LOOKING-TEXT")
    with pytest.raises(UsageError, match="no secret key of minisign") as refused:
        Signer(tmp_path / "bad.key")
    assert "LOOKING" not in str(refused.value)
    pair = minisign.KeyPair.generate()
    pair.secret_key.encrypt("password", opslimit=minisign.OPSLIMIT)
    (tmp_path / "locked.key").write_bytes(bytes(pair.secret_key))
    with pytest.raises(UsageError, match="has a password"):
        Signer(tmp_path / "locked.key")
    with pytest.raises(UsageError, match="neither a public key"):
        public_key("nothing")
    secret = keys[0].read_text().splitlines()[1]
    with pytest.raises(UsageError, match="neither a public key") as refused:
        public_key(secret)
    assert secret not in str(refused.value)


def test_a_damaged_key_is_refused(keys: tuple[Path, Path], tmp_path: Path) -> None:
    comment, text = keys[0].read_text().splitlines()
    raw = bytearray(base64.b64decode(text))
    raw[65] ^= 1  # in the seed, which begins at 62
    keys[0].write_text(f"{comment}\n{base64.b64encode(raw).decode()}\n")
    with pytest.raises(UsageError, match="is damaged"):
        Signer(keys[0])


def test_names_that_are_not_ascii(
    keys: tuple[Path, Path], outcome: ScanOutcome, tmp_path: Path
) -> None:
    file = tmp_path / "gr\u00fcn.jsonl"
    write_outputs(outcome, [("jsonl", file)], Signer(keys[0]).sign)
    assert check_signature(file, public_key(str(keys[1]))).startswith("file:gr?n.jsonl ")


def test_the_commands_refuse_before_they_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.jsonl").touch()
    key = minisign.KeyPair.generate().public_key.to_base64().decode()
    for words, code, sentence in (
        (["scan", ".", "-m", "x", "--sign", "no.key"], 2, "The key no.key cannot be read"),
        (["report", "run.jsonl", "--sign", "no.key"], 2, "The key no.key cannot be read"),
        (["verify", "run.jsonl", "--public-key", "x"], 2, "is neither a public key"),
        (["verify", "run.jsonl", "--public-key", ""], 2, "is neither a public key"),
        (["verify", "run.jsonl", "--public-key", key], 3, "run.jsonl has no signature beside"),
    ):
        monkeypatch.setattr("sys.argv", ["flipadops", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code
        assert sentence in capsys.readouterr().err


def test_minisign_itself_agrees(outcome: ScanOutcome, tmp_path: Path) -> None:
    program = shutil.which("minisign")
    if program is None:
        if os.environ.get("FLIPADOPS_REQUIRE_ALL"):
            pytest.fail("minisign is required here")
        pytest.skip("needs minisign")
    secret, public, file = (tmp_path / name for name in ("s.key", "s.pub", "run.jsonl"))

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *words], capture_output=True, text=True, timeout=60)  # type: ignore[list-item]

    assert run("-G", "-W", "-p", public, "-s", secret).returncode == 0
    write_outputs(outcome, [("jsonl", file)], Signer(secret).sign)
    verified = run("-V", "-p", public, "-m", file)
    assert verified.returncode == 0, verified.stderr
    assert f"file:{file.name}" in verified.stdout
    theirs = tmp_path / "theirs.jsonl"
    shutil.copy(file, theirs)
    assert run("-S", "-s", secret, "-m", theirs, "-t", "by hand").returncode == 0
    assert check_signature(theirs, public_key(str(public))) == "by hand"
    theirs.write_text("changed")
    assert run("-V", "-p", public, "-m", theirs).returncode != 0
