"""The page on point-in-time correctness names a test for every case; they are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "explanation" / "point-in-time.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_is_there():
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")
    )
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 40
    assert sorted(name for name in named if f"def {name}(" not in tests) == []


def test_every_case_of_the_table_names_a_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("|")][2:]
    assert [row for row in rows if "`test_" not in row.rsplit("|", 2)[1]] == []
