"""The Java that Spark needs: found where people have it, or an error that says how to get it."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from provender.core.errors import Unavailable

VERSIONS = (17, 21)
PLACES = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "/opt/java/*",
    "/opt/*j[dr][ke]*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk@*/libexec/openjdk.jdk/Contents/Home",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
)
HINT = (
    "install a Java of that version (Debian: apt install openjdk-17-jre-headless; "
    "macOS: brew install openjdk@17) or name one: JAVA_HOME=…"
)
VERSION = re.compile(r'version "(?:1\.)?(\d+)')
ANSWER_SECONDS = 20


def find_java(environment: Mapping[str, str], places: Sequence[str] = PLACES) -> Path:
    """Return the home of the first Java 17 or 21: of JAVA_HOME, on the PATH, in the usual ``places``.

    Raises:
        Unavailable: there is none; those of other versions are named.
    """
    others: list[str] = []
    for home in dict.fromkeys(_homes(environment, places)):
        version = java_version(home)
        if version in VERSIONS:
            return home
        others.append(f"{home} is {f'version {version}' if version else 'no Java that runs'}")
    found = f" ({'; '.join(others)})" if others else ""
    raise Unavailable(
        f"Spark runs on Java {' or '.join(map(str, VERSIONS))}, and there is none here{found}",
        hint=HINT,
    )


def java_version(home: Path) -> int | None:
    """Return the version of the Java in ``home``, such as 17; None if it does not say one."""
    try:
        said = subprocess.run(  # noqa: S603 - the Java that the user has installed
            [home / "bin" / "java", "-version"],
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = VERSION.search(said.stderr)
    return int(match[1]) if match else None


def _homes(environment: Mapping[str, str], places: Sequence[str]) -> Iterator[Path]:
    if named := environment.get("JAVA_HOME"):
        yield Path(named).resolve()
    for folder in environment.get("PATH", "").split(os.pathsep):
        java = Path(folder) / "java"
        if folder and java.is_file():
            yield java.resolve().parent.parent
    for place in places:
        pattern = Path(place).expanduser()
        for home in sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))):
            if (home / "bin" / "java").is_file():
                yield home.resolve()
