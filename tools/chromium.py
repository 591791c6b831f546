"""A browser for the tests of the pages: Debian's chromium, installed where that can be done.

Standard library only. Where packages come from is the machine's own configuration's affair.
Nothing is done where a browser is there; where none can be installed, the one command that does
it is said, and the tests that need a browser are skipped.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

BROWSERS = ("chromium", "chromium-browser")
PACKAGES = ("chromium", "fonts-dejavu-core")
UPDATE = ("apt-get", "update", "-qq")
INSTALL = ("apt-get", "install", "-qq", "-y", "--no-install-recommends", *PACKAGES)
Run = Callable[[tuple[str, ...]], int]


def main() -> int:
    """Return 0: tests can run without a browser, where CI does not insist on one."""
    said = provide(found=shutil.which, run=_run, is_root=os.geteuid() == 0)
    if said:
        sys.stderr.write(f"{said}\n")
    return 0


def provide(*, found: Callable[[str], str | None], run: Run, is_root: bool) -> str:
    """Install a browser if there is none; return what to tell people, nothing if one is there."""
    if any(found(name) for name in BROWSERS):
        return ""
    command = f"{' '.join(UPDATE)} && {' '.join(INSTALL)}"
    if not found("apt-get"):
        return "no chromium: install it, and the tests of the pages in a browser run too"
    if not is_root:
        return f"no chromium; the tests of the pages in a browser need it: sudo sh -c '{command}'"
    sys.stderr.write("installing chromium for the tests of the pages\n")
    if run(UPDATE) or run(INSTALL):
        return f"chromium could not be installed: {command}"
    return ""


def _run(command: tuple[str, ...]) -> int:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
