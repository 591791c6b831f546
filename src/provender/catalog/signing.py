"""The keys that checkpoints of the audit trail are signed with: Ed25519, in files beside no database.

A folder has ``<id>.key`` (private, readable by its owner only, 64 hex digits), ``<id>.pub``
(public, likewise) and ``current``, the id of the one that signs. A key that was replaced leaves
its public half: what it signed can be checked for ever, and nothing more be signed.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from provender.core import erasure as erasures
from provender.core.checkpoints import Checkpoint, key_id, signed, statement
from provender.core.erasure import Erasure
from provender.core.errors import Misconfigured
from provender.core.trail import Signed

CURRENT = "current"
PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Signer:
    """One key that signs."""

    id: str
    secret: Ed25519PrivateKey

    def sign(self, checkpoint: Checkpoint) -> Checkpoint:
        """Return the checkpoint, signed; its ``key`` must be this one."""
        return signed(checkpoint, self.secret.sign(statement(checkpoint)))

    def attest(self, erasure: Erasure) -> Erasure:
        """Return the erasure as it is now, signed."""
        said = replace(erasure, signed_by=self.id, signature="")
        return replace(said, signature=self.secret.sign(erasures.statement(said)).hex())


@dataclass(frozen=True, slots=True)
class Keys:
    """A folder of keys. Nothing is made before somebody signs; with ``makes`` a first key is, then."""

    folder: Path
    makes: bool = True

    def signer(self) -> Signer:
        """Return the key that signs now.

        Raises:
            Misconfigured: there is none and none is to be made, or others can read it.
        """
        with self._explained():
            if not (self.folder / CURRENT).exists():
                if not self.makes:
                    raise Misconfigured(
                        f"there is no key in {self.folder} to sign the audit trail with",
                        hint="make one: provender audit rotate-key",
                    )
                self._make(first=True)
            return self._read((self.folder / CURRENT).read_text().strip())

    def rotate(self) -> str:
        """Make a new key, sign with it from now on, forget the old private one; return its id."""
        with self._explained():
            made = self._make(first=False)
            for old in self.folder.glob("*.key"):
                if old.stem != made:
                    old.unlink()
            return made

    def public(self) -> dict[str, bytes]:
        """Return every public key that there ever was, by its id."""
        with self._explained():
            found = [bytes.fromhex(path.read_text()) for path in sorted(self.folder.glob("*.pub"))]
        return {key_id(public): public for public in found}

    def trust(self, public: Iterable[bytes]) -> None:
        """Believe what was signed with keys of another folder, too; sign with none of them."""
        with self._explained():
            self._prepare()
            for key in public:
                path = self.folder / f"{key_id(key)}.pub"
                if not path.exists():
                    Ed25519PublicKey.from_public_bytes(key)
                    _write(path, key.hex())

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _make(self, *, first: bool) -> str:
        self._prepare()
        with _alone(self.folder):
            if first and (self.folder / CURRENT).exists():  # another process was first
                return (self.folder / CURRENT).read_text().strip()
            secret = Ed25519PrivateKey.generate()
            public = secret.public_key().public_bytes_raw()
            made = key_id(public)
            _write(self.folder / f"{made}.key", secret.private_bytes_raw().hex())
            _write(self.folder / f"{made}.pub", public.hex())
            _write(self.folder / CURRENT, made)
            return made

    def _read(self, identity: str) -> Signer:
        path = self.folder / f"{identity}.key"
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Misconfigured(
                f"others can read {path}, which signs the audit trail",
                hint=f"run chmod 600 {path}, then provender audit rotate-key",
            )
        return Signer(
            identity, Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text()))
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise Misconfigured(
                f"the keys of the audit trail in {self.folder} cannot be used: {error}",
                hint="restore the folder, or make it writable and run provender audit rotate-key",
            ) from error


def signed_by(public: dict[str, bytes]) -> Signed:
    """Return what says whether a checkpoint is signed by one of the keys ``public``."""
    known = {name: Ed25519PublicKey.from_public_bytes(key) for name, key in public.items()}

    def is_signed(checkpoint: Checkpoint) -> bool:
        return _holds(known.get(checkpoint.key), checkpoint.signature, statement(checkpoint))

    return is_signed


def is_attested(erasure: Erasure, public: dict[str, bytes]) -> bool:
    """Return whether an erasure is signed by one of the keys ``public``, as it is."""
    found = public.get(erasure.signed_by)
    key = found and Ed25519PublicKey.from_public_bytes(found)
    return _holds(key or None, erasure.signature, erasures.statement(erasure))


def _holds(key: Ed25519PublicKey | None, signature: str, said: bytes) -> bool:
    if key is None:
        return False
    try:
        key.verify(bytes.fromhex(signature), said)
    except (InvalidSignature, ValueError):
        return False
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else makes a key there."""
    import fcntl  # not where there is no such lock

    opened = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(opened, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
