"""What the whole has to keep: light imports, direction of imports, small files with honest names."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provender.core import errors
from provender.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
CODE = ("src", "tests", "demo", "benchmarks", "feature_repo", "tools")
GENERATED = {".git", ".venv", ".data", ".provender", "__pycache__", "dist"}
HOLLOW_NAMES = {"utils", "util", "helpers", "common", "misc", "manager", "base", "service"}
IMPORT_MILLISECONDS = 150
TRIES = 8


def python(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if "PROVENDER" not in name}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def import_milliseconds(module: str) -> float:
    report = python("-X", "importtime", "-c", f"import {module}").stderr
    found = re.search(rf"\|\s*(\d+) \| {re.escape(module)}$", report, re.MULTILINE)
    assert found, report[-2000:]
    return int(found[1]) / 1000


def files(suffix: str, *folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob(f"*{suffix}")):
            if GENERATED.isdisjoint(path.parts) and path.is_file():
                yield path


def test_importing_provender_is_light():
    times = []
    while len(times) < TRIES and min(times, default=IMPORT_MILLISECONDS) >= IMPORT_MILLISECONDS:
        times.append(import_milliseconds("provender"))
    assert min(times) <= IMPORT_MILLISECONDS, f"milliseconds of each try: {times}"


@pytest.mark.parametrize("module", ["provender.serving.app", "provender.serving.server"])
def test_the_online_server_imports_nothing_heavy(module):
    heavy = "{'feast', 'sqlalchemy', 'pandas', 'duckdb', 'pyarrow', 'deltalake'}"
    done = python("-c", f"import sys, {module}; print(*sorted({heavy} & set(sys.modules)))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_the_front_door_imports_no_feast():
    done = python("-c", "import sys, provender.sdk; print('feast' in sys.modules)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "False"


def test_the_core_imports_the_standard_library_only():
    modules = ", ".join(
        f"provender.core.{path.stem}" for path in files(".py", "src/provender/core")
    )
    question = (
        f"import sys; before = set(sys.modules); import {modules}; "
        "roots = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(roots - sys.stdlib_module_names - {'provender'}))"
    )
    done = python("-S", "-c", question)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_the_import_contracts_are_kept():
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_longer_than_400_lines():
    lengths = {path: len(path.read_text().splitlines()) for path in files(".py", *CODE)}
    assert not {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > 400}


def test_files_and_folders_have_names_that_say_something():
    named = {part for path in files(".py", *CODE) for part in path.relative_to(ROOT).parts}
    assert not {name for name in named if name.removesuffix(".py") in HOLLOW_NAMES}


def test_every_setting_is_documented_and_no_other():
    page = (ROOT / "docs/reference/settings.md").read_text()
    documented = set(re.findall(r"^\| `(PROVENDER_\w+)`", page, re.MULTILINE))
    assert documented == {PREFIX + field.upper() for field in Settings.model_fields}


def test_every_error_is_documented_with_its_class_status_and_exit_code():
    page = (ROOT / "docs/reference/errors.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| `(\w+)` \| (\d+) \| (\d+) \|", page, re.MULTILINE)
    assert {
        (code, name, int(status), int(exit_code)) for code, name, status, exit_code in rows
    } == {(kind.code, kind.__name__, kind.status, kind.exit_code) for kind in error_tree()}


def test_no_two_errors_share_a_code():
    codes = [kind.code for kind in error_tree()]
    assert len(codes) == len(set(codes))


def error_tree() -> list[type[errors.ProvenderError]]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.ProvenderError)
    ]
