"""`make setup` on a small repository: two tiny packages from a local folder, no network."""

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.stress import STRESSED

TOOLS = Path(__file__).resolve().parents[2] / "tools"
BACKEND = """
import zipfile

def _wheel(folder):
    name = "ours-1-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("ours.pth", "")
        wheel.writestr("ours-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: ours\\nVersion: 1\\n")
        wheel.writestr("ours-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("ours-1.dist-info/RECORD", "")
    return name

def build_wheel(folder, settings=None, metadata=None):
    return _wheel(folder)

build_editable = build_wheel
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "ours"
version = "1"
"""


def wheel(folder: Path, name: str, *, version: str = "1.0") -> str:
    """Write a wheel with one module into ``folder``; return its line for a lock file."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    members = {
        f"{name}.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{member},,\n" for member in [*members, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as file:
        for member, text in {**members, f"{info}/RECORD": record}.items():
            file.writestr(member, text)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name}=={version} \\\n    --hash=sha256:{digest}\n"


class Repository:
    """A repository that has what the set-up reads, and nothing else."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.index = root / "index"
        self.index.mkdir(parents=True)
        (root / "requirements").mkdir()
        shutil.copytree(TOOLS, root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "pyproject.toml").write_text(PROJECT)
        (root / "backend.py").write_text(BACKEND)
        self.lock("dev", wheel(self.index, "library"))
        self.lock("data", wheel(self.index, "archive"))

    def lock(self, name: str, text: str) -> None:
        (self.root / f"requirements/{name}.lock").write_text(text)

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
        place = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": str(self.index)}
        return {**kept, **place, "PIP_NO_INDEX": "1"}

    def start(self, **more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [base_python(), "tools/setup.py"],
            cwd=self.root,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def setup(self, **more: str) -> tuple[int, str]:
        process = self.start(**more)
        said, _ = process.communicate(timeout=120)
        return process.returncode, said

    def imports(self, module: str) -> bool:
        python = self.root / ".venv/bin/python"
        return subprocess.run([python, "-c", f"import {module}"], check=False).returncode == 0


def base_python() -> str:
    """The Python that this test's virtual environment was made from."""
    return str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that has been set up once."""
    repository = Repository(tmp_path_factory.mktemp("made") / "repository")
    code, said = repository.setup()
    assert code == 0, said
    return repository.root


@pytest.fixture
def repository(made: Path) -> Repository:
    """The repository that was set up, as this test's own."""
    found = Repository.__new__(Repository)
    found.root, found.index = made, made / "index"
    return found


@pytest.fixture(scope="module")
def environment() -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment", TOOLS / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_first_run_makes_everything_that_the_locks_name(repository):
    assert repository.imports("library")
    assert (repository.root / ".data/archive-1.0-py3-none-any.whl").exists()
    assert (repository.root / ".venv/bin/pip").exists()


def test_the_second_run_says_nothing_and_is_over_in_a_moment(repository):
    took = []
    for _ in range(3):
        began = time.monotonic()
        assert repository.setup() == (0, "")
        took.append(time.monotonic() - began)
    assert min(took) < 0.5


def test_a_changed_lock_is_installed(repository):
    repository.lock("dev", wheel(repository.index, "library", version="2.0"))
    code, said = repository.setup()
    assert code == 0, said
    assert "anew" not in said
    done = subprocess.run(
        [repository.root / ".venv/bin/python", "-c", "import library; print(library.version)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "2.0\n"


def test_a_lost_archive_is_fetched_again(repository):
    archive = repository.root / ".data/archive-1.0-py3-none-any.whl"
    archive.unlink()
    code, said = repository.setup()
    assert code == 0, said
    assert archive.exists()


def test_a_truncated_archive_is_replaced(repository):
    archive = repository.root / ".data/archive-1.0-py3-none-any.whl"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:50])
    code, said = repository.setup()
    assert code == 0, said
    assert archive.read_bytes() == whole


def test_an_archive_that_was_put_there_by_hand_is_not_fetched(repository):
    (repository.root / ".venv/provender-ready.json").unlink()
    (repository.index / "archive-1.0-py3-none-any.whl").rename(repository.index / "away")
    try:
        code, said = repository.setup()
    finally:
        (repository.index / "away").rename(repository.index / "archive-1.0-py3-none-any.whl")
    assert code == 0, said


def test_a_file_with_another_hash_is_refused_and_leaves_the_environment_as_it_was(repository):
    lock = repository.root / "requirements/dev.lock"
    good = lock.read_text()
    lock.write_text(
        wheel(repository.index, "stranger").replace("sha256:", "sha256:0000")[:-5] + "\n"
    )
    code, said = repository.setup()
    assert code == 2
    assert "error: a downloaded file is not the one that the lock names" in said
    assert "hint:" in said
    assert not repository.imports("stranger")
    lock.write_text(good)
    code, said = repository.setup()
    assert code == 0
    assert "anew" not in said


def test_a_package_that_the_index_does_not_have_is_named(repository):
    lock = repository.root / "requirements/dev.lock"
    good = lock.read_text()
    lock.write_text(good + f"missing==1.0 --hash=sha256:{'0' * 64}\n")
    code, said = repository.setup()
    lock.write_text(good)
    assert code == 2
    assert "missing==1.0" in said
    assert "error: the package index does not have a package of the lock" in said


def test_without_a_network_it_says_so(repository):
    lock = repository.root / "requirements/dev.lock"
    good = lock.read_text()
    lock.write_text(good + f"missing==1.0 --hash=sha256:{'0' * 64}\n")
    nobody = "http://127.0.0.1:9/simple"
    code, said = repository.setup(PIP_NO_INDEX="0", PIP_INDEX_URL=nobody, PIP_RETRIES="1")
    lock.write_text(good)
    assert code == 2
    assert "error: the package index cannot be reached" in said


def test_a_broken_environment_is_made_anew(repository):
    python = repository.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    code, said = repository.setup()
    assert code == 0, said
    assert "anew: the one there is broken" in said
    assert repository.imports("library")


def test_two_at_once_do_the_work_once(repository):
    (repository.root / ".venv/provender-ready.json").unlink()
    both = [repository.start(), repository.start()]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("ready in" in text for text in said) == 1


@pytest.mark.parametrize("seconds", [0.3, 1.5] if STRESSED else [1.5])
def test_a_killed_run_is_healed_by_the_next(repository, seconds):
    shutil.rmtree(repository.root / ".venv")
    process = repository.start()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    code, said = repository.setup()
    assert code == 0, said
    assert repository.imports("library")
    assert repository.setup() == (0, "")


def test_an_environment_of_another_folder_is_not_built_upon(repository, environment):
    place = environment.Environment(repository.root)
    assert environment.unusable(place) == ""
    known = place.stamp.read_text()
    place.stamp.write_text(json.dumps({**json.loads(known), "root": "/elsewhere"}))
    assert environment.unusable(place) == "made for another folder"
    place.stamp.write_text(known)


def test_the_environment_of_another_folder_is_left_alone_where_it_is_linked_to(
    tmp_path, environment
):
    others = tmp_path / "others"
    others.mkdir()
    (others / "provender-ready.json").write_text(json.dumps({"root": "/elsewhere"}))
    root = tmp_path / "here"
    (root / ".data").mkdir(parents=True)
    (root / ".venv").symlink_to(others)
    place = environment.Environment(root)
    with (tmp_path / "lock").open("w") as lock:
        environment.make_venv(place, lock)
    assert place.python.exists()
    assert not place.venv.is_symlink()
    assert [file.name for file in others.iterdir()] == ["provender-ready.json"]


def test_a_missing_lock_is_named(tmp_path):
    repository = Repository(tmp_path / "repository")
    (repository.root / "requirements/data.lock").unlink()
    code, said = repository.setup()
    assert code == 2
    assert "requirements/data.lock is missing" in said


def test_a_python_without_venv_is_told_which_package_to_install(environment, monkeypatch):
    monkeypatch.setattr(environment.sys, "prefix", environment.sys.base_prefix)
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(environment.Failure) as caught:
        environment.check_python()
    assert "python3-venv" in caught.value.hint


def test_an_old_python_is_told_what_it_needs(tmp_path):
    script = (
        "import runpy, sys; sys.version_info = (3, 9, 18); sys.argv = ['setup.py']; "
        f"runpy.run_path({str(TOOLS / 'setup.py')!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [base_python(), "-c", script],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Python 3.9 is too old; 3.11 or newer is needed" in done.stderr


@pytest.mark.parametrize(
    ("output", "start"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "a downloaded file is not the one"),
        ("NewConnectionError(...)\nNo matching distribution found", "the package index cannot be"),
        ("ERROR: No matching distribution found for x==1", "the package index does not have"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("OSError: [Errno 30] Read-only file system: '/x'", "a file cannot be written"),
        ("something new", "pip failed, see above"),
    ],
)
def test_what_pip_says_is_explained(environment, output, start):
    message, hint = environment.explain(output)
    assert message.startswith(start)
    assert hint
