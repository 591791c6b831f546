"""`make test` and the browser: installed where that can be done, else the one command is said."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module")
def chromium() -> ModuleType:
    spec = importlib.util.spec_from_file_location("chromium", TOOLS / "chromium.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Machine:
    """Which programs there are, and what was run."""

    def __init__(self, *programs: str, fails: str = "") -> None:
        self.programs = programs
        self.fails = fails
        self.ran: list[tuple[str, ...]] = []

    def found(self, name: str) -> str | None:
        return name if name in self.programs else None

    def run(self, command: tuple[str, ...]) -> int:
        self.ran.append(command)
        return int(self.fails in command)


@pytest.mark.parametrize("browser", ["chromium", "chromium-browser"])
def test_nothing_is_done_where_a_browser_is_there(chromium, browser):
    machine = Machine(browser, "apt-get")
    assert chromium.provide(found=machine.found, run=machine.run, is_root=True) == ""
    assert machine.ran == []


def test_root_installs_the_browser_with_a_font(chromium):
    machine = Machine("apt-get")
    assert chromium.provide(found=machine.found, run=machine.run, is_root=True) == ""
    update, install = machine.ran
    assert update[:2] == ("apt-get", "update")
    assert {"chromium", "fonts-dejavu-core", "--no-install-recommends"} <= set(install)


@pytest.mark.parametrize("fails", ["update", "install"])
def test_a_failed_installation_is_said_with_the_command(chromium, fails):
    machine = Machine("apt-get", fails=fails)
    said = chromium.provide(found=machine.found, run=machine.run, is_root=True)
    assert "could not be installed" in said
    assert "apt-get install" in said


def test_who_is_not_root_is_told_the_one_command(chromium):
    machine = Machine("apt-get")
    said = chromium.provide(found=machine.found, run=machine.run, is_root=False)
    assert "sudo sh -c 'apt-get update -qq && apt-get install" in said
    assert machine.ran == []


def test_without_apt_nothing_is_tried(chromium):
    machine = Machine()
    assert "install it" in chromium.provide(found=machine.found, run=machine.run, is_root=True)
    assert machine.ran == []
