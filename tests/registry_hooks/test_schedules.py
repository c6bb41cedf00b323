"""`[[schedule]]` and `[[notify]]` in flipadops.toml, and what their cron lines mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flipad_ops.common.errors import UsageError
from registry_hooks.hook_settings import load_settings
from registry_hooks.schedules import Schedule, load_schedules
from registry_hooks.watch import load_watch

#: A Sunday.
SUNDAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = '[[schedule]]\nname = "n"\ncron = "0 2 * * *"\ntargets = "found"\n'
HOOK = '[[notify]]\nname = "c"\nkind = "webhook"\nurl = "http://x"\nsecret_env = "S"\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "flipadops.toml"
    path.write_text(text)
    return path


def days(cron_weekday: str) -> str:
    """The weekdays of a week from Sunday on which a schedule runs, as cron numbers."""
    schedule = Schedule("n", f"0 2 * * {cron_weekday}", ("x",))
    found = ""
    for day in range(7):
        noon = SUNDAY + timedelta(days=day)
        runs = schedule.next_after(noon - timedelta(hours=12))
        found += str(day) if runs < noon.timestamp() else ""
    return found


@pytest.mark.parametrize(
    ("weekday", "expected"),
    [
        ("0", "0"),
        ("7", "0"),
        ("sun", "0"),
        ("1-5", "12345"),
        ("MON-FRI", "12345"),
        ("5-7", "056"),
        ("fri-sun", "056"),
        ("0-7", "0123456"),
        ("*/2", "0246"),
        ("1,3-4", "134"),
        ("*", "0123456"),
    ],
)
def test_weekdays_count_as_in_cron(weekday: str, expected: str) -> None:
    assert days(weekday) == expected


def test_the_time_zone_is_kept_across_the_change_of_clocks() -> None:
    schedule = Schedule("n", "30 9 * * *", ("x",), timezone="Europe/Berlin")
    winter = datetime.fromtimestamp(schedule.next_after(datetime(2026, 1, 5, tzinfo=UTC)), UTC)
    summer = datetime.fromtimestamp(schedule.next_after(datetime(2026, 7, 6, tzinfo=UTC)), UTC)
    assert (winter.hour, summer.hour) == (8, 7)


def test_jitter_moves_a_start_and_stays_within_bounds() -> None:
    schedule = Schedule("n", "0 2 * * *", ("x",), jitter=300)
    plain = datetime(2026, 3, 2, 2, tzinfo=UTC).timestamp()
    moves = {schedule.next_after(SUNDAY) - plain for _ in range(20)}
    assert len(moves) > 10
    assert max(map(abs, moves)) <= 300


def test_a_schedule_is_a_command_of_flipadops_scan(tmp_path: Path) -> None:
    text = GOOD + 'models = ["faces@champion"]\noutputs = ["html", "sarif=/srv/x.sarif"]\n'
    text += 'state = "n.db"\noptions = ["--fdr", "0.05"]\n'
    (schedule,) = load_schedules(write(tmp_path, text))
    assert schedule.words(Path("/runs/1")) == [
        "found", "--quiet", "--fail-on", "accepted", "--model", "faces@champion", "--state", "n.db",
        "-o", "jsonl=/runs/1/records.jsonl", "-o", "html=/runs/1/scan.html",
        "-o", "sarif=/srv/x.sarif", "--fdr", "0.05",
    ]  # fmt: skip
    assert "--all-models" in Schedule("n", "0 2 * * *", ("x",)).words(Path())


def test_scans_of_a_schedule_share_a_ledger_unless_it_says_none() -> None:
    """Beside the scans' folders, and another one for other targets or options."""

    def ledger(*targets: str, options: tuple[str, ...] = (), **more: str) -> str:
        schedule = Schedule("n", "0 2 * * *", targets, options=options, **more)
        words = schedule.words(Path("/logs/scans/n/1"))
        return words[words.index("--state") + 1] if "--state" in words else ""

    own = ledger("x")
    assert Path(own).parent == Path("/logs/scans/n")
    assert len({own, ledger("y"), ledger("x", options=("--limit", "3")), ledger("x", "y")}) == 4
    assert ledger("x", models="faces") == own
    assert ledger("x", state="mine.db") == "mine.db"
    assert ledger("x", state="none") == ""


@pytest.mark.parametrize(
    "text",
    [
        "schedule = 3",
        "[schedule]\nname = 'n'",
        GOOD.replace("0 2 * * *", "0 2 * *"),
        GOOD.replace("0 2 * * *", "0 25 * * *"),
        GOOD.replace("0 2 * * *", "0 2 * * 8"),
        GOOD.replace("0 2 * * *", "0 2 * * someday"),
        GOOD.replace("0 2 * * *", "0 2 * * 5-1"),
        GOOD.replace("0 2 * * *", "0 2 1 * 1"),
        GOOD.replace("0 2 * * *", "0 2 30 2 *"),
        GOOD + "timezone = 'Mars/North'",
        GOOD + "jitter = -1",
        GOOD + "bogus = 1",
        GOOD + "keep = 'all'",
        GOOD + "fail_on = 'always'",
        GOOD + "outputs = ['pdf']",
        GOOD + "outputs = ['html=']",
        GOOD + "options = ['--state=x']",
        GOOD + "models = ['--device']",
        GOOD + "on_finding = ['nobody']",
        GOOD.replace('"n"', '"../n"'),
        GOOD.replace('targets = "found"\n', ""),
        GOOD.replace('"found"', "[]"),
        GOOD + GOOD,
        HOOK + HOOK,
        HOOK.replace("webhook", "pigeon"),
        HOOK.replace("webhook", "slack"),
        HOOK.replace('secret_env = "S"\n', ""),
        HOOK.replace('url = "http://x"\n', ""),
        HOOK + 'title = "{{"',
        HOOK + "per_hour = 0",
        "[hooks]\non_failed_fit = ['nobody']",
        "[hooks]\nstatus_page = 'no'",
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError, match=r"^[^\n]+$"):
        load_watch(path, load_settings(path))


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the file\n")
    text = HOOK + f'[[notify]]\nname = "d"\nkind = "slack"\nurl_file = "{tmp_path}/secret"\n'
    path = write(tmp_path, text)
    channels = load_watch(path, load_settings(path)).channels
    assert channels["c"].secret({"S": "of the environment"}) == "of the environment"
    assert channels["d"].address({}) == "of the file"
    with pytest.raises(UsageError, match="set S"):
        channels["c"].check({})
    with pytest.raises(UsageError, match="no http address"):
        channels["d"].check({})
