"""API tokens: who may make one, what it opens, when it is over, and what is kept of it."""

import gzip
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import text

from provender.catalog import access, backup
from provender.catalog.local import LocalCatalog
from provender.core.audit import EventKind
from provender.core.errors import (
    Conflict,
    Denied,
    InvalidInput,
    NotFound,
    ProvenderError,
    Unauthenticated,
)
from provender.core.identity import How, Identity
from provender.core.limits import Limits
from provender.core.people import Actor, Person
from provender.core.policy import Action, ColumnRef
from provender.core.tokens import LONGEST, SECRET, USUAL, IssuedToken
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    NOW,
    REPO,
    SALARIES,
    VISIBLE,
    Clock,
    Connect,
    listed,
    manifest,
    searched,
)

ROBOT = "service:robot"
DATASETS = [dataset.ref.dataset for dataset in GOVERNANCE.datasets]


def with_token(catalog: LocalCatalog, issued: IssuedToken) -> LocalCatalog:
    """The catalog as it speaks to whoever holds a token."""
    return catalog.as_actor(catalog.identify(issued.secret))


def refused(catalog: LocalCatalog, issued: IssuedToken) -> str:
    with pytest.raises(Unauthenticated) as told:
        catalog.identify(issued.secret)
    return told.value.message


def test_a_token_is_its_actor_and_over_at_its_instant(connect: Connect, clock: Clock) -> None:
    ana = connect("ana")
    issued = ana.keyring.create("laptop")
    assert SECRET.match(issued.secret)
    assert issued.token.until == NOW + USUAL
    assert with_token(ana, issued).actor == Actor("person:ana", frozenset({"team:models"}))
    clock.advance(USUAL - timedelta(microseconds=1))
    ana.identify(issued.secret)
    clock.advance(timedelta(microseconds=1))
    assert "t1 of person:ana ended" in refused(ana, issued)


def test_a_revoked_token_opens_nothing_at_the_next_request(connect: Connect) -> None:
    ana = connect("ana")
    issued = ana.keyring.create("laptop")
    ana.identify(issued.secret)
    first = ana.keyring.revoke("t1")
    assert "t1 of person:ana was revoked" in refused(ana, issued)
    assert ana.keyring.revoke("t1").revoked_at == first.revoked_at


def test_a_rotated_token_is_for_the_same_and_the_old_one_is_over(
    connect: Connect, clock: Clock
) -> None:
    ana = connect("ana")
    old = ana.keyring.create("job", limits=Limits(purpose="report"), until=NOW + timedelta(days=7))
    clock.advance(timedelta(days=6))
    new = ana.keyring.rotate("t1")
    assert (new.token.limits, new.token.name, new.token.replaces) == (old.token.limits, "job", "t1")
    assert new.token.until == clock() + timedelta(days=7)
    assert "revoked" in refused(ana, old)
    assert ana.identify(new.secret).token == "t2"
    with pytest.raises(Conflict, match="t1 is over"):
        ana.keyring.rotate("t1")


def test_nothing_that_rotates_makes_a_token_that_outlives_it(
    connect: Connect, clock: Clock
) -> None:
    ana = connect("ana")
    ends = NOW + timedelta(days=7)
    mine = ana.keyring.create("job", until=ends)
    session = replace(
        ana.identify(ana.keyring.create("laptop", until=ends).secret), how=How.SESSION
    )
    wider = with_token(ana, ana.keyring.create("wider", until=ends + timedelta(hours=1)))
    beside = ana.keyring.create("beside", until=ends)
    provided = Identity(actor="person:ana", how=How.OIDC, until=NOW + timedelta(hours=1))
    clamped = ana.as_actor(provided).keyring.create("clamped")
    assert clamped.token.until == provided.until
    clock.advance(timedelta(minutes=30))
    assert ana.as_actor(provided).keyring.rotate(clamped.token.id).token.until == provided.until
    for _ in range(3):
        clock.advance(timedelta(days=2))
        mine = with_token(ana, mine).keyring.rotate(mine.token.id)
        assert mine.token.until == ends
    assert ana.as_actor(session).keyring.rotate("t2").token.until == ends
    assert wider.keyring.rotate(beside.token.id).token.until == ends + timedelta(hours=1)
    clock.advance(timedelta(days=1))
    assert "ended" in refused(ana, mine)
    renewed = ana.keyring.create("job", until=clock() + timedelta(days=1))
    clock.advance(timedelta(hours=23))
    assert ana.keyring.rotate(renewed.token.id).token.until == clock() + timedelta(days=1)


@pytest.mark.parametrize(
    "wrong", ["", "pvd_", "person:ana", "pvd_" + "a" * 43, "pvd_" + "a" * 44, "' OR 1=1 --", "é"]
)
def test_what_is_no_secret_is_nobodys(connect: Connect, wrong: str) -> None:
    connect("ana").keyring.create("laptop")
    with pytest.raises(Unauthenticated, match="not known here"):
        connect("ana").identify(wrong)


def test_people_make_their_own_and_governors_those_of_declared_services(connect: Connect) -> None:
    gov, ana = connect("gov"), connect("ana")
    with pytest.raises(NotFound, match="service:robot is not declared"):
        gov.keyring.create("robot", actor=ROBOT)
    gov.desk.declare(Person(id=ROBOT, teams=("team:models",)))
    issued = gov.keyring.create("robot", actor=ROBOT)
    assert with_token(ana, issued).actor.names == (ROBOT, "team:models", "anyone")
    with pytest.raises(Denied, match="person:ana may not make tokens for services"):
        ana.keyring.create("robot", actor=ROBOT)
    for somebody in ("person:max", "team:models"):
        with pytest.raises(Denied, match=f"cannot make a token for {somebody}"):
            gov.keyring.create("max", actor=somebody)


def test_tokens_of_others_are_not_there(connect: Connect) -> None:
    ana, max_, gov = connect("ana"), connect("max"), connect("gov")
    ana.keyring.create("laptop")
    max_.keyring.create("desk")
    assert [token.id for token in ana.keyring.tokens().items] == ["t1"]
    for identity in ("t2", "t3", "t", "t02x", "", "2", "t99999999999999999999"):
        with pytest.raises(NotFound, match=f"token '{identity}' not found"):
            ana.keyring.revoke(identity)
    assert [token.id for token in gov.keyring.tokens(limit=1).items] == ["t1"]
    assert gov.keyring.tokens(limit=1).next == "t1"
    assert [token.id for token in gov.keyring.tokens(after="t1").items] == ["t2"]
    assert gov.keyring.revoke("t2").revoked_at == NOW
    with pytest.raises(Denied, match="cannot make a token for person:ana"):
        gov.keyring.rotate("t1")


def test_a_limited_token_sees_itself_and_what_it_could_make(connect: Connect) -> None:
    ana, gov = connect("ana"), connect("gov")
    of = {
        "all": Limits(),
        "read": Limits(actions=("read",)),
        "govern": Limits(actions=("govern", "steward")),
        "project": Limits(project="delays"),
        "inner": Limits(project="delays", actions=("read",)),
        "sets": Limits(datasets=("aviation.*",)),
        "purpose": Limits(purpose="report"),
    }
    shown = {
        "all": list(of),
        "read": ["read"],
        "govern": ["govern"],
        "project": ["project", "inner"],
        "inner": ["inner"],
        "sets": ["sets"],
        "purpose": ["purpose"],
    }
    for who in (ana, gov):
        made = {name: who.keyring.create(name, limits=limits) for name, limits in of.items()}
        for name, seen in shown.items():
            mine = with_token(who, made[name])
            named = [one.name for one in mine.keyring.tokens().items if one.actor == who.actor.id]
            assert named == seen, name
            assert len(mine.keyring.tokens(limit=1).items) == 1
            for other in set(of) - set(seen):
                for verb in (mine.keyring.revoke, mine.keyring.rotate):
                    if of[name].actions == ("*",):
                        with pytest.raises(NotFound, match="not found"):
                            verb(made[other].token.id)
            told = [event.kind for event in mine.records.audit_events(limit=100)]
            govern = who is gov and name in {"govern", "project", "purpose"}
            assert (EventKind.TOKEN_CREATE in told) == (name == "all" or govern), name
        with_token(who, made["project"]).keyring.revoke(made["inner"].token.id)
        with_token(who, made["read"]).keyring.revoke(made["read"].token.id)


def test_a_token_makes_none_that_reaches_further_or_lasts_longer(connect: Connect) -> None:
    ana = connect("ana")
    soon = NOW + timedelta(days=1)
    narrow = Limits(datasets=("aviation.*",), purpose="report")
    wide = ana.keyring.create("wide")
    mine = with_token(ana, ana.keyring.create("narrow", limits=narrow, until=soon))
    inner = replace(narrow, datasets=("aviation.flights",))
    assert mine.keyring.create("inner", limits=inner).token.until == soon
    for limits, until in (
        (Limits(), soon),
        (replace(narrow, datasets=("*",)), soon),
        (replace(narrow, purpose=""), soon),
        (narrow, soon + timedelta(seconds=1)),
    ):
        with pytest.raises(Denied, match="does not reach as far, or as long"):
            mine.keyring.create("outer", limits=limits, until=until)
    short = with_token(ana, ana.keyring.create("short", until=NOW + timedelta(hours=1)))
    with pytest.raises(Denied, match="does not reach as far"):
        short.keyring.rotate(wide.token.id)
    reads = with_token(ana, ana.keyring.create("reads", limits=Limits(actions=("read",))))
    with pytest.raises(Denied, match="token's scope: it is for actions read"):
        reads.keyring.create("inner", limits=replace(inner, actions=("read",)))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"name": ""}, "not a name for a token"),
        ({"name": "two\nlines"}, "not a name for a token"),
        ({"name": "x", "until": NOW}, "over already"),
        ({"name": "x", "until": NOW + LONGEST + timedelta(seconds=1)}, "more than a year"),
        ({"name": "x", "until": NOW.replace(tzinfo=None)}, "no time zone"),
        ({"name": "x", "limits": Limits(actions=("reed",))}, "'reed' is not an action"),
        ({"name": "x", "limits": Limits(purpose="sell")}, "purpose 'sell' not found"),
        ({"name": "x", "actor": "ana"}, "'ana' is not an actor"),
    ],
)
def test_terms_that_cannot_be_kept_are_refused(
    connect: Connect, asked: dict[str, object], said: str
) -> None:
    with pytest.raises((InvalidInput, NotFound), match=said):
        connect("ana").keyring.create(**asked)  # type: ignore[arg-type]
    assert connect("ana").keyring.tokens().items == ()


def test_the_purpose_of_a_token_is_its_default_and_its_limit(connect: Connect) -> None:
    connect("ops").publish(FLIGHTS, manifest())
    ana = connect("ana")
    job = with_token(ana, ana.keyring.create("job", limits=Limits(purpose="report")))
    column = [ColumnRef(FLIGHTS.dataset, "arr_delay")]
    assert job.permit(Action.READ, column, purpose="").purpose == "report"
    assert job.records.decide(Action.READ, column).allowed
    with pytest.raises(
        Denied, match=r"(?s)scope: it is for purpose report.*hint: ask with a token"
    ):
        job.permit(Action.READ, column, purpose="delay")


def test_a_token_for_a_project_defines_no_other(connect: Connect) -> None:
    dev = connect("dev")
    of = {
        project: with_token(dev, dev.keyring.create(project, limits=Limits(project=project)))
        for project in ("delays", "risk")
    }
    with pytest.raises(Denied, match="it is for project risk, not delays"):
        of["risk"].record(VISIBLE)
    of["delays"].record(VISIBLE)


LIMITED = [
    Limits(actions=actions, datasets=datasets)
    for actions in (("*",), ("read",), ("steward",))
    for datasets in (("*",), ("aviation.*",), ("people.*", "aviation.weather"), ("nothing.*",))
]


def test_what_a_token_shows_is_what_it_may_asked_one_by_one(connect: Connect, clock: Clock) -> None:
    connect("sam").records.grant(FLIGHTS, grantee="person:max", action=Action.PUBLISH)
    with connect("ops")._door.reading() as db:
        for name, limits, action in product(("ops", "sam", "max", "gov"), LIMITED, Action):
            who = replace(access.actor(db, f"person:{name}"), limits=limits)
            shown = set(db.scalars(access.visible(db, who, action, now=clock())))
            asked = {
                name
                for name in DATASETS
                if access.explain(
                    db, who, action, [ColumnRef(name)], purpose="", now=clock()
                ).allowed
            }
            assert shown == asked, (name, limits, action)


def test_what_is_outside_of_a_token_is_neither_listed_nor_found(connect: Connect) -> None:
    connect("dev").record(VISIBLE)
    connect("gov").desk.apply(
        replace(GOVERNANCE, rules=tuple(replace(r, datasets=("*",)) for r in GOVERNANCE.rules))
    )
    ana = connect("ana")
    assert SALARIES.dataset in [one.name for one in listed(ana)]
    limits = Limits(datasets=("aviation.flights",))
    mine = with_token(ana, ana.keyring.create("one", limits=limits))
    assert [one.name for one in listed(mine)] == ["aviation.flights"]
    assert {hit.name for hit in searched(mine, "weather")} == set()
    assert {hit.name for hit in searched(ana, "weather")} >= {"aviation.weather"}
    assert mine.records.projects() == []
    with pytest.raises(NotFound, match=r"dataset 'people\.salaries' not found"):
        mine.dataset(SALARIES)
    assert [d.ref for d in mine.governance().datasets] == [FLIGHTS]
    wide = with_token(ana, ana.keyring.create("two", limits=Limits(datasets=("aviation.*",))))
    assert wide.records.projects() == [REPO.project]
    assert "aviation.weather" in {hit.name for hit in searched(wide, "weather")}


def test_everything_about_tokens_is_in_the_audit_trail_but_secrets(
    connect: Connect, governed_url: str, tmp_path: Path
) -> None:
    gov = connect("gov")
    made = [gov.keyring.create("one"), gov.keyring.create("two")]
    gov.keyring.revoke("t1")
    made.append(gov.keyring.rotate("t2"))
    kinds = [event.kind for event in gov.records.audit_events(limit=4)][::-1]
    assert kinds == [
        EventKind.TOKEN_CREATE,
        EventKind.TOKEN_CREATE,
        EventKind.TOKEN_REVOKE,
        EventKind.TOKEN_ROTATE,
    ]
    assert gov.records.audit_events(limit=1)[0].subject == "t3"
    gov.identify(made[2].secret)
    backup.write(gov._door, tmp_path / "b.tgz")
    held = gzip.decompress((tmp_path / "b.tgz").read_bytes())
    for issued in made:
        assert issued.secret not in repr(issued)
        assert issued.secret.encode() not in held
        assert issued.secret.removeprefix("pvd_").encode() not in held
    assert b"person:gov" in held


def test_use_is_written_down_now_and_then(connect: Connect, clock: Clock) -> None:
    ana = connect("ana")
    issued = ana.keyring.create("laptop")
    assert ana.keyring.tokens().items[0].used_at is None
    seen = []
    for minutes in (0, 4, 2, 10):
        clock.advance(timedelta(minutes=minutes))
        ana.identify(issued.secret)
        seen.append(ana.keyring.tokens().items[0].used_at)
    assert seen == [NOW, NOW, NOW + timedelta(minutes=6), NOW + timedelta(minutes=16)]


def test_tokens_of_whoever_goes_are_over(connect: Connect) -> None:
    gov, max_ = connect("gov"), connect("max")
    issued, kept = max_.keyring.create("desk"), gov.keyring.create("gov")
    gov.desk.withdraw("person", "person:max", reason="left")
    assert "was revoked" in refused(gov, issued)
    gov.identify(kept.secret)


def test_after_a_restore_no_token_is_in_force(
    connect: Connect, tmp_path: Path, clock: Clock
) -> None:
    from provender.catalog.restore import restore

    gov = connect("gov")
    issued = gov.keyring.create("gov")
    backup.write(gov._door, tmp_path / "b.tar")
    url = f"sqlite:///{tmp_path / 'restored.db'}"
    restore(tmp_path / "b.tar", url, actor="person:gov", clock=clock)
    with LocalCatalog(url, actor="person:gov", clock=clock) as restored:
        assert "was revoked" in refused(restored, issued)
    gov.identify(issued.secret)


def test_what_is_kept_of_a_secret_is_unique_and_opens_nothing_itself(connect: Connect) -> None:
    gov = connect("gov")
    gov.keyring.create("one")
    with gov._door.reading() as db:
        kept = db.scalar(text("SELECT sealed FROM tokens"))
    assert isinstance(kept, str)
    with pytest.raises(ProvenderError, match="not known here"):
        gov.identify(kept)


def test_of_one_actor_so_many_tokens_are_in_force_with_so_many_patterns(connect: Connect) -> None:
    ana = connect("ana")
    many = Limits(datasets=tuple(f"a{number}.*" for number in range(51)))
    with pytest.raises(InvalidInput, match="at most 50 patterns of datasets, not 51"):
        ana.keyring.create("many", limits=many)
    for number in range(100):
        ana.keyring.create(f"n{number}")
    with pytest.raises(Conflict, match="person:ana has 100 tokens in force already"):
        ana.keyring.create("one more")
    ana.keyring.rotate("t7")
    ana.keyring.revoke("t8")
    ana.keyring.create("one more")
    connect("max").keyring.create("another's")
