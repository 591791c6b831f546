"""Tokens that ``provender login`` keeps: one file, for its owner's eyes only, a token per catalog."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from provender.core.errors import Misconfigured
from provender.hosts import without_password

PRIVATE = 0o600
OTHERS = 0o077


def place() -> Path:
    """Return where the file is: in the user's own folder of settings."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "provender" / "credentials.json"


def token_for(url: str) -> str:
    """Return the token that is kept for the catalog at ``url``; empty if there is none."""
    return _read().get(_key(url), "")


def keep(url: str, token: str) -> Path:
    """Keep ``token`` for the catalog at ``url``; return where."""
    return _write({**_read(), _key(url): token})


def forget(url: str) -> bool:
    """Keep nothing for the catalog at ``url``; return whether there was something."""
    known = _read()
    had = known.pop(_key(url), None)
    if had is not None:
        _write(known)
    return had is not None


def _key(url: str) -> str:
    return without_password(url).rstrip("/")


def _read() -> dict[str, str]:
    path = place()
    try:
        if path.stat().st_mode & OTHERS:
            raise Misconfigured(
                f"{path} holds tokens, and others may read it", hint=f"chmod 600 {path}"
            )
        said = json.loads(path.read_text())
        return {str(url): str(token) for url, token in said.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise Misconfigured(
            f"{path} cannot be read: {type(error).__name__}", hint="provender login writes it anew"
        ) from None


def _write(known: Mapping[str, str]) -> Path:
    """Write the file whole or not at all; nobody else may read it, not even for a moment."""
    path = place()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w") as file:
        json.dump(dict(known), file)
    part.replace(path)
    return path
