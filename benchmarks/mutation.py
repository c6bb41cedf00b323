"""Mutation testing of what decides: thresholds, p-values, FDR, verdicts, exit codes, the HMAC.

    python -m benchmarks.mutation

mutmut changes one operator, constant or argument at a time in the modules that `[tool.mutmut]` of
pyproject.toml names, and runs their tests. Works on a copy of the tree; takes some five minutes.
Writes benchmarks/results/mutation.json and mutation.md, with every survivor.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.frame.results import RESULTS, write_json

ROOT = Path(__file__).parents[1]
MUTMUT = Path(sys.executable).parent / "mutmut"
TREES = ("flipad_ops", "registry_hooks", "pipelines", "mlproject", "tests")
PAGE = """# Mutation testing of decisions

`{command}`, mutmut {version}. {killed} of {count} mutants are killed ({share:.1%});
a mutant that never ends counts as killed. The modules and tests are named in `pyproject.toml`.

## Survivors

Read one by one when they were last written (by hand, 2026-11-26): each changes nothing that a
caller could see (an argument that is the default, a guard that the caller before makes needless), a
case that only rounding could bring about, or wording.

{rows}
"""


def mutants(tree: Path) -> list[tuple[str, str]]:
    """Names and states of all mutants."""
    listed = subprocess.run(
        [MUTMUT, "results", "--all", "true"], cwd=tree, check=True, capture_output=True, text=True
    ).stdout
    found = re.findall(r"^\s*(\S+__mutmut_\d+): (.+?)\s*$", listed, re.MULTILINE)
    assert found, listed
    return found


def change(tree: Path, name: str) -> tuple[str, str]:
    """The line as it was and as the mutant has it."""
    shown = subprocess.run(
        [MUTMUT, "show", name], cwd=tree, check=True, capture_output=True, text=True
    ).stdout
    lines = dict.fromkeys("-+", "")
    for mark, text in re.findall(r"^([+-])(?![+-])(.*)$", shown, re.MULTILINE):
        lines[mark] = f"{lines[mark]} {text.strip()}".strip()
    return lines["-"], lines["+"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in TREES:
            shutil.copytree(ROOT / name, tree / name)
        shutil.copy(ROOT / "pyproject.toml", tree)
        subprocess.run([MUTMUT, "run", "--max-children", "2"], cwd=tree, check=True)
        found = mutants(tree)
        left = [(name, *change(tree, name)) for name, state in found if state != "killed"
                and state != "timeout"]  # fmt: skip
    states = Counter(state for _, state in found)
    killed = states["killed"] + states["timeout"]
    survivors = [
        {"mutant": re.sub(r"x[ǁ_]", "", name), "is": was, "would be": would}
        for name, was, would in left
    ]
    summary = {"mutants": len(found), "killed": killed, "survived": len(left)}
    result = {"summary": summary, "states": dict(states), "survivors": survivors}
    write_json(RESULTS / "mutation.json", result)
    rows = "\n".join(
        f"- `{row['mutant']}`\n  - is `{row['is']}`\n  - would be `{row['would be']}`"
        for row in survivors
    )
    version = subprocess.run([MUTMUT, "--version"], capture_output=True, text=True, check=True)
    page = PAGE.format(
        command="python -m benchmarks.mutation", version=version.stdout.split()[-1], killed=killed,
        count=len(found), share=killed / len(found), rows=rows,
    )  # fmt: skip
    (RESULTS / "mutation.md").write_text(page, encoding="utf-8")
    print(summary)


if __name__ == "__main__":
    main()
