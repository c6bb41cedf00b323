"""Command lines and the files they name. Each ends with one sentence and the stated exit code."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

#: An attributor's folder that every test folder has, and a bucket of two images.
SCAN = ["scan", "found", "-m", "attributor"]
HOOKS = ["hooks", "schedule", "list"]
KEY = "0" * 64


@dataclass(frozen=True)
class Case:
    """What is typed, what lies in the working folder, and what must come of it."""

    group: str
    name: str
    arguments: list[str]
    code: int
    sentence: str
    files: dict[str, str | bytes] = field(default_factory=dict)


def command(name: str, arguments: list[str], code: int, sentence: str, **files: str) -> Case:
    """A wrong command line."""
    return Case("Command lines", name, arguments, code, sentence, dict(files))


def toml(name: str, text: str, sentence: str, arguments: list[str] | None = None) -> Case:
    """A wrong configuration of hooks, schedules or messages."""
    return Case("Configuration", name, arguments or HOOKS, 2, sentence, {"flipadops.toml": text})


def hooks(name: str, line: str, sentence: str) -> Case:
    """One wrong line in `[hooks]`."""
    return toml(f"[hooks] {name}", f"[hooks]\n{line}\n", sentence, ["hooks", "status"])


def schedule(about: str, sentence: str, **changes: Any) -> Case:
    """One wrong key of a schedule."""
    keys = {"name": "s", "cron": "0 0 * * *", "targets": ["x"], "models": ["m"], **changes}
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items() if value is not None]
    return toml(f"[[schedule]] {about}", "[[schedule]]\n" + "\n".join(lines) + "\n", sentence)


def ignore(name: str, text: str, sentence: str) -> Case:
    """A wrong ignore file."""
    return Case(
        "Ignore files and baselines", name, [*SCAN, "--ignore-file", "i.yaml"], 2, sentence,
        {"i.yaml": text},
    )  # fmt: skip


def saved(name: str, text: str, sentence: str) -> Case:
    """What is no saved scan, to `report`, `verify` and `--baseline` alike."""
    return Case("Saved scans", name, ["report", "r.jsonl"], 2, sentence, {"r.jsonl": text})


def ledger(name: str, content: str | bytes, sentence: str) -> Case:
    """A file that is no ledger."""
    return Case(
        "Ledgers", name, [*SCAN, "--state", "l.db"], 2, sentence, {"l.db": content}
    )  # fmt: skip


def manifest(name: str, file: str, content: str | bytes, code: int, sentence: str) -> Case:
    """A wrong manifest."""
    return Case(
        "Manifests", name, ["scan", file, "-m", "attributor"], code, sentence, {file: content}
    )


def fit_settings(name: str, text: str, sentence: str) -> Case:
    """A wrong `--settings` file."""
    return Case(
        "Fit settings", name, ["fit", "models:/m/1", "--settings", "s.json"], 2, sentence,
        {"s.json": text},
    )  # fmt: skip


def attributor(name: str, text: str | bytes, sentence: str) -> Case:
    """An attributor's folder whose description is wrong."""
    return Case(
        "Attributors", name, ["scan", "found", "-m", "attributor"], 6, sentence,
        {"attributor/attributor.json": text},
    )  # fmt: skip


CASES: list[Case] = [
    command("no such command", ["scam"], 2, "No such command"),
    command("no such option", ["scan", "found", "--modle", "m"], 2, "No such option"),
    command("no target", ["scan"], 2, "Name what to scan"),
    command("no attributor named", ["scan", "found"], 2, "Name an attributor with --model"),
    command("a target that is not there", ["scan", "nowhere", "-m", "attributor"], 4,
            "No such file or folder"),
    command("an empty folder", ["scan", "nothing", "-m", "attributor"], 5, "Nothing to scan",
            **{"nothing/.keep": ""}),
    command("a scheme nobody reads", ["scan", "ftp://x/y", "-m", "attributor"], 2, "Cannot read"),
    command("S3 without a bucket", ["scan", "s3://", "-m", "attributor"], 2, "names no bucket"),
    command("a target named twice", ["scan", "found", "found", "-m", "attributor"], 2,
            "named twice"),
    command("an attributor that is nowhere", ["scan", "found", "-m", "nobody"], 2, "nobody"),
    command("an attributor's folder that is empty", ["scan", "found", "-m", "hollow"], 2, "hollow",
            **{"hollow/.keep": ""}),
    command("a model reference with blanks", ["scan", "found", "-m", "a b/c/d"], 2, ""),
    command("unknown output", [*SCAN, "-o", "yaml"], 2, "yaml"),
    command("two outputs on stdout", [*SCAN, "-o", "json", "-o", "csv"], 2, "stdout"),
    command("Parquet on stdout", [*SCAN, "-o", "parquet"], 2, "parquet"),
    command("an output into no folder", [*SCAN, "-o", "json=no/where.json"], 2, "no"),
    command("FDR 0", [*SCAN, "--fdr", "0"], 2, "--fdr"),
    command("FDR 2", [*SCAN, "--fdr", "2"], 2, "--fdr"),
    command("FDR as a word", [*SCAN, "--fdr", "low"], 2, "--fdr"),
    command("unknown --fail-on", [*SCAN, "--fail-on", "maybe"], 2, "--fail-on"),
    command("batch of 0", [*SCAN, "--batch-size", "0"], 2, "--batch-size"),
    command("0 workers", [*SCAN, "--workers", "0"], 2, "--workers"),
    command("a device that is none", [*SCAN, "--device", "abacus"], 2, "abacus"),
    command("an accelerator that is not there", [*SCAN, "--device", "cuda:9"], 2, "cuda"),
    command("size without a unit known", [*SCAN, "--max-object-size", "3 apples"], 2, "3 apples"),
    command("--since in words", [*SCAN, "--since", "yesterday"], 2, "yesterday"),
    command("shard 5/4", [*SCAN, "--shard", "5/4"], 2, "5/4"),
    command("shard in words", [*SCAN, "--shard", "first"], 2, "first"),
    command("limit 0", [*SCAN, "--limit", "0"], 2, "--limit"),
    command("--resume without --state", [*SCAN, "--resume"], 2, "--resume needs the ledger"),
    command("--resume of what is not there", [*SCAN, "--state", "l.db", "--resume"], 2,
            "no ledger"),
    command("a ledger in no folder", [*SCAN, "--state", "no/where.db"], 2, "cannot be used"),
    command("Ray at no address", [*SCAN, "--engine", "ray", "--ray-address", "nonsense"], 2,
            "nonsense"),
    command("fit without a model", ["fit"], 2, ""),
    command("fit of a model that is not there", ["fit", "models:/nobody/1"], 2, "nobody"),
    command("fit with an FNR of 1", ["fit", "models:/nobody/1", "--fnr", "1"], 2, "fnr"),
    command("fit with seed -1", ["fit", "models:/nobody/1", "--seed", "-1"], 2, "--seed"),
    command("unknown recipe", ["fit", "models:/nobody/1", "--recipe", "best"], 2, "--recipe"),
    command("fit on a device that is none", ["fit", "models:/m/1", "--device", "abacus"], 2,
            "There is no device 'abacus'"),
    command("doctor on a device that is not there", ["doctor", "models:/m/1", "--device", "cuda:9"],
            2, "There is no device 'cuda:9'"),
    command("doctor of a model that is not there", ["doctor", "models:/nobody/1"], 2, "nobody"),
    command("a version that is no number", ["doctor", "models:/nobody/first"], 2, ""),
    command("an empty model reference", ["doctor", "models:/"], 2, ""),
    command("sample of a model that is not there", ["sample", "models:/nobody/1", "--out", "o"], 2,
            "nobody"),
    command("sample of 0 images", ["sample", "models:/nobody/1", "--out", "o", "-n", "0"], 2,
            "--count"),
    command("register without a factory", ["register", "m"], 2, ""),
    command("a factory that is not there", ["register", "m", "--factory", "no.where:f",
            "--latent", "8,1,1"], 2, "no.where"),
    command("a factory that is no callable", ["register", "m", "--factory", "math:pi",
            "--latent", "8"], 2, "callable"),
    command("a latent in words", ["register", "m", "--factory", "torch.nn:Identity",
            "--latent", "small"], 2, "small"),
    command("an empty output range", ["register", "m", "--factory", "torch.nn:Identity",
            "--latent", "8", "--output-range", "1,1"], 2, ""),
    command("a tracking server that is not there",
            ["models", "--tracking-uri", "http://127.0.0.1:9"], 8, "127.0.0.1:9"),
    command("an output that is a folder", [*SCAN, "-o", "csv=found"], 2, "is a folder"),
    command("two outputs to one file", [*SCAN, "-o", "csv=x", "-o", "json=./x"], 2, "same file"),
    command("a name of 300 characters as a target", ["scan", "a" * 300, "-m", "attributor"], 4,
            "No such file"),
    command("hooks status where there is no table", ["hooks", "status"], 2, "no work table"),
    command("hooks retry where there is no table", ["hooks", "retry", "models:/a/1"], 2,
            "no work table"),
    command("a tracking URI of no kind", ["models", "--tracking-uri", "nothing://x"], 2, "nothing"),
    command("verify of nothing", ["verify", "none.jsonl"], 2, "none.jsonl"),
    command("a schedule that is not there", ["hooks", "schedule", "run-now", "nightly"], 2,
            "nightly"),
    command("hooks without a secret", ["hooks", "up"], 2, "FLIPADOPS_WEBHOOK_SECRET"),
    hooks("unknown key", "colour = 'red'", "unknown key 'colour'"),
    hooks("a text for a number", "port = 'http'", "port cannot be 'http'"),
    hooks("truth for a number", "port = true", "port cannot be True"),
    hooks("lease of 0", "lease = 0", "lease must be above 0"),
    hooks("negative time limit", "time_limit = -1", "time_limit must be above 0"),
    hooks("time limit that is no number", "time_limit = nan", "time_limit must be above 0"),
    hooks("no attempts", "attempts = 0", "attempts must be at least 1"),
    hooks("a text for a list", "include = 'gan'", "include must be a list"),
    hooks("unknown key of fits", "fit = {epochs = 3}", "unknown key 'epochs'"),
    hooks("unknown recipe", "fit = {recipe = 'best'}", "best"),
    hooks("unknown fit setting", "fit = {settings = {own = 3}}", "'own'"),
    hooks("a fit setting of another kind", "fit = {settings = {own_train = 'many'}}", "cannot"),
    hooks("a table of no database", "table = 'nothing://x'", ""),
    toml("no TOML", "this is [not toml", "flipadops.toml", ["hooks", "status"]),
    toml("deeply nested", "x = " + "[" * 5_000, "flipadops.toml", ["hooks", "status"]),
    toml("[scan] unknown key", "[scan]\nmodel = 'x'\n", "did you mean 'models'", ["scan", "."]),
    toml("[scan] an FDR above 0.5", "[scan]\nfdr = 1.0\n", "at most 0.5", ["scan", "."]),
    toml("[profile.x] unknown key", "[profile.x]\nfdrr = 1\n", "'fdr'", ["scan", "."]),
    toml("an unknown table", "[scna]\n", "did you mean 'scan'", ["scan", "."]),
    toml("a profile that is not there", "", "no profile 'x'", ["scan", ".", "-P", "x"]),
    toml("[hooks] that is no table", "hooks = 3", "not a table", ["hooks", "status"]),
    toml("[[schedule]] that is no list", "schedule = 3", "schedule"),
    schedule("without a name", "name", name=None),
    schedule("with an odd name", "cannot be called", name="../x"),
    schedule("without targets", "no targets", targets=[]),
    schedule("with a target that is an option", "cannot begin with '-'", targets=["--all"]),
    schedule("with minute 99", "cannot run at", cron="99 * * * *"),
    schedule("with four fields", "cannot run at", cron="* * * *"),
    schedule("on 30 February", "never runs", cron="0 0 30 2 *"),
    schedule("in no timezone", "cannot run at", timezone="Mars/Olympus"),
    schedule("with an unknown output", "no output format", outputs=["yaml"]),
    schedule("with an unknown key", "unknown", colour="red"),
    schedule("with an option of its own", "key of its own", options=["--model", "x"]),
    schedule("with an unknown fail_on", "fail_on is", fail_on="always"),
    schedule("with negative jitter", "jitter", jitter=-1),
    schedule("that tells an unknown channel", "names no [[notify]]", on_finding=["ops"]),
    ignore("no YAML", "- {", "i.yaml"),
    ignore("deeply nested", "[" * 5_000, "i.yaml"),
    ignore("no list", "sha256: 1", "i.yaml"),
    ignore("a tag that would run code", "!!python/object/apply:os.system ['true']", "i.yaml"),
    ignore("no reason", f"- {{sha256: '{KEY}', attributor: a, expires: 2030-01-01}}", "reason"),
    ignore("no end", f"- {{sha256: '{KEY}', attributor: a, reason: r}}", "expires"),
    ignore("an end in words",
           f"- {{sha256: '{KEY}', attributor: a, reason: r, expires: soon}}", "expires"),
    ignore("a hash that is none",
           "- {sha256: abc, attributor: a, reason: r, expires: 2030-01-01}", "SHA-256"),
    ignore("an unknown field", f"- {{sha256: '{KEY}', attributor: a, reason: r, "
           "expires: 2030-01-01, who: me}", "exactly the fields"),
    Case("Ignore files and baselines", "an ignore file that is not there",
         [*SCAN, "--ignore-file", "none.yaml"], 2, "none.yaml"),
    Case("Ignore files and baselines", "a baseline that is not there",
         [*SCAN, "--baseline", "none.jsonl"], 2, "none.jsonl"),
    Case("Ignore files and baselines", "a baseline that is no saved scan",
         [*SCAN, "--baseline", "b.jsonl"], 2, "b.jsonl", {"b.jsonl": "hello"}),
    saved("empty", "", "no summary line"),
    saved("text", "hello\n", "is not the jsonl of a scan"),
    saved("a list", "[1, 2]\n", "is not the jsonl of a scan"),
    saved("cut short", '{"type": "image", "outcome": "scored"}\n', "no summary line"),
    saved("half a line", '{"type": "image", "outc', "is not the jsonl of a scan"),
    saved("a summary without its fields", '{"type": "summary"}\n', "jsonl of a scan"),
    saved("an unknown outcome", '{"type": "image", "outcome": "lost"}\n', "jsonl of a scan"),
    saved("an attributor without a card", '{"type": "attributor", "name": "a"}\n',
          "jsonl of a scan"),
    saved("deeply nested", "[" * 100_000 + "\n", "is not the jsonl of a scan"),
    Case("Saved scans", "damaged, to verify", ["verify", "r.jsonl"], 2, "jsonl of a scan",
         {"r.jsonl": "{"}),
    ledger("a text", "hello, I am a text " * 300, "cannot be used as a ledger"),
    ledger("a damaged database", b"SQLite format 3\0" + bytes(5000), "cannot be used as a ledger"),
    ledger("an image", b"\x89PNG\r\n\x1a\n" + bytes(5000), "cannot be used as a ledger"),
    Case("Ledgers", "a folder", [*SCAN, "--state", "found"], 2, "ledger"),
    Case("Ledgers", "Delta: no table there", [*SCAN, "--state", "delta://none", "--resume"], 2,
         "no ledger"),
    Case("Ledgers", "Delta: a file in its place", [*SCAN, "--state", "delta://f"], 2, "f",
         {"f": "hello"}),
    Case("Ledgers", "Delta: a broken log", [*SCAN, "--state", "delta://d"], 2, "d",
         {"d/_delta_log/00000000000000000000.json": "garbage"}),
    manifest("no such column", "m.csv", "name,colour\na,red\n", 2, "is no manifest"),
    manifest("JSON lines that are none", "m.jsonl", "hello\n", 4, "Cannot read manifest"),
    manifest("a list per line", "m.jsonl", "[1]\n", 4, "has none of"),
    manifest("Parquet that is none", "m.parquet", "PAR1 hello", 4, "cannot be read as a table"),
    manifest("bytes that are no text", "m.csv", b"key\n\xff\xfe\xfd\n", 4,
             "cannot be read as a table"),
    manifest("deeply nested", "m.jsonl", "[" * 100_000, 4, "nested too deeply"),
    manifest("empty", "m.csv", "", 2, "is no manifest"),
    manifest("an entry that is not there", "m.csv", "key\nnone.png\n", 4, "not there"),
    attributor("empty", "", "is not JSON"),
    attributor("a list", "[1]", "is not a JSON object"),
    attributor("bytes that are no text", b"\xff\xfe", "is not JSON"),
    attributor("deeply nested", "[" * 100_000, "is not JSON"),
    attributor("nothing stated", "{}", "Attributor format None"),
    attributor("of a later format", '{"format": 99}', "Attributor format 99"),
    attributor("of a format that is no number", '{"format": [4]}', "Attributor format [4]"),
    attributor("without the hash of its tensors", '{"format": 4}', "lack"),
    attributor("with another hash of its tensors", '{"format": 4, "tensors_sha256": "0"}',
               "was altered"),
    Case("Attributors", "without tensors", ["scan", "found", "-m", "a"], 6, "missing or unreadable",
         {"a/attributor.json": '{"format": 4, "tensors_sha256": "0"}'}),
    fit_settings("no JSON", "{", "s.json"),
    fit_settings("deeply nested", "[" * 100_000, "s.json"),
    fit_settings("a list", "[1]", "s.json"),
    fit_settings("unknown key", '{"epochs": 3}', "epochs"),
    fit_settings("negative count", '{"own_train": -1}', "own_train"),
    fit_settings("a word for a number", '{"own_train": "many"}', ""),
    fit_settings("FNR of 1", '{"fnr": 1}', "fnr"),
    fit_settings("unknown solver", '{"inversion": {"solver": "guess"}}', "guess"),
    fit_settings("alpha below 0", '{"inversion": {"alpha": -1}}', "alpha"),
    fit_settings("no epochs", '{"detector": {"epochs": 0}}', "epochs"),
    Case("Fit settings", "a file that is not there",
         ["fit", "models:/m/1", "--settings", "none.json"], 2, "none.json"),
]  # fmt: skip
