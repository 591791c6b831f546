"""The keys of an identity provider: found by discovery, kept, and fetched again when they change.

A fetch is made by one thread for all. Known keys do not wait for it; an unknown one makes another
only now and then, since anybody can invent names of keys.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event, Lock, Thread
from time import monotonic
from typing import Any

from jwt import PyJWK, PyJWTError

from provender.core.errors import ProvenderError, Unauthenticated, Unavailable
from provender.core.reach import origin
from provender.oidc.fetching import Fetch, fetch

log = logging.getLogger(__name__)
DISCOVERY = "/.well-known/openid-configuration"
MOST_KEYS = 100
WAITING = 16
"""Requests that wait for a fetch at a time: all others go on being answered."""

Name = tuple[str, str]
"""A key is called by its id and the algorithm that it is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds: keys are fetched again after ``fresh``, and for an unknown one after ``pause`` at the
    earliest. They go on for ``kept`` after they were fetched, while the provider does not answer.
    A request waits for ``patience`` at most; a fetch that hangs for ``lost`` is given up.
    """

    fresh: float = 300.0
    pause: float = 10.0
    kept: float = 3600.0
    patience: float = 6.0
    lost: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The keys of one fetch, and when it was; never changed."""

    keys: Mapping[Name, PyJWK] = field(default_factory=dict)
    at: float = float("-inf")


@dataclass(slots=True, kw_only=True)
class ProviderKeys:
    """The keys of ``issuer``. Safe to share between threads.

    They lie at ``url``, or where discovery says, if that is on the issuer's own server.
    """

    issuer: str
    url: str = ""
    algorithms: tuple[str, ...]
    pace: Pace = Pace()
    read: Fetch = fetch
    clock: Callable[[], float] = monotonic
    _kept: Kept = field(default_factory=Kept)
    _problem: str = ""
    _tried: float = float("-inf")
    _sought: float = float("-inf")
    _running: Event | None = None
    _lock: Lock = field(default_factory=Lock)
    _waiting: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(WAITING))

    def key(self, identity: str, algorithm: str) -> PyJWK:
        """Return the key that the provider calls ``identity``, for ``algorithm``.

        Raises:
            Unauthenticated: it has no such key.
            Unavailable: it does not say which keys it has.
        """
        name = identity, algorithm
        found = self._known(name)
        if found is not None:
            if self.clock() - self._kept.at >= self.pace.fresh:
                self._begin()
            return found
        for _ in range(2):  # what runs already may have begun before the provider listed the key
            self._wait(self._begin(sought=True))
            found = self._known(name)
            if found is not None:
                return found
        if self._problem or self._is_over():
            raise Unavailable(
                f"it cannot be told whose token that is: {self._problem or 'no keys were fetched yet'}",
                hint="try again in a while; API tokens go on meanwhile",
            )
        raise Unauthenticated(
            f"the token is signed with a key that {self.issuer} does not have",
            hint="get another token from the identity provider",
        )

    def _known(self, name: Name) -> PyJWK | None:
        return None if self._is_over() else self._kept.keys.get(name)

    def _is_over(self) -> bool:
        return self.clock() - self._kept.at >= self.pace.kept

    def _begin(self, *, sought: bool = False) -> Event | None:
        """Return what is set when the fetch that runs now is done; None: none is due.

        One is due where a key is ``sought``, as long as the last one for that is a while ago.
        """
        with self._lock:
            now = self.clock()
            is_running = self._running is not None and now - self._tried < self.pace.lost
            last = self._sought if sought else self._tried
            if not is_running and now - last >= self.pace.pause:
                self._tried, self._sought = now, now if sought else self._sought
                self._running = Event()
                Thread(target=self._renew, args=(self._running,), daemon=True).start()
            return self._running

    def _wait(self, running: Event | None) -> None:
        if running is None:
            return
        done = False
        if self._waiting.acquire(blocking=False):
            try:
                done = running.wait(self.pace.patience)
            finally:
                self._waiting.release()
        if not done:
            raise Unavailable(
                "the keys of the identity provider are being fetched", hint="try again in a second"
            )

    def _renew(self, running: Event) -> None:
        """Fetch the keys; what goes wrong is kept to be told, and said once."""
        problem, began, keys = "", self.clock(), None
        try:
            keys = self._fetched()
        except ProvenderError as error:
            problem = error.message
        except Exception as error:
            problem = f"the keys of {self.issuer} cannot be read: {type(error).__name__}"
            log.exception(problem)
        if problem and problem != self._problem:
            log.warning("%s", problem)
        with self._lock:
            if self._running is running:  # else it was given up, and what it found is old
                self._running, self._problem = None, problem
                self._kept = Kept(keys=keys, at=began) if keys is not None else self._kept
        running.set()

    def _fetched(self) -> dict[Name, PyJWK]:
        listed = self.read(self.url or self._discovered()).get("keys")
        if not isinstance(listed, list):
            raise _not_usable(self.issuer, "it lists no keys")
        usable = [key for one in listed[:MOST_KEYS] if (key := self._usable(one)) is not None]
        return {(str(key.key_id), key.algorithm_name): key for key in usable}

    def _discovered(self) -> str:
        told = self.read(self.issuer.rstrip("/") + DISCOVERY)
        if told.get("issuer") != self.issuer:
            raise _not_usable(self.issuer, "what is told there is of another issuer")
        url = told.get("jwks_uri")
        if not isinstance(url, str) or _origin(url) != origin(self.issuer):
            raise _not_usable(
                self.issuer,
                "its keys lie on another server: set PROVENDER_OIDC_KEYS_URL if they should",
            )
        return url

    def _usable(self, told: Any) -> PyJWK | None:
        """Return the key that ``told`` describes, if tokens may be signed with it."""
        if not isinstance(told, dict) or told.get("use", "sig") != "sig":
            return None
        try:
            key = PyJWK(told)
        except (PyJWTError, ValueError, TypeError):
            return None
        return key if key.algorithm_name in self.algorithms and key.key_id else None


def _origin(url: str) -> tuple[str, str, int] | None:
    try:
        return origin(url)
    except (ValueError, KeyError):
        return None


def _not_usable(issuer: str, why: str) -> Unavailable:
    return Unavailable(f"the keys of {issuer} are not known: {why}")
