"""What an event tells: the decision with the tags as they were, and nothing of what data says."""

from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text

from provender.core.audit import EventKind, Outcome, pseudonym
from provender.core.datasets import Evidence
from provender.core.editing import Edit
from provender.core.errors import Denied
from provender.core.policy import Action, ColumnRef
from provender.core.tags import Assignment
from tests.catalog.test_evidence import PROFILE
from tests.catalog.world import FLIGHTS, Connect, manifest

TAILNUM, DELAY = ColumnRef(str(FLIGHTS), "tailnum"), ColumnRef(str(FLIGHTS), "arr_delay")


def test_a_permit_tells_verdict_purpose_columns_rule_version_and_tags_as_they_were(
    connect: Connect,
):
    version = connect("ops").publish(FLIGHTS, manifest(1)).ref
    connect("max").permit(Action.READ, [DELAY], purpose="report", versions=[version])
    sam = connect("sam")
    said = sam.finder.entry(FLIGHTS)
    sam.desk.edit(
        FLIGHTS, Edit(unassign=(Assignment(tag="source.bts"),)), expected=None, reason="no longer"
    )
    assert sam.finder.entry(FLIGHTS) != said
    connect("max").permit(Action.READ, [DELAY], purpose="report")
    later, earlier = connect("gov").records.audit_events(kind=EventKind.ACCESS_PERMIT)
    assert earlier.subject == "aviation.flights"
    told = earlier.detail
    assert (told["verdict"], told["purpose"], told["versions"]) == ("allow", "report", [1])
    assert told["reasons"] == {"arr_delay": "rule report"}
    assert told["tags"] == {"arr_delay": ["source.bts"]}
    assert "tags" not in later.detail


def test_a_refusal_tells_the_tags_that_closed_the_column(connect: Connect):
    with pytest.raises(Denied):
        connect("max").permit(Action.READ, [TAILNUM, DELAY], purpose="report")
    (event,) = connect("gov").records.audit_events(verdict=Outcome.DENY)
    assert event.detail["verdict"] == "deny"
    assert "personal" in event.detail["tags"]["tailnum"]


def test_a_pseudonym_is_the_same_for_one_subject_and_says_nothing_of_it():
    secret = b"s" * 32
    one = pseudonym(secret, "driver_id", "1001")
    assert one == pseudonym(secret, "driver_id", "1001")
    assert (
        len(
            {
                one,
                pseudonym(secret, "driver_id", "1002"),
                pseudonym(secret, "rider_id", "1001"),
                pseudonym(b"t" * 32, "driver_id", "1001"),
            }
        )
        == 4
    )
    assert one.startswith("driver_id=keyed:")
    assert "1001" not in one


CANARY = "N00CANARY"


def test_no_value_of_the_data_is_in_an_event(connect: Connect, governed_url: str):
    """A value in the profile of a version, and so in the catalog, is in no event of it."""
    open_ = replace(PROFILE.columns[1], lowest=CANARY, highest=CANARY)
    profile = replace(PROFILE, columns=(PROFILE.columns[0], open_))
    evidence = Evidence(profile=profile)
    connect("ops").publish(FLIGHTS, manifest(10), evidence=evidence)
    connect("max").permit(Action.READ, [DELAY], purpose="report")
    with pytest.raises(Denied):
        connect("max").permit(Action.READ, [TAILNUM], purpose="report")
    engine = create_engine(governed_url)
    with engine.connect() as db:
        tables = {
            name: str(db.execute(text(f"SELECT * FROM {name}")).all())
            for name in ("profiles", "audit_events")
        }
    engine.dispose()
    assert CANARY in tables["profiles"]
    assert CANARY not in tables["audit_events"]
