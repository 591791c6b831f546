"""Bearer tokens of an identity provider, sent to a real server: who is let in, and who is not."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from sqlalchemy import create_engine, text

from provender.asgi import app
from provender.bootstrap import identity_provider
from provender.core.errors import Misconfigured
from provender.settings import Settings, read_settings
from tests.api.server import listening
from tests.oidc.issuer import AUDIENCE, Issuer, issuing, key


def now() -> int:
    """Return the second that a token is made in."""
    return int(time.time())


EC, RSA, ED, OTHER = key("ec"), key("rsa", "RS256"), key("ed", "EdDSA"), key("other")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing(EC, RSA, ED) as found:
        yield found


@pytest.fixture(scope="module")
def server(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with listening(app(settings(issuer, tmp_path_factory.mktemp("home")))) as address:
        yield address


def settings(issuer: Issuer, home: Path, **more: Any) -> Settings:
    return Settings(
        home=home, mode="governed", oidc_issuer=issuer.url, oidc_audience=AUDIENCE, **more
    )


def ask(server: str, token: str, path: str = "/api/v1/actor") -> httpx.Response:
    return httpx.get(server + path, headers={"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("by", [EC, RSA, ED], ids=lambda one: one.algorithm)
def test_a_token_of_the_provider_says_who_asks(server: str, issuer: Issuer, by: Any) -> None:
    answer = ask(server, issuer.token(by, aud=["other", AUDIENCE], nbf=now() - 5))
    assert (answer.status_code, answer.json()["id"]) == (200, "person:ana")
    assert ask(server, issuer.token(by), "/").status_code == 200


def hand_made(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def signed_by_the_public_key(issuer: Issuer) -> str:
    """What takes the listed key for a shared secret."""
    from cryptography.hazmat.primitives import serialization as forms
    from jwt.algorithms import HMACAlgorithm

    public = RSA.private.public_key().public_bytes(
        forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo
    )
    signed = hand_made({"alg": "HS256", "kid": "rsa"}, claims(issuer)).rpartition(".")[0]
    made = HMACAlgorithm(HMACAlgorithm.SHA256).sign(signed.encode(), public)
    return f"{signed}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def claims(issuer: Issuer) -> dict[str, Any]:
    return {"iss": issuer.url, "aud": AUDIENCE, "sub": "ana", "iat": now(), "exp": now() + 300}


def turned(token: str) -> str:
    """The same token with another person in it."""
    head, body, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(body + "=="))
    other = base64.urlsafe_b64encode(json.dumps(said | {"sub": "gov"}).encode()).rstrip(b"=")
    return f"{head}.{other.decode()}.{signature}"


PUBLIC = OTHER.jwk
WRONG: dict[str, Any] = {
    "no algorithm": lambda i: hand_made({"alg": "none", "kid": "ec"}, claims(i)),
    "an algorithm called None": lambda i: hand_made({"alg": "None", "kid": "ec"}, claims(i)),
    "the public key as a secret": signed_by_the_public_key,
    "another algorithm than the key's": lambda i: jwt.encode(
        claims(i), RSA.private, algorithm="PS256", headers={"kid": "rsa"}
    ),
    "an algorithm of another key": lambda i: i.token(EC, headers={"kid": "rsa"}),
    "another signer": lambda i: i.token(OTHER, headers={"kid": "ec"}),
    "changed": lambda i: turned(i.token(EC)),
    "cut": lambda i: i.token(EC)[:-4],
    "no signature": lambda i: i.token(EC).rpartition(".")[0] + ".",
    "another issuer": lambda i: i.token(EC, iss=i.url + "/"),
    "no issuer": lambda i: i.token(EC, iss=None),
    "another audience": lambda i: i.token(EC, aud="account"),
    "a part of the audience": lambda i: i.token(EC, aud=AUDIENCE[:4]),
    "no audience": lambda i: i.token(EC, aud=None),
    "no end": lambda i: i.token(EC, exp=None),
    "over": lambda i: i.token(EC, exp=now() - 60),
    "an end that is no number": lambda i: i.token(EC, exp="never"),
    "an endless end": lambda i: i.token(EC, exp=float("inf")),
    "an end after all ends": lambda i: i.token(EC, exp=float("nan")),
    "not yet": lambda i: i.token(EC, nbf=int(time.time()) + 90),
    "of the future": lambda i: i.token(EC, iat=int(time.time()) + 90),
    "no beginning": lambda i: i.token(EC, iat=None),
    "an unknown key": lambda i: i.token(OTHER),
    "no key": lambda i: i.token(EC, headers={"kid": ""}),
    "a key that is no text": lambda i: hand_made({"alg": "ES256", "kid": 7}, claims(i)),
    "its own key": lambda i: i.token(OTHER, headers={"jwk": PUBLIC, "kid": "ec"}),
    "its own key, well signed": lambda i: i.token(EC, headers={"jwk": PUBLIC}),
    "its own address of keys": lambda i: i.token(OTHER, headers={"jku": f"{i.url}/mine"}),
    "its own certificate": lambda i: i.token(EC, headers={"x5u": f"{i.url}/mine"}),
    "a meaning of its own": lambda i: i.token(EC, headers={"crit": ["exp"]}),
    "another kind": lambda i: i.token(EC, headers={"typ": "logout+jwt"}),
    "too long": lambda i: i.token(EC, more="x" * 9000),
    "a name that nobody can have": lambda i: i.token(EC, sub="Ana Lima"),
    "a name with an office": lambda i: i.token(EC, sub="ana,team:ops"),
    "no name": lambda i: i.token(EC, sub=None),
    "a name that is no text": lambda i: i.token(EC, sub=["ana"]),
    "nested too deep": lambda i: f"{base64.b64encode(b'[' * 5400).decode()}.e30.e30",
    "not even that": lambda i: "a.b.c",
    "nothing": lambda i: "...",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_the_provider_did_not_give_out_for_us_lets_nobody_in(
    server: str, issuer: Issuer, wrong: str
) -> None:
    token = WRONG[wrong](issuer)
    for path in ("/api/v1/actor", "/index.json"):
        answer = ask(server, token, path)
        assert answer.status_code == 401, answer.text
        assert token[:40] not in answer.text
    assert "/mine" not in issuer.asked


def test_two_tokens_are_none(server: str, issuer: Issuer) -> None:
    token = f"Bearer {issuer.token(EC)}"
    twice = [("authorization", token), ("authorization", token)]
    assert httpx.get(f"{server}/api/v1/actor", headers=twice).status_code == 401


def test_clocks_may_differ_by_the_leeway_and_no_more(server: str, issuer: Issuer) -> None:
    now = int(time.time())
    within = {"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}
    assert {ask(server, issuer.token(EC, **one)).status_code for one in within} == {200}
    beyond = {"exp": now - 32}, {"nbf": now + 60}, {"iat": now + 60}
    assert {ask(server, issuer.token(EC, **one)).status_code for one in beyond} == {401}


def test_api_tokens_go_on_beside_it_and_a_token_made_with_one_lasts_no_longer(
    server: str, issuer: Issuer
) -> None:
    bearer = {"authorization": f"Bearer {issuer.token(EC)}"}
    made = httpx.post(f"{server}/api/v1/tokens", headers=bearer, json={"name": "x"}).json()
    assert ask(server, made["secret"]).json()["id"] == "person:ana"
    assert made["token"]["until"] < time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now() + 400))
    longer = {"name": "x", "until": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now() + 4000))}
    assert httpx.post(f"{server}/api/v1/tokens", headers=bearer, json=longer).status_code == 403


def test_the_audit_trail_says_how_it_is_known_and_holds_no_token(
    issuer: Issuer, tmp_path: Path
) -> None:
    chosen, token = settings(issuer, tmp_path), issuer.token(EC)
    with listening(app(chosen)) as address:
        headers = {"authorization": f"Bearer {token}"}
        made = httpx.post(f"{address}/api/v1/tokens", headers=headers, json={"name": "x"})
        column = {"dataset": "no.such", "column": "x"}
        wanted = {"action": "read", "columns": [column], "purpose": ""}
        assert httpx.post(f"{address}/api/v1/permits", headers=headers, json=wanted).is_error
        headers = {"authorization": f"Bearer {made.json()['secret']}"}
        httpx.post(f"{address}/api/v1/tokens", headers=headers, json={"name": "y"})
    engine = create_engine(chosen.database_url)
    with engine.connect() as db:
        rows = db.execute(text("SELECT kind, actor, detail FROM audit_events ORDER BY sequence"))
        events = [(row.kind, row.actor, json.loads(row.detail).get("how")) for row in rows]
    engine.dispose()
    assert events == [
        ("token:create", "person:ana", "oidc"),
        ("access:deny", "person:ana", "oidc"),
        ("token:create", "person:ana", None),
    ]
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert token.encode() not in everything
    assert token.split(".")[2].encode() not in everything


def test_a_groups_claim_puts_into_teams_and_a_purpose_claim_narrows(
    issuer: Issuer, tmp_path: Path
) -> None:
    chosen = settings(
        issuer, tmp_path, oidc_teams_claim="groups", oidc_purpose_claim="use",
        oidc_actor_claim="email", oidc_domain="example.org",
    )  # fmt: skip
    said = {"email": "Ana@example.org", "email_verified": True, "use": "report"}
    with listening(app(chosen)) as address:
        token = issuer.token(EC, groups=["/ops", "Not A Team", 7], **said)
        told = ask(address, token).json()
        assert (told["id"], told["teams"]) == ("person:ana", ["team:ops"])
        assert told["limits"]["purpose"] == "report"
        for wrong in ({"use": None}, {"email_verified": False}, {"email": "ana@example.com"}):
            assert ask(address, issuer.token(EC, **said | wrong)).status_code == 401


def test_settings_name_one_audience_and_no_symmetric_algorithm(
    issuer: Issuer, tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured, match=r"tokens of .* for anybody"):
        app(Settings(home=tmp_path, mode="governed", oidc_issuer=issuer.url))
    for variable, wrong in {
        "ALGORITHMS": "RS256,HS256",
        "ISSUER": "http://login.example.org",
        "KEYS_URL": "file:///etc/passwd",
        "LEEWAY": "3600",
    }.items():
        with pytest.raises(Misconfigured, match=f"PROVENDER_OIDC_{variable}"):
            read_settings({f"PROVENDER_OIDC_{variable}": wrong})
    one = read_settings({"PROVENDER_OIDC_ALGORITHMS": "ES256, EdDSA"})
    assert one.oidc_algorithms == ("ES256", "EdDSA")
    assert identity_provider(one) is None
