"""What nobody gets by a way around: definitions, tokens, names and notes that reach too far."""

import json
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import httpx
import pytest

from provender.api.app import OPERATIONS
from provender.catalog.local import LocalCatalog
from provender.core.audit import EventKind
from provender.core.bounds import DEFINITIONS
from provender.core.features import EntitySpec, RepoSpec, SavedDatasetSpec
from provender.core.limits import Limits
from provender.core.names import DatasetRef, FeatureRef
from provender.core.policy import Action, Rule
from provender.core.tally import Matter
from provender.values import to_json
from tests.api.conftest import Ask
from tests.api.server import catalog_api
from tests.api.test_matrix import World, fill
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    NOW,
    SALARIES,
    VISIBLE,
    Clock,
    governing,
    permitted,
)
from tests.tallies import batch, tally

FILES = replace(VISIBLE, project="mine", views=(replace(VISIBLE.views[0], dataset=None),))
READING = {
    "compile_serving_manifest",
    "decide",
    "foresee_erasure",
    "foresee_request",
    "get_permit",
    "plan_governance",
    "plan_retention",
    "retrieve_features",
    "simulate_governance",
}
"""Operations that ask with a body. All others that are no GET change something."""
FIRST = {"if-none-match": "*"}


def put(ask: Ask, name: str, repo: RepoSpec) -> tuple[int, str]:
    """The answer to definitions that somebody is the first to record."""
    where, sent = (
        f"/projects/{repo.project}/definitions",
        {"definitions": json.loads(to_json(repo))},
    )
    answered = ask(name).put(where, json=sent, headers=FIRST)
    return answered.status_code, answered.text


def test_nobody_keeps_what_was_saved_as_a_dataset_that_they_may_not_publish(ask: Ask):
    def saved(ref: DatasetRef) -> RepoSpec:
        kept = SavedDatasetSpec(name="s", features=(FeatureRef("weather", "temp"),), dataset=ref)
        return replace(FILES, saved=(kept,))

    absent = DatasetRef("people", "salariez")
    for ref in (SALARIES, absent):
        status, said = put(ask, "max", saved(ref))
        assert (status, f"dataset '{ref}' not found" in said) == (404, True), said
    assert put(ask, "max", saved(FLIGHTS))[0] == 403
    assert put(ask, "ops", saved(FLIGHTS))[0] == 204


@pytest.fixture
def looking(governed_url: str, clock: Clock) -> Iterator[World]:
    """A server that lets nobody look, and tokens of who governs, for less than everything."""
    headers = fill(governed_url, clock)
    with LocalCatalog(governed_url, actor="person:gov", clock=clock) as gov:
        for actions in ("discover", "read"):
            made = gov.keyring.create(actions, limits=Limits(actions=(actions,)))
            headers[actions] = {"authorization": f"Bearer {made.secret}"}
    with catalog_api(governed_url, clock=clock, governs=True, anonymous=True) as address:
        yield World(address, headers)


def test_who_may_only_look_changes_nothing_by_any_operation(
    looking: World, governed_url: str, clock: Clock
):
    changing = [one for one in OPERATIONS if one.method != "GET" and one.name not in READING]
    assert len(changing) + len(READING) == len([one for one in OPERATIONS if one.method != "GET"])
    with (
        LocalCatalog(governed_url, actor="person:gov", clock=clock) as gov,
        httpx.Client(base_url=looking.address) as client,
    ):
        before = gov.records.verify_audit()
        found = {
            (who, one.name): looking.ask(client, one, who, "own")
            for who in ("anonymous", "discover")
            for one in changing
        }
        vain = {"q": "nowhere at all"}
        assert client.get("/search", params=vain).status_code == 200
        assert client.get("/search", params=vain, headers=looking.headers["discover"]).is_success
        more = gov.records.verify_audit() - before
        kinds = {event.kind for event in gov.records.audit_events(limit=more)}
        assert not [task for task in gov.desk.inbox().items if "nowhere" in task.says]
    assert {one: status for one, status in found.items() if status != 403} == {}
    assert kinds == {EventKind.ACCESS_DENY}


def test_a_token_changes_what_its_actions_say_and_itself(looking: World):
    with httpx.Client(base_url=looking.address) as client:
        reads = looking.headers["read"]
        for name in (
            "put_definitions",
            "create_token",
            "make_request",
            "settle_task",
            "edit_dataset",
        ):
            one = next(one for one in OPERATIONS if one.name == name)
            assert looking.ask(client, one, "read", "own") == 403, name
        own = client.get("/tokens", headers=looking.headers["governor"]).json()["items"]
        identity = {token["name"]: token["id"] for token in own}
        for other in ("governor", "discover"):
            for step in ("revoke", "rotate"):
                path = f"/tokens/{identity[other]}/{step}"
                assert client.post(path, headers=reads).status_code == 403, path
        turned = client.post(f"/tokens/{identity['read']}/rotate", headers=reads)
        assert turned.json()["token"]["limits"]["actions"] == ["read"]
        reads = {"authorization": f"Bearer {turned.json()['secret']}"}
        ended = client.post(f"/tokens/{turned.json()['token']['id']}/revoke", headers=reads)
        assert ended.status_code == 200


def test_a_project_is_called_what_is_read(ask: Ask):
    odd = (
        ".erasures",
        "visits ",
        " visits",
        "visits\u200b",
        "vi\u00adsits",
        "cafe\u0301",
        "a/b",
        "a\u202eb",
    )
    for name in odd:
        definitions = json.loads(to_json(replace(FILES, project=name)))
        where = f"/projects/{quote(name, safe='')}/definitions"
        answered = ask("ana").put(where, json={"definitions": definitions}, headers=FIRST)
        assert answered.status_code in (404, 422), name  # a slash is no part of an address
    for name in ("visits", "caf\u00e9", "Visits 2.0", "a-b_c"):
        assert put(ask, "ana", replace(FILES, project=name))[0] == 204, name


def test_what_others_may_is_told_to_who_decides_about_it(ask: Ask):
    def asks(name: str, actor: str, *refs: DatasetRef) -> tuple[int, str]:
        columns = [{"dataset": str(ref), "column": "arr_delay"} for ref in refs]
        body = {"action": "read", "columns": columns, "purpose": "report", "actor": actor}
        found = ask(name).post("/decisions", json=body)
        return found.status_code, found.json().get("error", {}).get("message", "")

    for name in ("ana", "max"):
        absent = DatasetRef("people", "none")
        said = {asks(name, "person:ops", ref) for ref in (FLIGHTS, SALARIES, absent)}
        assert said == {(403, f"person:{name} may not know what person:ops may")}
    assert asks("ana", "person:ana", FLIGHTS)[0] == 200
    assert asks("ana", "team:models", FLIGHTS)[0] == 200
    assert asks("sam", "person:ana", FLIGHTS)[0] == 200
    assert asks("sam", "person:ana", FLIGHTS, SALARIES)[0] == 403
    assert asks("gov", "person:ana", FLIGHTS, SALARIES)[0] == 200


def test_who_does_not_say_who_they_are_is_not_told_what_others_may(looking: World):
    column = {"dataset": str(FLIGHTS), "column": "arr_delay"}
    body = {"action": "read", "columns": [column], "purpose": "report", "actor": "person:ana"}
    assert httpx.post(f"{looking.address}/decisions", json=body).status_code == 403


def test_a_token_for_some_datasets_reads_no_events_of_others(governed_url: str, clock: Clock):
    with LocalCatalog(governed_url, actor="person:ops", clock=clock) as ops:
        for ref in (FLIGHTS, DatasetRef("aviation", "weather")):
            permitted(ops, ref)
        made = ops.keyring.create("one", limits=Limits(datasets=(str(FLIGHTS),)))
    with catalog_api(governed_url, clock=clock, governs=True) as address:
        bearer = {"authorization": f"Bearer {made.secret}"}
        for path in ("audit", "changes"):
            found = httpx.get(f"{address}/{path}", headers=bearer).json()["items"]
            assert {one["subject"] for one in found} == {str(FLIGHTS)}, path


def test_who_first_names_a_project_is_not_let_what_rules_and_grants_give_to_it(
    ask: Ask, governed_url: str, clock: Clock
):
    vault = Rule(
        id="vault",
        actors=("project:vault",),
        actions=(Action.READ,),
        datasets=("people.*",),
        purposes=("report",),
    )
    near = replace(vault, id="near", actors=("anyone",), projects=("near",))
    unowned = replace(FILES, project="old")
    assert put(ask, "ana", unowned)[0] == 204
    with (
        LocalCatalog(governed_url, actor="person:gov", clock=clock) as gov,
        LocalCatalog(governed_url, actor="person:sam", clock=clock) as sam,
    ):
        steps = gov.desk.plan(governing(rules=(*GOVERNANCE.rules, vault, near)))
        told = [text for step in steps for text in step.warnings]
        assert len([text for text in told if "only who governs may be the first" in text]) == 2
        gov.desk.apply(governing(rules=(*GOVERNANCE.rules, vault, near)))
        sam.records.grant(FLIGHTS, grantee="person:ana", through="old")
    for project in ("vault", "near"):
        for owner in ("", "person:ana"):
            status, said = put(ask, "ana", replace(FILES, project=project, owner=owner))
            assert (status, f"rules or grants name project {project}" in said) == (403, True), said
    ours = {"definitions": json.loads(to_json(replace(unowned, owner="person:ana")))}
    claimed = ask("ana").put("/projects/old/definitions", json=ours, headers={"if-match": "*"})
    assert (claimed.status_code, "rules or grants name" in claimed.text) == (403, True), (
        claimed.text
    )
    assert put(ask, "gov", replace(FILES, project="vault", owner="person:ana"))[0] == 204


def test_nobody_tells_of_a_permit_that_the_catalog_never_gave_them(ask: Ask):
    def told(name: str, lease: str) -> int:
        reasons = {str(FLIGHTS): {"arr_delay": "rule report"}}
        matter = Matter(actor="", purpose="report", project="p", reasons=reasons, lease=lease)
        sent = {"batch": json.loads(to_json(batch(tally(matter, NOW))))}
        return ask(name).post("/lookups", json=sent).status_code

    def noted() -> int:
        note = {"kind": "features:materialize", "subject": str(FLIGHTS), "detail": {}}
        return ask("max").post("/notes", json=note).status_code

    asked = {"dataset": str(FLIGHTS), "column": "arr_delay"}
    wanted = {"action": "read", "columns": [asked], "purpose": "report"}
    given = ask("ana").post("/permits", json=wanted).json()["decision"]
    assert [told("max", lease) for lease in ("", "dec_forged000000001", given)] == [403] * 3
    assert noted() == 403
    assert told("ana", given) == 204


def test_who_may_define_nothing_makes_no_project(ask: Ask) -> None:
    for name, wanted in (("max", 403), ("ana", 204), ("dev", 204), ("gov", 204)):
        status, said = put(ask, name, replace(FILES, project=f"of-{name}"))
        assert (status, "make no project" in said) == (wanted, wanted == 403), said


def test_a_project_is_of_a_size_that_repositories_have(ask: Ask) -> None:
    one = EntitySpec(name="e", join_key="e", type="int64")
    many = tuple(replace(one, name=f"e{n}") for n in range(DEFINITIONS + 1))
    status, said = put(ask, "ana", replace(FILES, entities=many))
    assert (status, "1,000 with 20,000 at most" in said) == (422, True), said
