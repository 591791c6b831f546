"""What is kept of a profile, and of which columns."""

from dataclasses import replace

from sqlalchemy import create_engine, text

from provender.core.datasets import Evidence
from provender.core.profiles import ColumnProfile, KeyCount, Measure, Profile, Relation
from provender.core.tags import Tag
from tests.catalog.world import FLIGHTS, GOVERNANCE, Connect, declared, governing, manifest

CANARY = "N14228"
TAILNUM = ColumnProfile(
    column="tailnum",
    count=10,
    nulls=1,
    distinct=9,
    exact=True,
    lowest=CANARY,
    highest=CANARY,
    frequent=((CANARY, 9),),
)
DELAY = ColumnProfile(
    column="arr_delay", count=10, nulls=0, quantiles=(1.0,), edges=(0, 2), counts=(10,)
)
RELATION = Relation(column="arr_delay", of="tailnum", slope=1, intercept=0, rows=10)
PROFILE = Profile(
    row_count=10,
    columns=(TAILNUM, DELAY),
    relations=(RELATION,),
    keys=(KeyCount(columns=("tailnum",), duplicates=0),),
    measures=(Measure(name="delays", value=3),),
)
CLOSED = replace(PROFILE, columns=(TAILNUM.without_values, DELAY), relations=())


def test_of_a_protected_column_nothing_but_counts_is_stored(
    connect: Connect, governed_url: str
) -> None:
    made = connect("ops").publish(FLIGHTS, manifest(), evidence=Evidence(profile=PROFILE))
    assert connect("ana").finder.evidence(made.ref).profile == CLOSED
    engine = create_engine(governed_url)
    with engine.connect() as database:
        stored = database.execute(text("SELECT value FROM profiles")).scalars().all()
    engine.dispose()
    assert len(stored) == 3
    assert not [value for value in stored if CANARY in str(value)]


def test_a_column_that_is_protected_later_is_closed_from_then_on(connect: Connect) -> None:
    gov, ana = connect("gov"), connect("ana")
    open_to_all = replace(declared(FLIGHTS), column_tags={})
    gov.desk.apply(governing(open_to_all))
    made = connect("ops").publish(FLIGHTS, manifest(), evidence=Evidence(profile=PROFILE))
    assert ana.finder.evidence(made.ref).profile == PROFILE
    gov.desk.apply(GOVERNANCE)
    assert ana.finder.evidence(made.ref).profile == CLOSED


def test_a_tag_that_protects_later_closes_what_it_is_on(connect: Connect) -> None:
    gov, ana = connect("gov"), connect("ana")
    tags = (Tag(name="personal"), Tag(name="source.bts"))
    gov.desk.apply(governing(tags=tags))
    made = connect("ops").publish(FLIGHTS, manifest(), evidence=Evidence(profile=PROFILE))
    assert ana.finder.evidence(made.ref).profile == PROFILE
    gov.desk.apply(GOVERNANCE)
    assert ana.finder.evidence(made.ref).profile == CLOSED


def test_values_are_told_to_who_may_read_them_or_publish_them_and_to_nobody_else(
    connect: Connect,
) -> None:
    anyone, *others = [rule for rule in GOVERNANCE.rules if rule.id == "report"]
    assert not others
    models = replace(anyone, actors=("team:models",))
    rest = tuple(rule for rule in GOVERNANCE.rules if rule is not anyone)
    connect("gov").desk.apply(governing(rules=(*rest, models)))
    made = connect("ops").publish(FLIGHTS, manifest(), evidence=Evidence(profile=PROFILE))
    assert connect("ana").finder.evidence(made.ref).profile == CLOSED
    assert connect("sam").finder.evidence(made.ref).profile == CLOSED
    seen = connect("max").finder.evidence(made.ref).profile
    assert seen == replace(CLOSED, columns=(TAILNUM.without_values, DELAY.without_values))
    connect("sam").records.grant(
        FLIGHTS, grantee="person:max", columns=("arr_delay",), purposes=("report",)
    )
    assert connect("max").finder.evidence(made.ref).profile == CLOSED
