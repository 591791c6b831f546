"""What stands around every route: ids, hosts, other sites, conditions, cursors, one error shape."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from provender.catalog.local import LocalCatalog
from provender.values import to_json
from tests.api.conftest import Ask
from tests.catalog.world import FLIGHTS, HOURLY, VISIBLE, manifest

YAML = {"content-type": "application/yaml"}
FAULT = {"status", "title", "code", "message", "hint", "what", "request_id", "problems", "facts"}


def publish(client: httpx.Client, rows: int = 1, **headers: str) -> httpx.Response:
    body = f'{{"manifest":{to_json(manifest(rows))}}}'
    sent = {"content-type": "application/json"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    return client.post(f"/datasets/{FLIGHTS}/versions", content=body, headers=sent)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/datasets/aviation.flihgts", 404, "not-found"),
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/datasets/flights", 422, "invalid-input"),
        ("GET", "/datasets?limit=0", 422, "invalid-input"),
        ("GET", "/datasets?colour=red", 422, "invalid-input"),
        ("GET", "/datasets?limit=1&limit=2", 422, "invalid-input"),
        ("GET", "/datasets?as_of=2026-03-01T12:00:00", 422, "invalid-input"),
        ("DELETE", "/datasets", 405, "method-not-allowed"),
        ("POST", "/datasets/aviation.flights/versions", 415, "unsupported-media-type"),
    ],
)
def test_whatever_is_refused_is_told_in_one_shape(
    ask: Ask, method: str, path: str, status: int, code: str
) -> None:
    answered = ask("ops").request(method, path)
    assert answered.status_code == status
    error = answered.json()["error"]
    assert error.keys() == FAULT
    assert (error["status"], error["code"]) == (status, code)
    assert error["request_id"] == answered.headers["x-request-id"]
    assert error["hint"]


def test_a_body_is_read_strictly_and_every_fault_of_it_is_named(ask: Ask) -> None:
    whole = to_json(manifest(1))
    for spoiled, where in (
        (whole.replace('"row_count":1', '"row_count":"1"'), "body.manifest.row_count"),
        (whole.replace('"row_count":1', '"row_count":99999999999999999999'), "body.manifest.row_count"),
        (whole.replace('"format"', '"colour":1,"format"'), "body.manifest.colour"),
        (whole.replace('2026-03-01T12:00:00+00:00', '2026-03-01T12:00:00'), "body.manifest.event_range.latest"),
        (whole.replace('"location":"', '"location":"\\u0000'), "body"),
        (whole[:-1], "body"),
    ):  # fmt: skip
        assert spoiled != whole
        answered = ask("ops").post(
            f"/datasets/{FLIGHTS}/versions",
            content=f'{{"manifest":{spoiled}}}',
            headers={"content-type": "application/json"},
        )
        assert answered.status_code == 422
        assert [one["where"] for one in answered.json()["error"]["problems"]] == [where]


def test_a_request_has_an_id_that_the_audit_trail_keeps(ask: Ask, governed_url: str) -> None:
    made = publish(ask("ops"), x_request_id="req-1")
    assert (made.status_code, made.headers["x-request-id"]) == (201, "req-1")
    refused = publish(ask("ana"), 2, x_request_id="req-2")
    assert refused.status_code == 403
    with LocalCatalog(governed_url, actor="person:gov") as catalog:
        events = catalog.records.audit_events(limit=2)
    assert [(event.actor, event.request) for event in events] == [
        ("person:ana", "req-2"),
        ("person:ops", "req-1"),
    ]
    for spoiled in ("a b", "x" * 65, "é"):
        given = ask("ops").get("/datasets", headers=[(b"x-request-id", spoiled.encode())])
        assert given.headers["x-request-id"] != spoiled


def test_an_answer_that_is_known_is_not_sent_again(ask: Ask) -> None:
    for path in ("/datasets", f"/datasets/{FLIGHTS}", f"/datasets/{FLIGHTS}/versions"):
        head = ask("ops").head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == ask("ops").get(path).headers["etag"]
        first = ask("ops").get(path)
        tag = first.headers["etag"]
        again = ask("ops").get(path, headers={"if-none-match": f'"other", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    publish(ask("ops"))
    assert ask("ops").get(path, headers={"if-none-match": tag}).status_code == 200


def test_a_list_is_walked_by_its_cursors_and_a_cursor_is_for_one_question(ask: Ask) -> None:
    names, after = [], ""
    while after is not None:
        part = ask("ops").get("/datasets", params={"limit": 1, "after": after}).json()
        names += [one["name"] for one in part["items"]]
        after, last = part["next"], after
    assert names == sorted(map(str, names))
    assert len(names) == 3
    for params in ({"domain": "aviation", "after": last}, {"after": "!"}, {"after": "e30"}):
        refused = ask("ops").get("/datasets", params=params)
        assert refused.status_code == 422
        assert "is not where this list goes on" in refused.json()["error"]["message"]


def test_the_same_key_is_answered_by_the_same_bytes_and_another_body_refused(ask: Ask) -> None:
    first = publish(ask("ops"), 1, idempotency_key="k1")
    publish(ask("ops"), 2)
    again = publish(ask("ops"), 1, idempotency_key="k1")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    other = publish(ask("ops"), 3, idempotency_key="k1")
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency-key-reused")
    assert ask("ops").get(f"/datasets/{FLIGHTS}/versions/3").status_code == 404


def test_a_version_says_where_it_is(ask: Ask) -> None:
    made = publish(ask("ops"))
    assert made.headers["location"] == f"/api/v1/datasets/{FLIGHTS}/versions/1"
    found = ask("ana").get(f"/datasets/{FLIGHTS}/versions/1")
    assert found.json()["version"] == made.json()
    assert ask("ana").get("/resolve", params={"name": str(FLIGHTS)}).json() == found.json()
    assert ask("ana").get("/resolve", params={"name": str(HOURLY)}).status_code == 404


def test_it_answers_to_loopback_names_only(api: str) -> None:
    refused = httpx.get(f"{api}/datasets", headers={"host": "evil.example"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (421, "misdirected")
    port = api.split(":")[2].partition("/")[0]
    for host in (f"localhost:{port}", "127.0.0.1", f"[::1]:{port}"):
        assert httpx.get(f"{api}/datasets", headers={"host": host}).status_code == 200


def test_a_page_of_another_site_changes_nothing(ask: Ask, api: str) -> None:
    own = api.removesuffix("/api/v1")
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ):
        refused = publish(ask("ops"), **headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "cross-site")
    assert publish(ask("ops"), origin=own, sec_fetch_site="same-origin").status_code == 201


def test_a_body_that_is_too_large_is_refused(ask: Ask) -> None:
    refused = ask("ops").post(
        f"/datasets/{FLIGHTS}/versions",
        content=b" " * ((16 << 20) + 1),
        headers={"content-type": "application/json"},
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too-large")


def test_a_change_without_a_condition_is_refused_and_one_with_an_old_one_fails(ask: Ask) -> None:
    sam, where = ask("sam"), f"/datasets/{FLIGHTS}"
    tag = sam.get(where).headers["etag"]
    bare = sam.patch(where, json={"description": "One."})
    assert (bare.status_code, bare.json()["error"]["code"]) == (428, "precondition-required")
    assert sam.patch(where, json={}, headers={"if-match": "*"}).status_code == 428
    done = sam.patch(where, json={"description": "One."}, headers={"if-match": tag})
    assert done.status_code == 200
    assert sam.get(where).headers["etag"] == done.headers["etag"] != tag
    for old in (tag, 'W/"1"', "nonsense"):
        stale = sam.patch(where, json={"description": "Two."}, headers={"if-match": old})
        assert (stale.status_code, stale.json()["error"]["code"]) == (412, "precondition-failed")
    assert sam.get(where).json()["dataset"]["description"] == "One."


def test_an_edit_repeated_by_its_key_is_answered_by_the_same_bytes(ask: Ask) -> None:
    sam, where = ask("sam"), f"/datasets/{FLIGHTS}"
    sent = {"if-match": sam.get(where).headers["etag"], "idempotency-key": "k1"}
    first = sam.patch(where, json={"description": "One."}, headers=sent)
    now = {"if-match": first.headers["etag"]}
    assert sam.patch(where, json={"description": "Two."}, headers=now).status_code == 200
    again = sam.patch(where, json={"description": "One."}, headers=sent)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["etag"] == first.headers["etag"]
    other = sam.patch(where, json={"description": "Three."}, headers=sent)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency-key-reused")
    assert sam.get(where).json()["dataset"]["description"] == "Two."


def test_a_former_name_leads_to_the_new_one_for_good(ask: Ask) -> None:
    ops, where = ask("ops"), f"/datasets/{FLIGHTS}"
    tag = ops.get(where).headers["etag"]
    renamed = ops.post(
        f"{where}/rename", json={"to": "aviation.departures"}, headers={"if-match": tag}
    )
    assert renamed.status_code == 200
    moved = ask("ana").get(where)
    assert moved.status_code == 308
    assert moved.headers["location"] == "/api/v1/datasets/aviation.departures"
    followed = ask("ana").get(where, follow_redirects=True)
    assert followed.json() == renamed.json()
    then = ask("ana").get(where, params={"as_of": "2026-03-01T12:00:00Z"})
    assert then.status_code == 200


def test_the_tag_of_a_dataset_moves_with_all_that_the_answer_says(ask: Ask) -> None:
    where = f"/datasets/{FLIGHTS}"
    for rows in (1, 2):
        publish(ask("ops"), rows)
        known = ask("ana").get(where)
        assert known.json()["latest"] == rows
        publish(ask("ops"), rows + 1)
        asked = {"if-none-match": known.headers["etag"]}
        again = ask("ana").get(where, headers=asked)
        assert (again.status_code, again.json()["latest"]) == (200, rows + 1)
        assert (
            ask("ana").get(where, headers={"if-none-match": again.headers["etag"]}).content == b""
        )
    stepped = {"description": "One."}  # a version more is not another word: both may be first
    done = ask("sam").patch(where, json=stepped, headers={"if-match": known.headers["etag"]})
    assert (done.status_code, done.json()["revision"]) == (200, 2)


def test_a_change_takes_the_tag_of_what_it_changes_and_of_nothing_else(ask: Ask) -> None:
    ops, where = ask("ops"), f"/datasets/{FLIGHTS}"
    publish(ops)
    own = ops.get(where).headers["etag"]
    others = [
        ops.get(f"/datasets/{HOURLY}").headers["etag"],
        ops.get(where, params={"as_of": "2026-03-01T12:00:00Z"}).headers["etag"],
        ops.get(f"{where}/versions/1").headers["etag"],
        f"W/{own}",
        '"urn-1"',
    ]
    for tag in others:
        for refused in (
            ops.patch(where, json={"description": "One."}, headers={"if-match": tag}),
            ops.post(f"{where}/rename", json={"to": "aviation.x"}, headers={"if-match": tag}),
            ops.put(f"{where}/contract", content=b"", headers=YAML | {"if-match": tag}),
        ):
            assert (refused.status_code, refused.json()["error"]["code"]) == (
                412,
                "precondition-failed",
            ), tag
    listed = {"if-match": f"{others[0]}, {own}"}
    assert ops.patch(where, json={"description": "One."}, headers=listed).status_code == 200


def test_a_change_of_whatever_there_is_says_why(ask: Ask) -> None:
    sam, where = ask("sam"), f"/datasets/{FLIGHTS}"
    anew = {"if-match": "*", "idempotency-key": "k1"}
    assert sam.patch(where, json={"description": "One."}, headers=anew).status_code == 428
    said = {"description": "One.", "reason": "whatever it said"}
    first = sam.patch(where, json=said, headers=anew)
    again = sam.patch(where, json=said, headers=anew)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("/tags/source.faa", {"name": "source.faa"}),
        ("/terms/late%2Fearly%20flight", {"name": "late/early flight", "definition": "Off."}),
        ("/people/person:new", {"id": "person:new"}),
        ("/domains/rail", {"name": "rail"}),
        ("/rules/r9", {"id": "r9", "actors": ["anyone"], "actions": ["read"]}),
    ],
)
def test_what_decides_about_access_is_changed_by_who_has_looked_at_it(
    ask: Ask, where: str, value: dict[str, object]
) -> None:
    gov = ask("gov")

    def put(headers: dict[str, str]) -> int:
        return gov.put(where, json={"value": value}, headers=headers).status_code

    assert (put({}), put({"if-match": '"1"'})) == (428, 412)
    assert (put({"if-none-match": "*"}), put({"if-none-match": "*"})) == (200, 412)
    tag = gov.get(where).headers["etag"]
    text = "definition" if "terms" in where else "name" if "people" in where else "description"
    if text != "name":
        changed = value | {text: "Said by somebody else."}
        done = gov.put(where, json={"value": changed}, headers={"if-match": tag})
        assert done.status_code == 200
        assert put({"if-match": tag}) == 412
        assert gov.delete(where, headers={"if-match": tag}).status_code == 412
        assert gov.get(where).json()[text] == "Said by somebody else."
    other = gov.get("/tags/personal").headers["etag"]
    assert put({"if-match": other}) == 412
    assert gov.delete(where).status_code == 428
    now = {"if-match": gov.get(where).headers["etag"]}
    assert gov.delete(where, headers=now).status_code == 200
    assert gov.get(where).status_code == 404


def test_a_declaration_and_definitions_are_changed_by_who_has_looked_at_them(ask: Ask) -> None:
    gov, where = ask("gov"), f"/datasets/{FLIGHTS}"
    first = gov.get(where)
    value = first.json()["dataset"]
    said = {"value": value | {"description": "Whole."}}
    assert gov.put(f"{where}/declaration", json=said).status_code == 428
    tag = {"if-match": first.headers["etag"]}
    edited = ask("sam").patch(where, json={"description": "Edited."}, headers=tag)
    assert edited.status_code == 200
    assert gov.put(f"{where}/declaration", json=said, headers=tag).status_code == 412
    assert gov.delete(where, headers=tag).status_code == 412
    assert gov.delete(where).status_code == 428
    assert gov.get(where).json()["dataset"]["description"] == "Edited."
    now = {"if-match": edited.headers["etag"]}
    assert gov.put(f"{where}/declaration", json=said, headers=now).status_code == 200

    dev, place = ask("dev"), "/projects/delays/definitions"
    body = {"definitions": json.loads(to_json(VISIBLE))}
    assert dev.put(place, json=body).status_code == 428
    assert dev.put(place, json=body, headers={"if-none-match": "*"}).status_code == 204
    assert dev.put(place, json=body, headers={"if-none-match": "*"}).status_code == 412
    seen = {"if-match": dev.get(place).headers["etag"]}
    assert dev.put(place, json=body, headers=seen).status_code == 204


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/notes", '{"kind":"features:push","subject":"x","detail":{"a":1e400}}', "body.detail"),
        ("/notes", '{"kind":"features:push","subject":"x","detail":{"a":NaN}}', "body.detail"),
        (
            "/notes",
            json.dumps({"kind": "features:push", "subject": "x", "detail": {"a": "x" * 10_001}}),
            "body.detail",
        ),
        (
            "/grants",
            '{"dataset":"aviation.flights","grantee":"person:ana",'
            '"until":"9999-12-31T23:59:59-23:59"}',
            "body.until",
        ),
    ],
)
def test_a_body_with_what_is_kept_nowhere_is_refused_in_words(
    ask: Ask, path: str, body: str, where: str
) -> None:
    sent = {"content-type": "application/json"}
    refused = ask("sam").post(path, content=body, headers=sent)
    assert refused.status_code == 422
    assert [problem["where"] for problem in refused.json()["error"]["problems"]] == [where]


def test_of_those_who_declare_a_dataset_at_once_one_does_and_the_others_are_told(ask: Ask) -> None:
    said = {"ref": {"domain": "aviation", "name": "raced"}, "owner": "team:ops", "format": "csv"}

    def declare(number: int) -> tuple[int, str]:
        value = said | {"description": f"Of {number}."}
        answer = ask("gov").post("/datasets", json={"value": value})
        return answer.status_code, f"Of {number}."

    with ThreadPoolExecutor(4) as racing:
        told = list(racing.map(declare, range(4)))
    assert sorted(status for status, _ in told) == [201, 409, 409, 409]
    (won,) = (description for status, description in told if status == 201)
    assert ask("gov").get("/datasets/aviation.raced").json()["dataset"]["description"] == won


def test_a_plan_is_applied_by_who_has_looked_at_it(ask: Ask) -> None:
    gov = ask("gov")
    said = {"desired": gov.get("/governance").json()}
    said["desired"]["purposes"]["audit"] = "Look."
    planned = gov.post("/governance/plan", json=said)
    tag = {"if-match": planned.headers["etag"]}
    assert gov.post("/governance/apply", json=said).status_code == 428
    said["desired"]["purposes"]["audit"] = "Look closely."
    assert gov.post("/governance/apply", json=said, headers=tag).status_code == 412
    said["desired"]["purposes"]["audit"] = "Look."
    assert gov.post("/governance/apply", json=said, headers=tag).status_code == 200
    assert gov.get("/governance").json()["purposes"]["audit"] == "Look."
    assert gov.post("/governance/apply", json=said, headers=tag).status_code == 412


def test_a_key_is_refused_where_nothing_is_kept_by_it(ask: Ask) -> None:
    key = {"idempotency-key": "k1"}
    for method, path, body in (
        ("POST", f"/datasets/{FLIGHTS}/rename", {"to": "aviation.hops"}),
        ("POST", "/datasets", {}),
        ("DELETE", "/tags/personal", None),
    ):
        refused = ask("gov").request(method, path, json=body, headers=key)
        assert refused.status_code == 422
        assert "header.idempotency-key" in [
            problem["where"] for problem in refused.json()["error"]["problems"]
        ]
    assert ask("gov").get("/datasets", headers=key).status_code == 200
