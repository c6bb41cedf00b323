"""What a table that is years old holds, who waits for whom, and that no alert depends on a disk."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update
from typer.testing import CliRunner

from flipad_ops.cli.app import app as cli
from flipad_ops.common.errors import UsageError
from registry_hooks import fit_worker
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.fit_worker import PERMANENT, FitEnd, FitWorker
from registry_hooks.hook_settings import HookSettings, load_settings
from registry_hooks.messages import render
from registry_hooks.notice_jobs import KEEP_TOLD, NoticeQueue
from registry_hooks.notifier import ORPHANED
from registry_hooks.schema import DONE, FAILED, QUEUED, Fit, Scan, Told
from registry_hooks.watch import load_watch
from tests.registry_hooks.listeners import Posted
from tests.registry_hooks.test_notifier import Watched, server, webhook

__all__ = ["server"]


def test_readers_wait_for_no_writer(work: FitQueue) -> None:
    """A writer that holds its transaction open would keep them for 30 s, then fail them."""
    work.enqueue([("a", 1)], "c")
    with work.sessions.begin() as session:
        session.execute(update(Fit).values(reason="mid-way"))
        assert work.counts()[QUEUED] == 1
        (row,) = work.rows()
        assert row.reason is None


Loss = Callable[[Path], object]
LOSSES: dict[str, Loss] = {
    "folder": lambda folder: shutil.rmtree(folder),
    "file": lambda folder: (folder / "records.jsonl").unlink(),
    "rights": lambda folder: (folder / "records.jsonl").write_bytes(b"\xff{"),
    "none": lambda folder: None,
}


@pytest.mark.parametrize("kept", [True, False], ids=["in the table", "on a disk only"])
@pytest.mark.parametrize("loss", LOSSES)
def test_an_alert_is_sent_whatever_became_of_the_records(
    loss: str, kept: bool, work: FitQueue, tmp_path: Path, server: Posted
) -> None:
    watched = Watched(work, tmp_path, webhook(server.url))
    watched.scan("a.png", "b.png")
    if not kept:  # as versions before wrote it, or where it could not be read at the end
        with work.sessions.begin() as session:
            session.execute(update(Scan).values(findings=None))
    with work.sessions() as session:
        (folder,) = session.scalars(select(Scan.folder)).all()
    LOSSES[loss](Path(str(folder)))
    for _ in range(3):
        watched.notifier.step()
    (notice,) = watched.notifier.outbox.newest()
    assert len(server.requests) == 1
    assert notice.payload is not None
    named = kept or loss == "none"
    assert notice.payload["new"] == (2 if named else 1)
    body = render(notice.payload)[1]
    assert ("a.png" in body) is named
    assert ("records cannot be read" in body) is not named


def test_a_service_without_the_schedule_leaves_the_alert_to_one_that_has_it(
    work: FitQueue, tmp_path: Path, server: Posted
) -> None:
    watched = Watched(work, tmp_path, webhook(server.url))
    watched.scan("a.png")
    other = Watched(work, tmp_path, webhook(server.url)).notifier
    other._schedules = {}
    other.step()
    assert server.requests == []
    watched.notifier.step()
    assert len(server.requests) == 1
    watched.scan("b.png")
    with work.sessions.begin() as session:  # nobody has it any more
        session.execute(update(Scan).values(ended=time.time() - ORPHANED - 1))
    other.step()
    assert other._scans.untold() == []


def test_what_was_told_is_remembered_while_it_is_seen_and_then_forgotten(work: FitQueue) -> None:
    now = [1e9]
    outbox = NoticeQueue(work.sessions, lambda: now[0])
    tell = lambda key: outbox.put("c", "findings", [(key, {})], {})  # noqa: E731
    assert tell("seen") == tell("gone") == 1
    for _ in range(20):
        now[0] += KEEP_TOLD / 8
        assert tell("seen") == 0
        outbox.purge()
    with work.reads() as session:
        assert session.scalar(select(func.count()).select_from(Told)) == 1
    assert tell("gone") == 1


def test_a_look_at_failures_reads_those_that_are_new(
    work: FitQueue, tmp_path: Path, server: Posted, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(work, tmp_path, webhook(server.url))
    old = time.time() - 10 * 86_400
    work.enqueue([("a", n) for n in range(50)], "c", state=FAILED, reason="No.", updated=old)
    watched.notifier.step()
    read = list[int]()
    rows = work.rows

    def counted(*states: str, since: float = 0.0) -> list[Fit]:
        found = rows(*states, since=since)
        read.append(len(found))
        return found

    monkeypatch.setattr(work, "rows", counted)
    work.enqueue([("b", 1)], "c", state=FAILED, reason="No.")
    watched.notifier.step()
    watched.notifier.step()
    assert read[1] <= 1
    assert len(watched.notifier.outbox.newest()) == 2


def test_old_logs_of_fits_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_worker, "MOST_LOGS", 3)
    for n in range(5):
        (tmp_path / f"{n}.log").touch()
        os.utime(tmp_path / f"{n}.log", (time.time() - n, time.time() - n))
    os.utime(tmp_path / "1.log", (0, 0))
    (tmp_path / "kept.txt").touch()
    monkeypatch.setattr(fit_worker, "_pruned", float("-inf"))
    fit_worker._prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0.log",
        "2.log",
        "3.log",
        "kept.txt",
    ]


@pytest.mark.parametrize("kind", sorted(PERMANENT))
def test_a_failure_that_cannot_change_is_not_tried_again(kind: str, work: FitQueue) -> None:
    settings = HookSettings()
    work.enqueue([("a", 1)], settings.config_sha256())
    fit = work.claim("me", settings.config_sha256())
    assert fit is not None
    worker = FitWorker(work, settings, None)  # type: ignore[arg-type]
    assert worker._write(fit, FitEnd(kind=kind, message="20 own samples are too few.")) == FAILED


TOML = """
[hooks]
logs = "l"
[[schedule]]
name = "n"
cron = "0 2 * * *"
targets = "found"
on_finding = "c"
[[notify]]
name = "c"
kind = "webhook"
url = "http://x"
secret_file = "s"
"""


def test_paths_of_a_configuration_are_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "flipadops.toml").write_text(TOML)
    for place, path in (("etc", "flipadops.toml"), ("", "etc/flipadops.toml")):
        monkeypatch.chdir(tmp_path / place)
        settings = load_settings(Path(path))
        root = str(tmp_path / "etc")
        assert settings.root == root
        assert settings.table == f"sqlite:///{root}/flipad-hooks.db"
        assert settings.logs == f"{root}/l"
        watch = load_watch(Path(path), settings)
        assert watch.schedules[0].root == root
        assert watch.channels["c"].secret_file == f"{root}/s"
        assert load_settings(Path(path), table="sqlite:///x.db").table == "sqlite:///x.db"
    assert load_settings(None).table == "sqlite:///flipad-hooks.db"
    for table in ("[hooks]", "[[schedule]]"):
        bad = TOML.replace(table, f'{table}\nroot = "/"')
        (tmp_path / "etc" / "flipadops.toml").write_text(bad)
        with pytest.raises(UsageError, match="unknown key 'root'"):
            load_watch(Path(path), load_settings(Path(path)))


@pytest.mark.parametrize(
    "words",
    [["status"], ["status", "--json"], ["retry", "models:/a/1"], ["schedule", "list"]],
    ids=["status", "json", "retry", "list"],
)
def test_a_look_from_another_folder_makes_no_table(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLIPADOPS_HOOKS_TABLE", raising=False)
    done = CliRunner().invoke(cli, ["hooks", *words])
    assert isinstance(done.exception, UsageError)
    assert "There is no work table" in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_page_of_many_rows_reads_those_that_it_shows(work: FitQueue) -> None:
    with work.sessions.begin() as session:
        fields = {"kind": "fit", "queue": "c", "attempts": 1, "due": 0.0, "created": 0.0}
        rows = [{**fields, "key": f"a/{n}", "state": DONE, "updated": float(n)} for n in range(300)]
        session.execute(insert(Fit.__table__), rows)  # type: ignore[arg-type]
    assert [row.version for row in work.rows(DONE, most=3)] == [299, 298, 297]
