"""The secrets by which entity ids are hashed, one per project: they never leave the process.

A secret is what ``PROVENDER_ENTITY_SECRET`` holds, or the file ``secrets/<project>.key`` of the
state folder, readable by its owner only, which is made when a project needs one first.
"""

import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from provender.core.digest import keyed
from provender.core.errors import Misconfigured

HASHED = "hashed"
SECRET_BYTES = 32
ID_DIGITS = 8


class Keyring:
    """Finds the secrets of projects: by the environment, unless it is told where they are."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._folder: Path | None = None
        self._given = ""

    def __repr__(self) -> str:
        return f"Keyring({self._folder or 'environment'})"

    def look_in(self, folder: Path, given: str = "") -> None:
        """Look in ``folder`` from now on; ``given`` is the secret that goes before its files."""
        self._folder, self._given = folder, given

    def secret(self, project: str) -> bytes:
        """Return the project's secret; make one if there is none.

        Raises:
            Misconfigured: its file cannot be read or made, or others can read it.
        """
        given = self._given or self._environment.get("PROVENDER_ENTITY_SECRET", "")
        if given:
            return keyed(given.encode(), b"project\0" + project.encode())
        home = Path(self._environment.get("PROVENDER_HOME") or ".provender")
        path = (self._folder or home / "secrets") / f"{quote(project, safe='')}.key"
        try:
            if not path.exists():
                _make(path)
            return _read(path)
        except OSError as error:
            raise Misconfigured(
                f"the secret of project {project} cannot be kept in {path}: {error.strerror}",
                hint="set PROVENDER_ENTITY_SECRET, or make the folder writable",
            ) from None

    def key_id(self, project: str) -> str:
        """Return 8 hex digits that tell the project's secret from another one, and nothing of it."""
        return keyed(self.secret(project), b"key id").hex()[:ID_DIGITS]


KEYRING = Keyring()
"""That of the process."""


def _make(path: Path) -> None:
    """Make a secret; if another process was first, leave its own."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")  # for its owner only
    made = Path(name)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_hex(SECRET_BYTES))
        try:
            os.link(made, path)
        except FileExistsError:
            return
    finally:
        made.unlink()


def _read(path: Path) -> bytes:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Misconfigured(
            f"others can read the secret {path}",
            hint=f"run chmod 600 {path}, and think of a new one",
        )
    try:
        secret = bytes.fromhex(path.read_text().strip())
    except ValueError:
        secret = b""
    if len(secret) < SECRET_BYTES:
        raise Misconfigured(
            f"{path} holds no secret of {SECRET_BYTES} bytes in hexadecimal digits",
            hint="restore it: with another one no stored row is found",
        )
    return secret
