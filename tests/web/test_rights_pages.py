"""The access tab of a dataset: who may what because of what, and grants renewed and revoked there."""

from provender.core.names import DatasetRef
from provender.core.policy import Action, ColumnRef
from tests.web.conftest import ask

PATH = "/datasets/aviation.flights/access"
FLIGHTS = DatasetRef.parse("aviation.flights")


def facts_of(person, query: str = ""):
    return person.get(f"{PATH}.json{query}").json()


def page_of(person) -> str:
    return person.get(PATH).text


def test_rights_are_those_of_the_decision_to_read_and_to_serve(people):
    sam = people["sam"]
    sam.catalog.records.grant(
        FLIGHTS, grantee="person:ana", action=Action.SERVE, columns=("carrier",)
    )
    for action in (Action.READ, Action.SERVE):
        facts = facts_of(sam, f"?action={action}")
        assert facts["action"] == action
        assert facts["rights"]
        for one in facts["rights"]:
            columns = [ColumnRef(str(FLIGHTS), name) for name in (*one["open"], *one["closed"])]
            decision = sam.catalog.records.decide(
                action, columns, purpose=one["purpose"], actor=one["actor"]
            )
            opened = {reason.column.column for reason in decision.reasons if reason.allowed}
            assert opened == {*one["open"]}, one
    assert ask(sam.app, f"{PATH}?action=publish").status_code == 404


def test_others_see_what_they_and_their_groups_may_and_why_not_the_rest(people):
    ana = people["ana"]
    seen = [one["actor"] for one in facts_of(ana)["rights"]]
    groups = [*sorted(ana.catalog.actor.teams), *sorted(ana.catalog.actor.projects)]
    assert groups
    assert {*seen} == {"person:ana", "team:delay-models", "project:flights"}
    assert "/datasets/aviation.flights/why?action=read&amp;purpose=reporting" in page_of(ana)
    assert "<th>Change</th>" not in page_of(ana)


def test_a_steward_renews_and_revokes_a_grant_and_its_grantee_does_not(people):
    sam, max_ = people["sam"], people["max"]
    (grant,) = facts_of(max_)["grants"]
    path = f"/grants/{grant['id']}"
    assert max_.send(f"{path}/revoke").status_code == 403
    assert max_.send(f"{path}/renew", until="2027-06-30").status_code == 403
    over = sam.send(f"{path}/renew", until="2020-01-01")
    assert (over.status_code, "is over already" in over.text) == (422, True)
    assert "is not a day" in sam.send(f"{path}/renew", until="soon").text
    renewed = sam.send(f"{path}/renew", until="2027-06-30")
    assert (renewed.status_code, renewed.headers["location"]) == (303, f"{PATH}#grants")
    assert facts_of(max_)["grants"][0]["until"].startswith("2027-07-01T00:00")
    sam.send(f"{path}/renew", until="")
    assert facts_of(max_)["grants"][0]["until"] is None
    assert sam.send(f"{path}/revoke").status_code == 303
    assert facts_of(max_)["grants"][0]["revoked_at"]
    assert "Revoke now" not in page_of(sam)
    again = sam.send(f"{path}/renew", until="2027-06-30")
    assert (again.status_code, "was revoked" in again.text) == (409, True)
    assert sam.send("/grants/g99/revoke").status_code == 404
