"""The page "Does it work with mine?" says what its tests show."""

from __future__ import annotations

import subprocess
import sys

from tests.docs.forms_table import PAGE, SECTIONS, page

FORMS = [form for section in SECTIONS.values() for form in section]


def test_the_page_is_written_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.docs.forms_table"


def test_at_least_forty_forms_each_once() -> None:
    assert len(FORMS) >= 40
    assert len({form.what for form in FORMS}) == len(FORMS)


def test_every_form_names_a_test_that_is_there() -> None:
    files = sorted({form.test.partition("::")[0] for form in FORMS})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-n", "0", "-o", "addopts=-q"]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=True)
    found = {line.strip() for line in done.stdout.splitlines() if "::" in line}
    missing = [form.test for form in FORMS if "::" in form.test and form.test not in found]
    assert missing == []
