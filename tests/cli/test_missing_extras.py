"""Each command without the packages of an extra: one sentence, its pip command, exit code 2.

The commands run in child processes in which those packages cannot be imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flipad_ops.common.extras import EXTRAS, install

WITHOUT = """
import sys
for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None
sys.argv[0] = "flipadops"
from flipad_ops.cli.main import main
main()
"""
CONFIG = """
[[notify]]
name = "chat"
kind = "apprise"
url_env = "CHAT_URL"
"""
#: Extra, and words of a command that needs it; STORE is a registry that holds tiny/1.
CASES = (
    ("s3", "scan s3://bucket/prefix --model faces"),
    ("tables", "scan made.parquet --model faces"),
    ("tables", "scan found --model faces -o parquet=rows.parquet"),
    ("tables", "fit models:/faces/1 --negatives made.parquet"),
    ("pytorch", "doctor tiny/1 --tracking-uri STORE"),
    ("store", "models --tracking-uri STORE"),
    ("store", "scan found --model faces"),
    ("store", "doctor faces"),
    ("store", "prune"),
    ("fit", "fit models:/faces/1 --negatives found"),
    ("fit", "fit --all-missing"),
    ("data-docs", "fit models:/faces/1 --data-docs"),
    ("hooks", "hooks up"),
    ("hooks", "hooks status"),
    ("hooks", "hooks schedule list"),
    ("ray", "scan found --model faces --engine ray"),
    ("delta", "scan found --model faces --state delta://ledger"),
    ("postgres", "hooks worker"),
    ("notify", "hooks notify chat"),
    ("sign", "scan found --model faces --sign key"),
)


@pytest.mark.parametrize(
    ("extra", "words"), [pytest.param(*case, id="-".join(case)[:50]) for case in CASES]
)
def test_one_sentence_names_the_extra(
    extra: str, words: str, registered: str, tmp_path: Path
) -> None:
    (tmp_path / "found").mkdir()
    for name in ("made.parquet", "key", "found/a.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "flipadops.toml").write_text(CONFIG)
    environment = {name: at for name, at in os.environ.items() if not name.startswith("MLFLOW")}
    environment["CHAT_URL"] = "json://127.0.0.1/"
    if extra == "postgres":
        environment["FLIPADOPS_HOOKS_TABLE"] = "postgresql+psycopg://127.0.0.1/hooks"
    # A hidden package of the hooks' that the fit has too is the fit's to name.
    hidden = set(EXTRAS[extra]) - (set(EXTRAS["fit"]) if extra == "hooks" else set())
    done = subprocess.run(
        [sys.executable, "-P", "-c", WITHOUT, ",".join(sorted(hidden)),
         *words.replace("STORE", registered).split()],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if line.startswith("flipadops: ")]
    assert done.returncode == 2, done.stderr
    assert len(said) == 1, done.stderr
    assert said[0].endswith(f"{install(extra)}."), said
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
