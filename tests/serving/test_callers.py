"""A governed online server: whoever asks needs a token, and is served what its actor may.

The whole stack as a user starts it, on both databases; the steward and who governs are this process.
"""

import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from provender.catalog.local import LocalCatalog
from provender.core.effects import Effect
from provender.core.errors import Misconfigured
from provender.core.features import ServiceSpec
from provender.core.limits import Limits
from provender.core.names import FeatureRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.serving import SERVER
from provender.core.tags import Tag
from provender.online.columns import ColumnEncoder
from provender.online.embedded import EmbeddedServer, embedded_server
from provender.online.store import OnlineStore
from provender.serving.server import application
from tests.catalog.conftest import blank_template
from tests.online.views import covering
from tests.postgres import database, postgres
from tests.serving.governed import (
    GOVERNANCE,
    ORDERS,
    PROJECT,
    PUBLIC,
    REPO,
    T0,
    VERSION,
    serving,
)
from tests.stress import times

__all__ = ["blank_template", "postgres"]
log = logging.getLogger(__name__)
REVOKES = times(2)
ALLOWED = 1.0
"""Seconds after a revoke was acknowledged in which an answer may still be on its way."""
SHOP, BLIND, WRITER = "service:shop", "service:blind", "service:writer"
KNOWN = ("person:gov", "person:sam", SERVER, SHOP, WRITER)
GRADED = "f09"
"""A feature of which the shop gets a part."""
SERVE = Limits(actions=("serve",))
WORLD = replace(
    GOVERNANCE,
    people=(*GOVERNANCE.people, *(Person(id=one) for one in (SHOP, BLIND, WRITER))),
    purposes={"serving": "Serve.", "marketing": "Sell."},
    tags=(*GOVERNANCE.tags, Tag(name="grade", protected=True)),
    datasets=tuple(
        replace(one, column_tags={**one.column_tags, GRADED: ("grade",)})
        for one in GOVERNANCE.datasets
    ),
    rules=(
        *(rule for rule in GOVERNANCE.rules if rule.id == "gov"),
        Rule(id="public", actors=KNOWN, actions=(Action.SERVE,)),
        Rule(id="known", actors=KNOWN, actions=(Action.DISCOVER,)),
        Rule(
            id="graded",
            actors=(SHOP,),
            actions=(Action.SERVE,),
            tags=("grade",),
            effect=Effect.MASK,
            mask="constant(0)",
        ),
        Rule(id="write", actors=(SERVER, WRITER), actions=(Action.PUBLISH,)),
    ),
)
SHOPS = replace(
    REPO,
    views=tuple(replace(view, push_sources=("orders_push",)) for view in REPO.views),
    services=(ServiceSpec(name="model", features=(FeatureRef("orders", "f00"),)),),
)
GRANTED = {SERVER: ("f00", "f01", "f03", GRADED), SHOP: ("f00", "f02"), WRITER: (GRADED,)}


@dataclass
class Stack:
    """A running server, and the catalog behind it as who governs."""

    address: str
    gov: LocalCatalog
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, actor: str, limits: Limits = SERVE, **more: Any) -> str:
        return self.gov.keyring.create("test", actor=actor, limits=limits, **more).secret

    def lookup(self, token: str, *features: str, service: str = "") -> tuple[int, Any]:
        names = [f if ":" in f else f"orders:{f}" for f in features]
        asked = {"feature_service": service} if service else {"features": names}
        return self.post(token, "/get-online-features", asked | {"entities": {"id": [1]}})

    def post(self, token: str, path: str, body: Any) -> tuple[int, Any]:
        status, _, text = self.send("POST", path, f"Bearer {token}", body=json.dumps(body))
        told = json.loads(text) if text else None
        return status, json.loads(told)["message"] if isinstance(told, str) else told

    def send(self, method: str, path: str, *tokens: str, body: str = "{}") -> tuple[int, Any, str]:
        """Ask with as many Authorization headers as there are ``tokens``."""
        parts = urlsplit(self.address)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        connection.putrequest(method, path)
        for token in tokens:
            connection.putheader("Authorization", token)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body.encode())
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read().decode()
        connection.close()
        return found

    def until(self, holds: Callable[[], bool], seconds: float = 15.0) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    home: Path = tmp_path_factory.mktemp("governed")
    with ExitStack() as opened:
        url = f"sqlite:///{home / 'catalog.db'}"
        if request.param == "postgresql":
            dsn, blank = map(request.getfixturevalue, ("postgres", "blank_template"))
            url = opened.enter_context(database(dsn, like=blank))
        yield opened.enter_context(governing(home, url))


@contextmanager
def governing(home: Path, url: str) -> Iterator[Stack]:
    """A governed server over a filled catalog at ``url``, and tokens of all kinds."""
    with ExitStack() as opened:
        valkey: EmbeddedServer = opened.enter_context(embedded_server(home / "valkey"))
        fill(url, valkey.url)
        gov = opened.enter_context(LocalCatalog(url, actor="person:gov"))
        made = Stack("", gov)
        made.tokens = {one: made.token(one) for one in (SHOP, BLIND)}
        writes = Limits(actions=("serve", "publish"))
        made.tokens[WRITER] = made.token(WRITER, writes)
        made.tokens["marketing"] = made.token(SHOP, Limits(actions=("serve",), purpose="marketing"))
        made.tokens["everything"] = made.token(SHOP, Limits())
        made.tokens["reading"] = made.token(SHOP, Limits(actions=("read",)))
        made.tokens["elsewhere"] = made.token(SHOP, Limits(actions=("serve",), project="other"))
        made.tokens["blind writer"] = made.token(BLIND, writes)
        made.address = opened.enter_context(serving(home, url, valkey.url, mode="governed"))
        yield made


def fill(url: str, redis: str) -> None:
    """A catalog of `WORLD` with its grants, applied, and one row online."""
    with LocalCatalog(url, actor="person:gov") as gov, OnlineStore(redis) as store:
        gov.desk.apply(WORLD)
        gov.publish(ORDERS, VERSION)
        gov.record(SHOPS)
        sam = gov.as_actor("person:sam")
        for grantee, columns in GRANTED.items():
            sam.records.grant(ORDERS, grantee=grantee, action=Action.SERVE, columns=columns)
        sam.records.grant(
            ORDERS, grantee=SHOP, action=Action.SERVE, columns=("f03",), purposes=("marketing",)
        )
        gov.record(SHOPS)
        served = gov.records.serving_manifest(PROJECT)
        store.publish_manifest(served)
        [view] = served.views
        row: dict[str, list[Any]] = {feature.name: [7] for feature in view.columns}
        store.write(ColumnEncoder(PROJECT, view).encode({"id": [1], **row, "at": [T0]}))
        store.keep_coverage(PROJECT, view.name, covering(view))


def test_without_a_token_for_serving_nobody_is_answered(stack: Stack) -> None:
    good = f"Bearer {stack.tokens[SHOP]}"
    wrong = {
        "none": [], "empty": [""], "another scheme": ["Basic eDp5"], "unknown": ["Bearer pvd_" + "a" * 43],
        "a name": [f"Bearer {SHOP}"], "cut": [good[:-1]], "longer": [good + "a"], "spaced": [good + " x"],
        "for everything": [f"Bearer {stack.tokens['everything']}"],
        "for reading": [f"Bearer {stack.tokens['reading']}"],
        "of another project": [f"Bearer {stack.tokens['elsewhere']}"],
    }  # fmt: skip
    for said, tokens in wrong.items():
        for path in (
            "/get-online-features",
            "/push",
            "/write-to-online-store",
            "/materialize",
            "/search",
        ):
            status, headers, text = stack.send("POST", path, *tokens, body="not even JSON")
            assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="provender"'), said
            assert not [token for token in stack.tokens.values() if token in text]
        assert stack.send("GET", "/openapi.json", *tokens)[0] == 401
    assert stack.send("POST", "/get-online-features", good, good)[0] == 400
    for path in ("/health", "/ready", "/metrics"):
        status, _, text = stack.send("GET", path)
        assert (status, "f00" in text) == (200, False)
        assert tempfile.gettempdir() not in text
        assert ".sock" not in text
    assert stack.send("GET", "/health")[2] == stack.send("GET", "/health", f"{good}x")[2]
    told = json.loads(stack.send("GET", "/health", good)[2])
    assert json.loads(stack.send("GET", "/health")[2]) == {"status": told["status"]}
    parts = ("catalog", "policy", "snapshot", "store")
    assert told == {"status": told["status"], **{part: {"ok": told[part]["ok"]} for part in parts}}
    assert all(told[part]["ok"] for part in parts[1:]), "a token is told words, no place or digest"
    assert stack.send("POST", "/get-online-features", good.replace("Bearer", "bearer "))[0] == 422
    status, _, text = stack.send("GET", "/openapi.json", good)
    assert (status, "f00" in text, "securitySchemes" in text) == (200, False, True)


def test_each_token_is_served_what_its_actor_and_the_server_may(stack: Stack) -> None:
    shop = stack.tokens[SHOP]
    assert stack.lookup(shop, "f00", PUBLIC)[0] == 200
    assert stack.lookup(shop, service="model")[1]["results"][-1]["values"] == [7]
    for feature, who in {"f01": SHOP, "f02": SERVER, "f03": SHOP}.items():
        status, said = stack.lookup(shop, "f00", feature)
        assert status == 403
        assert f"orders:{feature} is closed for serving: {who} may not serve" in said
        asks = f"--for {who} --action serve --columns {feature} --purpose serving --reason …"
        assert (
            f"hint: person:sam can grant it; ask: provender access request shop.orders {asks}"
            in said
        )
    assert stack.lookup(stack.tokens[WRITER], PUBLIC)[0] == 200
    assert stack.lookup(stack.tokens[WRITER], "f00")[0] == 403


def test_what_a_tokens_actor_gets_a_part_of_is_masked_for_them_alone(stack: Stack) -> None:
    for actor, value in {SHOP: 0, WRITER: 7, "again": 0}.items():
        status, said = stack.lookup(stack.tokens.get(actor, stack.tokens[SHOP]), GRADED)
        assert (status, said["results"][-1]["values"]) == (200, [value]), actor


def test_a_token_is_served_for_its_purpose_and_no_other(stack: Stack) -> None:
    marketing = stack.tokens["marketing"]
    assert stack.lookup(marketing, "f03")[0] == 200
    assert stack.lookup(stack.tokens[SHOP], "f03")[0] == 403


def test_what_may_not_be_known_of_is_answered_as_what_is_not_there(stack: Stack) -> None:
    blind, writer = stack.tokens[BLIND], stack.tokens["blind writer"]
    absent = stack.lookup(blind, "orders:nothing")
    assert absent[0] == 404
    for asked in (
        ["f00"], [PUBLIC], ["f01"], ["nothing:f00"], ["f00", "nothing:f00"], ["f00", "f00"],
        ["f00", "orders_x:f00"],
    ):  # fmt: skip
        assert stack.lookup(blind, *asked) == absent, asked
    assert stack.lookup(blind, service="model") == absent == stack.lookup(blind, service="models")
    row = {"id": [1], "event_timestamp": ["2026-01-02T00:00:00"]}
    pushes = [{"push_source_name": name, "df": row} for name in ("orders_push", "no_push")]
    answers = [stack.post(writer, "/push", one) for one in pushes]
    writes = [{"feature_view_name": name, "df": row} for name in ("orders", "nothing")]
    answers += [stack.post(writer, "/write-to-online-store", one) for one in writes]
    assert answers == [absent] * 4


def test_rows_are_written_by_who_may_publish_the_dataset_with_a_token_for_that(
    stack: Stack,
) -> None:
    values = {name: [8] for name in (*(f"f{n:02}" for n in range(40)), PUBLIC)}
    rows = {"id": [2], "at": ["2026-01-02T00:00:00"], **values}
    written = {"feature_view_name": "orders", "df": rows}
    status, said = stack.post(stack.tokens[SHOP], "/write-to-online-store", written)
    assert (status, "not for this token to write" in said) == (403, True)
    assert stack.post(stack.tokens[WRITER], "/write-to-online-store", written)[0] == 200
    pushed = {"push_source_name": "orders_push", "df": rows}
    assert stack.post(stack.tokens[SHOP], "/push", pushed)[0] == 403
    assert stack.post(stack.tokens[WRITER], "/push", pushed)[0] == 200


def test_a_revoked_token_is_over_within_a_second_while_others_are_answered(stack: Stack) -> None:
    lasts: list[float] = []
    for _ in range(REVOKES):
        issued = stack.gov.keyring.create("test", actor=SHOP, limits=SERVE)
        stack.until(lambda secret=issued.secret: stack.lookup(secret, "f00")[0] == 200)  # type: ignore[misc]
        began: list[tuple[float, int]] = []
        over = threading.Event()

        def go_on(secret: str = issued.secret, began: Any = began, over: Any = over) -> None:
            while not over.is_set():
                at = time.monotonic()
                began.append((at, stack.lookup(secret, "f00")[0]))
                time.sleep(0.005)

        thread = threading.Thread(target=go_on)
        thread.start()
        time.sleep(0.2)
        stack.gov.keyring.revoke(issued.token.id)
        revoked = time.monotonic()
        time.sleep(ALLOWED + 0.3)
        over.set()
        thread.join()
        served = [at - revoked for at, status in began if status == 200]
        assert served
        assert max(served) < ALLOWED
        assert began[-1][1] == 401
        lasts.append(max(served))
        stack.until(lambda: stack.lookup(stack.tokens[SHOP], "f00")[0] == 200)
    log.info("%d tokens revoked, last served after %.2f s", len(lasts), max(lasts))


def test_a_grant_that_is_revoked_closes_the_feature_to_its_holder(stack: Stack) -> None:
    sam = stack.gov.as_actor("person:sam")
    found = sam.records.grant(ORDERS, grantee=WRITER, action=Action.SERVE, columns=("f00",))
    stack.until(lambda: stack.lookup(stack.tokens[WRITER], "f00")[0] == 200)
    sam.records.revoke(found.id)
    time.sleep(ALLOWED)
    assert stack.lookup(stack.tokens[WRITER], "f00")[0] == 403


def test_a_token_ends_by_itself(stack: Stack) -> None:
    until = datetime.now(UTC) + timedelta(seconds=3)
    secret = stack.token(SHOP, until=until)
    stack.until(lambda: stack.lookup(secret, "f00")[0] == 200)
    time.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()))
    assert stack.lookup(secret, "f00")[0] == 401


def test_what_is_kept_of_other_tokens_is_not_in_the_lease(stack: Stack) -> None:
    lease = stack.gov.as_actor(SERVER).records.policy_lease(PROJECT)
    kept = {known.holder.partition(" ")[0] for known in lease.bearers.values()}
    assert kept <= {SHOP, BLIND, WRITER}
    assert len(lease.bearers) >= 5
    assert stack.gov.records.policy_lease(PROJECT).bearers == {}
    assert not [one for one in stack.tokens.values() if one in repr(lease)]


def test_a_governed_server_needs_the_policy_of_now(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="knows who asks by the policy of now"):
        application("redis://localhost:1", home=tmp_path, repo=tmp_path, governed=True)
