"""What all who erase must do, whatever they are made of; the catalog's part, without any lake."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from provender.catalog.checkpoints import Sealing
from provender.catalog.local import LocalCatalog
from provender.catalog.signing import Keys, is_attested
from provender.client import HttpCatalog
from provender.core.audit import EventKind
from provender.core.erasure import PRODUCER, Dropped, Erasures, Found, Readers, State
from provender.core.errors import Conflict, Denied, Gone, InvalidInput, Misconfigured, NotFound
from provender.core.models import Trained
from provender.core.protocols import Library
from tests.api.server import catalog_api
from tests.catalog.world import FLIGHTS, HOURLY, VISIBLE, Clock, manifest, permitted, training_set
from tests.contract.conftest import Connect

SOUGHT = ("a" * 64, "b" * 64)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys")


@pytest.fixture(params=["local", "http"])
def signing(
    request: pytest.FixtureRequest, governed_url: str, clock: Clock, keys: Keys
) -> Iterator[Connect]:
    """Connects an actor to a governed catalog that signs, with two versions of the flights."""
    with ExitStack() as opened:
        sealing = Sealing(keys=keys)
        local = opened.enter_context(
            LocalCatalog(governed_url, actor="person:ops", clock=clock, sealing=sealing)
        )
        for rows in (1, 2):
            local.publish(FLIGHTS, manifest(rows))
        if request.param == "local":
            yield lambda name: local.as_actor(f"person:{name}")
            return
        api = opened.enter_context(catalog_api(governed_url, clock=clock, sealing=sealing))

        @cache
        def connected(name: str) -> Library:
            token = {"authorization": f"Bearer person:{name}"}
            catalog = HttpCatalog(api.removesuffix("/api/v1"), headers=token)
            return opened.enter_context(catalog)

        yield connected


def found(**said: object) -> Found:
    return replace(
        Found(dataset=str(FLIGHTS), erased=(2,), before=2, rows=1, files=1, size_bytes=9), **said
    )


def test_a_subject_is_erased_and_that_is_certified(signing: Connect, keys: Keys):
    made, ops = training_set(FLIGHTS.at(2), by="person:ops"), signing("ops")
    signing("dev").record(VISIBLE)
    ops.record(replace(made, decision=permitted(ops, FLIGHTS)))
    artifact = f"sha256:{'a' * 64}"
    ops.models.record(Trained(name="fare", training_set=made.id, artifact=artifact))
    erasures = signing("gov").erasures
    scope = erasures.foresee("tailnum")
    assert [(place.dataset, place.columns) for place in scope.places] == [
        (str(FLIGHTS), ("tailnum",))
    ]
    readers = ("model delays/fare@1", f"training set {made.id}")
    assert erasures.readers([str(FLIGHTS.at(2)), str(FLIGHTS.at(1))]) == Readers(readers)
    assert erasures.readers([str(FLIGHTS.at(1))]).readers == ()
    begun = erasures.begin("tailnum", SOUGHT, key="k", reason="request 7")
    assert (begun.state, begun.sought, begun.scope) == (State.OPEN, SOUGHT, scope)
    assert erasures.begin("tailnum", SOUGHT, key="k", reason="again") == begun
    gone = erasures.erase(begun.id, found(manifest=manifest(3)))
    (one,) = gone.erased
    assert (one.dataset, one.erased, one.before, one.after) == (str(FLIGHTS), (2,), 2, 3)
    dropped = (Dropped(project="delays", view="planes", keys=1),)
    done = erasures.finish(begun.id, online=dropped)
    assert (done.state, done.online, done.erased) == (State.DONE, dropped, gone.erased)
    assert done.readers == readers
    assert (done.to_decide, done.refused) == (readers[:1], readers[1:])
    assert is_attested(done, keys.public())
    assert not is_attested(replace(done, reason="else"), keys.public())
    assert erasures.erasure(begun.id) == done
    assert erasures.erasures().items == (done,)
    ana = signing("ana")
    assert ana.resolve(FLIGHTS).number == 3
    assert ana.resolve(FLIGHTS).manifest.producer == PRODUCER
    with pytest.raises(Gone, match=f"a subject was erased from it, certificate {done.id}"):
        ana.resolve(FLIGHTS.at(2))
    before = manifest(2)
    releases = {
        one.version.number: one.version.manifest for one in ana.finder.releases(FLIGHTS).items
    }
    assert releases[2].digest == before.digest
    assert (releases[2].logical_digest, releases[2].files, releases[2].location) == ("", (), "")
    assert (releases[2].sums, releases[2].event_range) == ((), None)
    assert releases[1].logical_digest == manifest(1).logical_digest
    other = Trained(name="fare", training_set=made.id, artifact=f"sha256:{'b' * 64}")
    with pytest.raises(Gone, match=f"certificate {done.id}"):  # nobody would be told of it
        ops.models.record(other)


def test_what_cannot_be_is_refused_in_the_same_words(signing: Connect):
    erasures = signing("gov").erasures
    with pytest.raises(InvalidInput, match="no dataset has a column 'nothing'"):
        erasures.foresee("nothing")
    with pytest.raises(NotFound, match="dataset with that join key"):
        erasures.foresee("tailnum", datasets=(str(HOURLY),))
    with pytest.raises(InvalidInput, match="no values"):
        erasures.begin("tailnum", ("N1",), key="k", reason="x")
    with pytest.raises(NotFound, match="erasure 'er_0' not found"):
        erasures.erase("er_0", found())
    begun = erasures.begin("tailnum", SOUGHT, key="k", reason="x")
    with pytest.raises(Conflict, match=rf"nobody looked into {FLIGHTS}"):
        erasures.finish(begun.id)
    with pytest.raises(NotFound, match=f"dataset of {begun.id}"):
        erasures.erase(begun.id, found(dataset=str(HOURLY)))
    with pytest.raises(Conflict, match="at version 2, not 1"):
        erasures.erase(begun.id, found(erased=(1,), before=1, manifest=manifest(3)))
    nothing = found(erased=(), before=None, rows=0, files=0, size_bytes=0, looked=(1, 2))
    assert erasures.erase(begun.id, nothing).state is State.OPEN
    (look,) = signing("gov").records.audit_events(kind=EventKind.ERASURE_LOOK)
    assert (look.subject, look.detail["versions"]) == (begun.id, [1, 2])
    erasures.finish(begun.id)
    with pytest.raises(Conflict, match=f"the erasure {begun.id} is done"):
        erasures.finish(begun.id)
    attempts: tuple[Callable[[Erasures], object], ...] = (
        lambda those: those.foresee("tailnum"),
        lambda those: those.readers([str(FLIGHTS.at(1))]),
        lambda those: those.begin("tailnum", SOUGHT, key="k", reason="x"),
        lambda those: those.erase(begun.id, found()),
        lambda those: those.finish(begun.id),
        lambda those: those.erasure(begun.id),
        lambda those: those.erasures(),
    )
    for name in ("ops", "ana"):
        for attempt in attempts:
            with pytest.raises(Denied, match=f"person:{name} may not erase a subject"):
                attempt(signing(name).erasures)


def test_where_nobody_signs_nobody_is_erased(governed_sqlite: str, clock: Clock):
    with LocalCatalog(governed_sqlite, actor="person:ops", clock=clock) as ops:
        ops.publish(FLIGHTS, manifest(1))
        gov = ops.as_actor("person:gov")
        with pytest.raises(Misconfigured, match="an erasure is certified"):
            gov.erasures.begin("tailnum", SOUGHT, key="k", reason="x")
        assert gov.records.audit_events(kind=EventKind.ERASURE_BEGIN) == []
