"""Keys of an identity provider that changes them, is slow, or is gone; asked over real HTTP."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from provender.asgi import app
from provender.core.claims import Claims
from provender.core.errors import Unauthenticated, Unavailable
from provender.oidc.bearer import Provider
from provender.oidc.keys import Pace, ProviderKeys
from provender.settings import Settings
from tests.api.server import listening
from tests.oidc.issuer import AUDIENCE, Issuer, Key, issuing, key
from tests.stress import times

log = logging.getLogger(__name__)
OLD, NEW, STRANGE = key("old"), key("new"), key("strange")
ALGORITHMS = "RS256", "ES256", "EdDSA"
PACE = Pace()
ROTATIONS = times(3)


@dataclass
class Timer:
    """A clock of seconds that the test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def provider_of(issuer: Issuer, *, clock: Timer | None = None, pace: Pace = PACE) -> Provider:
    keys = ProviderKeys(
        issuer=issuer.url, algorithms=ALGORITHMS, pace=pace, clock=clock or time.monotonic
    )
    return Provider(keys=keys, audience=AUDIENCE, claims=Claims(), leeway=timedelta(seconds=30))


def fetches(issuer: Issuer) -> int:
    return issuer.asked.count("/keys")


def settled(provider: Provider) -> None:
    """Wait until no fetch runs."""
    while (running := provider.keys._running) is not None:
        assert running.wait(10)


def test_a_new_key_is_fetched_when_a_token_names_it_and_an_old_one_is_over_when_withdrawn() -> None:
    timer = Timer()
    with issuing(OLD) as issuer:
        provider = provider_of(issuer, clock=timer)
        assert provider.identify(issuer.token(OLD)).actor == "person:ana"
        issuer.lists(OLD, NEW)
        timer.now += 10
        assert provider.identify(issuer.token(NEW)).actor == "person:ana"
        assert fetches(issuer) == 2
        issuer.lists(NEW)
        timer.now += 299
        assert provider.identify(issuer.token(OLD))  # not asked again yet
        timer.now += 1
        assert provider.identify(issuer.token(OLD))  # asked behind this one's back
        settled(provider)
        with pytest.raises(Unauthenticated, match=r"a key that .* does not have"):
            provider.identify(issuer.token(OLD))
        assert fetches(issuer) == 4


def test_invented_keys_make_no_more_than_one_fetch_in_a_while() -> None:
    timer = Timer()
    with issuing(OLD) as issuer:
        provider = provider_of(issuer, clock=timer)
        provider.identify(issuer.token(OLD))
        for second in range(40):
            for name in range(5):
                token = issuer.token(STRANGE, headers={"kid": f"{second}.{name}"})
                with pytest.raises(Unauthenticated):
                    provider.identify(token)
            timer.now += 1
        assert 1 + 3 <= fetches(issuer) <= 1 + 4


def test_a_key_listed_while_a_fetch_runs_is_found_by_the_next_one() -> None:
    timer = Timer()
    with issuing(OLD) as issuer:
        provider = provider_of(issuer, clock=timer)
        provider.identify(issuer.token(OLD))
        timer.now += 300
        issuer.answers = {"/keys": issuer.answer("/keys")}  # without the new one, a moment longer
        issuer.lists(OLD, NEW)
        issuer.seconds = 0.3
        assert provider.identify(issuer.token(OLD))
        threading.Timer(0.8, issuer.answers.clear).start()
        assert provider.identify(issuer.token(NEW)).actor == "person:ana"


def test_many_at_once_wait_for_one_fetch() -> None:
    with issuing(OLD) as issuer, ThreadPoolExecutor(16) as pool:
        issuer.seconds = 0.2
        provider, token = provider_of(issuer), issuer.token(OLD)
        found = list(pool.map(provider.identify, [token] * 16))
        assert {one.actor for one in found} == {"person:ana"}
        assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_who_has_a_known_key_does_not_wait_for_a_provider_that_hangs() -> None:
    timer = Timer()
    with issuing(OLD) as issuer, ThreadPoolExecutor(40) as pool:
        provider = provider_of(issuer, clock=timer)
        provider.identify(issuer.token(OLD))
        provider.keys.pace = Pace(patience=0.5)
        issuer.seconds, timer.now = 1.5, timer.now + 10
        strange = [issuer.token(STRANGE, headers={"kid": f"{n}"}) for n in range(40)]
        waiting = [pool.submit(provider.identify, token) for token in strange]
        for _ in range(20):
            assert provider.identify(issuer.token(OLD))
        assert provider.keys._running is not None  # all that while nobody answered
        for one in waiting:
            with pytest.raises(Unavailable, match="are being fetched"):
                one.result()
        settled(provider)
        assert fetches(issuer) == 2


def test_known_keys_go_on_while_the_provider_is_down_until_their_end() -> None:
    timer = Timer()
    with issuing(OLD) as issuer:
        provider = provider_of(issuer, clock=timer)
        provider.identify(issuer.token(OLD))
        issuer.answers = {"/keys": (500, {}, b"")}
        timer.now += 3599
        for _ in range(2):
            assert provider.identify(issuer.token(OLD))
            settled(provider)
        with pytest.raises(Unavailable, match=r"whose token that is: .* status 500"):
            provider.identify(issuer.token(NEW))
        timer.now += 1
        with pytest.raises(Unavailable, match="whose token that is"):
            provider.identify(issuer.token(OLD))
        issuer.answers, timer.now = {}, timer.now + 10
        assert provider.identify(issuer.token(OLD))


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/keys", (200, {}, b"[]")),
        ("/keys", (200, {}, b'{"keys": 7}')),
        ("/keys", (200, {}, b'{"keys": [' + b" " * 600_000 + b"]}")),
        ("/keys", (200, {"content-encoding": "gzip"}, b"\x1f\x8b")),
        ("/keys", (200, {}, b"[" * 100_000)),
        ("/.well-known/openid-configuration", (404, {}, b"{}")),
        ("/.well-known/openid-configuration", (200, {}, b'{"issuer": "https://other"}')),
    ],
)
def test_what_is_no_list_of_keys_opens_nothing(
    path: str, answer: tuple[int, dict[str, str], bytes]
) -> None:
    with issuing(OLD) as issuer:
        issuer.answers = {path: answer}
        with pytest.raises(Unavailable):
            provider_of(issuer).identify(issuer.token(OLD))


def test_of_what_is_listed_only_keys_that_may_sign_count() -> None:
    shared = {"kty": "oct", "kid": "old", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}
    with issuing() as issuer:
        issuer.keys = [
            {"kty": "?"}, shared, shared | {"alg": "HS256"}, OLD.jwk | {"use": "enc"}, OLD.jwk | {"x": "!"},
        ]  # fmt: skip
        with pytest.raises(Unauthenticated, match=r"a key that .* does not have"):
            provider_of(issuer).identify(issuer.token(OLD))


def test_the_server_answers_503_and_says_why_and_api_tokens_go_on(tmp_path: Path) -> None:
    with issuing(OLD) as issuer:
        issuer.answers = {"/keys": (500, {}, b"")}
        chosen = Settings(
            home=tmp_path, mode="governed", oidc_issuer=issuer.url, oidc_audience=AUDIENCE
        )
        with listening(app(chosen)) as address:
            bearer = {"authorization": f"Bearer {issuer.token(OLD)}"}
            answer = httpx.get(f"{address}/api/v1/actor", headers=bearer)
            assert answer.status_code == 503
            assert "status 500" in answer.json()["error"]["message"]
            ours = {"authorization": "Bearer pvd_" + "a" * 43}
            assert httpx.get(f"{address}/api/v1/actor", headers=ours).status_code == 401


@dataclass
class Askers:
    """Requests that go on, each with a token of the key that the provider signs with now."""

    address: str
    issuer: Issuer
    signs: list[Key] = field(default_factory=lambda: [OLD])
    answers: list[int] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def go_on(self) -> None:
        with httpx.Client(base_url=self.address) as client:
            while not self.over.is_set():
                token = self.issuer.token(self.signs[-1])
                bearer = {"authorization": f"Bearer {token}"}
                self.answers.append(client.get("/api/v1/actor", headers=bearer).status_code)


def test_keys_rotate_while_requests_run_and_nobody_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Pace(pause=0.1, fresh=0.5)
    with issuing(OLD) as issuer:
        provider = provider_of(issuer, pace=quick)
        monkeypatch.setattr("provender.bootstrap.identity_provider", lambda _: provider)
        with listening(app(Settings(home=tmp_path, mode="governed"))) as address:
            askers = Askers(address, issuer)
            threads = [threading.Thread(target=askers.go_on) for _ in range(4)]
            for thread in threads:
                thread.start()
            for number in range(ROTATIONS):
                new = key(f"key {number}", "RS256" if number % 3 == 2 else "ES256")
                issuer.lists(new, *askers.signs[-4:])
                askers.signs.append(new)
                rotated, before = time.monotonic(), len(askers.answers)
                while len(askers.answers) < before + 12 or time.monotonic() < rotated + 0.3:
                    time.sleep(0.01)
            askers.over.set()
            for thread in threads:
                thread.join()
    assert set(askers.answers) == {200}
    assert len(askers.answers) >= 12 * ROTATIONS
    told = ROTATIONS, len(askers.answers), fetches(issuer)
    log.info("%d rotations, %d requests, %d fetches", *told)
