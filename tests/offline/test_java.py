"""Where Java is looked for; the Javas here are programs that only say their version."""

from pathlib import Path

import pytest

from provender.core.errors import Unavailable
from provender.offline.java import find_java


def installed(home: Path, version: str) -> Path:
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    return home


def test_the_java_of_java_home_comes_first_then_the_paths_then_the_usual_places(tmp_path):
    named = installed(tmp_path / "named", "17.0.15")
    on_path = installed(tmp_path / "path", "21.0.2")
    usual = installed(tmp_path / "usual" / "jdk-17", "17.0.1")
    environment = {"JAVA_HOME": str(named), "PATH": f"/nowhere:{on_path / 'bin'}"}
    places = (str(tmp_path / "usual" / "*"),)
    assert find_java(environment, places) == named
    assert find_java({"PATH": environment["PATH"]}, places) == on_path
    assert find_java({}, places) == usual


def test_a_java_on_the_path_is_found_behind_its_links(tmp_path):
    home = installed(tmp_path / "jdk", "17")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")
    assert find_java({"PATH": str(tmp_path / "bin")}, ()) == home


def test_javas_that_do_not_fit_are_passed_over(tmp_path):
    installed(tmp_path / "a", "25.0.3")
    installed(tmp_path / "b", "1.8.0_412")
    fits = installed(tmp_path / "c", "21")
    assert find_java({"JAVA_HOME": str(tmp_path / "a")}, (str(tmp_path / "*"),)) == fits


def test_without_a_java_that_fits_the_error_says_what_there_is_and_how_to_get_one(tmp_path):
    newer = installed(tmp_path / "jdk-25", "25.0.3")
    broken = tmp_path / "broken"
    environment = {"JAVA_HOME": str(broken), "PATH": ""}
    with pytest.raises(Unavailable, match="Java 17 or 21, and there is none here") as refused:
        find_java(environment, (str(tmp_path / "jdk*"),))
    assert f"{newer} is version 25" in refused.value.message
    assert f"{broken} is no Java that runs" in refused.value.message
    assert "JAVA_HOME" in refused.value.hint
    with pytest.raises(Unavailable, match=r"none here\n"):
        find_java({}, ())
