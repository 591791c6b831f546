"""Make the working environment; called by every make target, done in a moment when nothing changed.

This file runs on any Python, so that one that is too old is told so in words; the work is in
environment.py.
"""

import shutil
import subprocess
import sys

OLDEST = (3, 11)
NEWEST = (3, 14)


def newer_python():
    """Return the path of a Python on this machine that is new enough, or None."""
    which = getattr(shutil, "which", lambda name: None)
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        path = which("python3.%d" % minor)  # noqa: UP031 - old Pythons read this line
        if path and subprocess.call([path, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return path
    return None


def main():
    """Hand over to environment.py under a Python that can run it."""
    if sys.version_info < OLDEST:
        path = newer_python()
        if path is None:
            sys.stderr.write(
                "error: Python %d.%d is too old; 3.11 or newer is needed\n"  # noqa: UP031
                " hint: install it (Debian, Ubuntu: apt-get install python3.11 python3.11-venv),"
                " then: make PYTHON=python3.11\n" % sys.version_info[:2]
            )
            return 2
        return subprocess.call([path] + sys.argv)  # noqa: RUF005 - Python 2 reads this line too
    import environment

    return environment.main()


if __name__ == "__main__":
    sys.exit(main())
