"""What each command does, says and exits with."""

import re
import socket
from datetime import UTC, datetime

import pytest

from tests.cli.conftest import orders


def test_governance_is_planned_then_applied_then_kept(run):
    planned = run("governance", "plan")
    assert "add" in planned.out
    assert "13 would change, 0 as they were" in planned.out
    assert "applied" in run("governance", "apply").out
    again = run("governance", "apply")
    assert "nothing changes" in again.out
    assert again.out.splitlines()[-1].startswith("0 applied")


def test_publishing_again_is_the_same_version(published, home):
    again = published("dataset", "publish", "shop.orders", home / "orders.parquet")
    assert again.out.startswith("shop.orders@1 sha256:")
    more = orders(home / "more.parquet", amounts=[1.0])
    assert published("dataset", "publish", "shop.orders", more).out.startswith("shop.orders@2 ")


def test_a_breaking_schema_needs_a_reason(published, home):
    broken = orders(home / "broken.parquet", amounts=["1.0"])
    refused = published("dataset", "publish", "shop.orders", broken)
    assert refused.code == 5
    assert "amount changed from float64 to string" in refused.err
    accepted = published("dataset", "publish", "shop.orders", broken, "--breaking", "cents as text")
    assert accepted.out.startswith("shop.orders@2 ")


def test_a_dataset_is_shown_with_its_versions_and_files(published):
    shown = published("dataset", "show", "shop.orders@1")
    for expected in (
        "One row per order.",
        "team:shop",
        "person:sam",
        "personal.direct",
        "ordered_at",
        "float64",
    ):
        assert expected in shown.out
    machine = published("dataset", "show", "shop.orders", "--json").json
    (version,) = machine["versions"]
    assert version["manifest"]["row_count"] == 3
    assert version["manifest"]["files"][0]["sha256"]


def test_how_fresh_a_dataset_is_promised_to_be_is_told_in_its_largest_whole_unit(published, home):
    file = home / "catalog" / "datasets" / "shop" / "orders.yml"
    said = file.read_text()
    for written, told in (("36h", "36 h"), ("48h", "2 d"), ("PT90M", "90 min")):
        file.write_text(f"{said}fresh_within: {written}\n")
        assert published("governance", "apply").code == 0
        shown = published("dataset", "show", "shop.orders").out
        (line,) = [line for line in shown.splitlines() if line.startswith("fresh within")]
        assert line.split(maxsplit=2)[2] == told


def test_datasets_are_listed_and_found(published):
    assert published("dataset", "list", "--json").json[0]["name"] == "shop.orders"
    assert published("dataset", "list", "--domain", "shop", "--json").json[0]["latest"] == 1
    assert published("dataset", "list", "--owner", "person:max").out == "none fits\n"
    found = published("search", "order", "amount", "--json").json
    assert "shop.orders" in [hit["name"] for hit in found["hits"]]
    assert found["total"] == len(found["hits"])


def test_values_that_nothing_has_are_named_with_a_near_one(published):
    typo = published("search", "orders", "--domain", "shpo", "--owner", "team:shop")
    assert (typo.code, typo.out) == (0, "nothing fits that you may discover\n")
    assert typo.err == "nothing that you may see is of domain 'shpo'; did you mean shop?\n"
    assert "has the tag" not in published("search", "orders", "--tag", "personal.direct").err
    both = published("search", "--tag", "persnal.direct", "--format", "parqet").err
    assert "has the tag 'persnal.direct'; did you mean personal.direct?" in both
    assert "is in format 'parqet'; did you mean parquet?" in both
    elsewhere = published("search", "nothinglikethis", "--domain", "shop")
    assert "is of domain" not in elsewhere.err, "the domain is not what does not fit"
    listed = published("dataset", "list", "--domain", "shpo", "--tag", "personal.direct")
    assert (listed.code, listed.out) == (0, "none fits\n")
    assert listed.err == typo.err
    assert published("dataset", "list", "--domain", "shop").err == ""


def test_a_long_description_ends_at_a_word(published, home):
    said = " ".join(f"word{n:03}" for n in range(60))
    file = home / "catalog" / "datasets" / "shop" / "orders.yml"
    file.write_text(file.read_text().replace("One row per order.", said))
    assert published("governance", "apply").code == 0
    told = published("search", "orders").out
    assert "word036" in told
    assert "…" in told
    assert set(re.findall(r"word\w*", told)) == {f"word{n:03}" for n in range(37)}


def test_what_is_found_is_narrowed_counted_and_explained(published):
    chosen = published("search", "--domain", "shop", "--format", "parquet", "--json").json
    assert [hit["name"] for hit in chosen["hits"]] == ["shop.orders"]
    told = published("search", "ordrs", "--explain", "--facets")
    assert "ordrs is read as orders" in told.err
    assert "300 every word in the name" in told.out
    assert "shop" in told.out
    assert "nothing fits" in published("search", "orders", "--format", "csv").out
    refused = published("search", "orders", "--state", "gone")
    assert refused.code != 0
    assert "state 'gone' not found" in refused.err
    assert "there are: deprecated, draft, published, quarantined, recalled" in refused.err
    late = published("search", "orders", "--as-of", "2000-01-01")
    assert "history begins at" in late.err


def test_verify_finds_a_flipped_byte(published, home):
    assert "are what was published" in published("dataset", "verify", "shop.orders").out
    (file,) = (home / ".provender" / "lake" / "shop" / "orders").rglob("*.parquet")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)
    broken = published("dataset", "verify", "shop.orders")
    assert broken.code == 6
    assert file.name in broken.err


def test_access_is_denied_explained_granted_and_revoked(published):
    ask = (
        "access",
        "explain",
        "shop.orders",
        "--columns",
        "customer,amount",
        "--purpose",
        "training",
    )
    before = published(*ask, "--json", actor="person:ana").json
    assert [reason["allowed"] for reason in before["reasons"]] == [True, False]
    stranger = published("access", "grant", "shop.orders", "--to", "person:max", actor="person:max")
    assert stranger.code == 4
    granted = published(
        "access", "grant", "shop.orders", "--to", "person:ana", "--columns", "customer",
        "--purpose", "training", "--until", "2999-01-01", "--json",
    )  # fmt: skip
    after = published(*ask, "--json", actor="person:ana").json
    assert all(reason["allowed"] for reason in after["reasons"])
    assert "person:ana" in published("access", "list", "shop.orders").out
    published("access", "revoke", granted.json["id"])
    assert not all(
        r["allowed"] for r in published(*ask, "--json", actor="person:ana").json["reasons"]
    )
    kinds = [event["kind"] for event in published("audit", "list", "--json").json]
    narrowed = ("audit", "list", "--kind", "dataset:publish", "--subject", "shop.orders", "--json")
    assert {event["kind"] for event in published(*narrowed).json} == {"dataset:publish"}
    assert (
        published("audit", "list", "--actor", "person:nobody").out == "nothing that you may see\n"
    )
    assert {"access:grant", "access:revoke", "dataset:publish", "governance:apply"} <= set(kinds)
    assert "the chain holds" in published("audit", "verify").out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("dataset", "show", "shop.ordres"), 3, "did you mean shop.orders"),
        (("dataset", "show", "shop.orders@7"), 3, "shop.orders@7 not found"),
        (("dataset", "show", "orders"), 2, "write domain.name"),
        (("dataset", "show", "shop.orders@x"), 2, "versions are whole numbers"),
        (("dataset", "publish", "shop.orders", "nowhere.parquet"), 2, "there is no file nowhere.parquet"),
        (("dataset", "publish", "shop.returns", "orders.parquet"), 3, "shop.returns"),
        (("access", "grant", "shop.orders", "--to", "sam"), 2, "person:name"),
        (("access", "grant", "shop.orders", "--to", "person:max", "--columns", "custmer"), 3, "did you mean customer"),
        (("access", "explain", "shop.orders", "--columns", "custmer"), 3, "did you mean customer"),
        (("access", "revoke", "g99"), 3, "g99"),
        (("training", "show", "ts_0000"), 3, "ts_0000"),
        (("model", "show", "fare"), 3, "model 'fare' not found"),
        (("model", "show", "fare@x"), 2, "'fare@x' is not the name of a model"),
        (("model", "record", "fare", "--training-set", "ts_0"), 2, "a model is one file"),
        (("model", "record", "fare", "--training-set", "ts_0", "--artifact", "nowhere"), 2, "'nowhere' is no file"),
        (("model", "record", "fare", "--training-set", "ts_0", "--artifact", "orders.parquet"), 3, "ts_0"),
        (("model", "record", "fare", "--training-set", "ts_0", "--artifact", "x", "--metric", "auc"), 2, "--metric 'auc' is no metric"),
        (("model", "record", "fare", "--training-set", "ts_0", "--artifact", "x", *("--metric", "a=1") * 2), 2, "--metric a is said twice"),
        (("model", "record", "fare", "--training-set", "ts_0", "--artifact", f"sha256:{'a' * 64}"), 3, "ts_0"),
        (("governance", "apply", "nowhere"), (2, 3), "nowhere"),
        (("features", "apply", "nowhere"), 3, "feature_store.yaml"),
    ],
)  # fmt: skip
def test_mistakes_end_with_words_a_hint_and_a_code(published, arguments, code, says):
    failed = published(*arguments)
    assert failed.code in (code if isinstance(code, tuple) else (code,))
    assert failed.out == ""
    assert failed.err.startswith("error: ")
    assert "hint: " in failed.err
    assert says in failed.err


def test_an_error_is_json_too(published):
    failed = published("dataset", "show", "shop.ordres", "--json")
    assert '"error": "not-found"' in failed.err
    assert failed.code == 3


def test_an_outsider_may_not_publish(governed, home):
    denied = governed(
        "dataset", "publish", "shop.orders", home / "orders.parquet", actor="person:max"
    )
    assert denied.code == 4
    assert "person:sam" in denied.err
    assert not list((home / ".provender" / "lake").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("ordered_at", ["yesterday", "today", "now"], "ordered_at"),
        ("ordered_at", [None, datetime(2026, 1, 1, tzinfo=UTC), None], "ordered_at"),
    ],
    ids=["text for a timestamp", "a null timestamp"],
)
def test_rows_that_do_not_fit_the_declaration_leave_nothing_behind(
    governed, home, column, values, says
):
    bad = orders(home / "bad.parquet", amounts=[1.0, 2.0, 3.0], **{column: values})
    failed = governed("dataset", "publish", "shop.orders", bad)
    assert failed.code == 2
    assert says in failed.err
    assert not list((home / ".provender" / "lake").rglob("*.parquet"))
    assert governed("dataset", "show", "shop.orders", "--json").json["versions"] == []


def test_settings_are_checked_by_name(run):
    unknown = run("status", PROVENDER_HOEM="x")
    assert unknown.code == 2
    assert "did you mean PROVENDER_HOME" in unknown.err
    malformed = run("status", PROVENDER_REDIS_URL="http://elsewhere")
    assert "PROVENDER_REDIS_URL" in malformed.err


def test_a_state_folder_that_cannot_be_made_is_named(run, home):
    (home / "file").write_text("")
    failed = run("governance", "apply", PROVENDER_HOME=home / "file" / "home")
    assert failed.code == 2
    assert "file/home" in failed.err
    assert "PROVENDER_HOME" in failed.err


def test_a_foreign_catalog_file_is_not_touched(run, home):
    home_folder = home / "other"
    home_folder.mkdir()
    (home_folder / "catalog.db").write_bytes(b"not a database at all" * 100)
    failed = run("dataset", "list", PROVENDER_HOME=home_folder)
    assert failed.code != 0
    assert "catalog.db" in failed.err
    assert (home_folder / "catalog.db").read_bytes().startswith(b"not a database")


def test_a_taken_port_is_said(published):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        failed = published("serve", "web", "--port", port)
        assert failed.code == 7
        assert f"127.0.0.1:{port}" in failed.err


def test_serving_before_anything_is_applied_says_what_to_do(published):
    failed = published("serve", "online", "--port", "0")
    assert failed.code == 3
    assert "features apply" in failed.err


def test_status_shows_where_everything_is_and_no_password(published):
    shown = published("status", "--json", PROVENDER_REDIS_URL="redis://:secret@127.0.0.1:6379/0")
    assert shown.json["datasets"] == 1
    assert "secret" not in shown.out


def test_down_with_nothing_up_is_fine(published):
    assert published("down").out == "nothing was running\n"


def test_timestamps_without_a_zone_are_refused_unless_said_to_be_utc(governed, home):
    import pyarrow as pa

    naive = pa.array([1_700_000_000_000_000], pa.timestamp("us"))
    path = orders(home / "naive.parquet", amounts=[1.0], ordered_at=naive)
    refused = governed("dataset", "publish", "shop.orders", path)
    assert refused.code == 2
    assert "ordered_at" in refused.err
    assert "zone" in refused.err
    assert governed("dataset", "publish", "shop.orders", path, "--assume-utc").out.startswith(
        "shop.orders@1"
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (("dataset", "publish", "shop.orders", "catalog/people.yml"), {}, "does not begin as Parquet does"),
        (("dataset", "publish", "shop.orders", "catalog"), {}, "there is no file"),
        (("serve", "online", "--port", "99999"), {}, "99999"),
        (("audit", "list", "--limit", "99999999999999999999"), {}, "limit"),
        (("status",), {"PROVENDER_HOME": "orders.parquet"}, "orders.parquet"),
        (("training", "create", "orders.parquet", "--service", "s", "--out", "nowhere/x.parquet"), {}, "nowhere"),
    ],
)  # fmt: skip
def test_odd_input_never_ends_in_a_traceback(published, arguments, environment, says):
    failed = published(*arguments, **environment)
    said = failed.err + failed.out
    assert says in said
    assert "Traceback" not in said
    assert failed.code == 2 or arguments == ("status",)


@pytest.mark.parametrize("name", ["PROVENDER_REDIS_URL", "PROVENDER_CATALOG_URL"])
def test_a_malformed_url_is_named_without_its_password(run, name):
    failed = run("status", **{name: "http://user:secretword@host/0"})
    assert name in failed.err
    assert "secretword" not in failed.err


def test_the_lake_is_no_way_around_the_gate(published, home):
    (file,) = (home / ".provender" / "lake" / "shop" / "orders").rglob("*.parquet")
    (home / "link.parquet").symlink_to(file)
    for path in (file, home / "link.parquet"):
        refused = published("dataset", "publish", "shop.orders", path, actor="person:sam")
        assert refused.code == 4
        assert "in the lake" in refused.err


def test_publishing_older_rows_makes_them_the_latest_unless_that_was_done_before(published, home):
    more = orders(home / "more.parquet", amounts=[1.0])
    published("dataset", "publish", "shop.orders", more)
    older = ("dataset", "publish", "shop.orders", home / "orders.parquet")
    again = published(*older, "--parent", "0")
    assert again.out.startswith("shop.orders@1 ")
    assert "the latest is @2" in again.out
    assert published(*older, "--parent", "1").code == 5
    back = published(*older)
    assert back.out.startswith("shop.orders@3 ")
    assert "the latest" not in back.out


def test_a_refused_version_leaves_nothing_in_the_lake(published, home):
    lake = home / ".provender" / "lake"
    before = sorted(path for path in lake.rglob("*") if ".staging" not in path.parts)
    broken = orders(home / "broken.parquet", amounts=["1.0"])
    more = orders(home / "more.parquet", amounts=[1.0])
    assert published("dataset", "publish", "shop.orders", broken).code == 5
    assert published("dataset", "publish", "shop.orders", more, "--parent", "7").code == 5
    assert sorted(path for path in lake.rglob("*") if ".staging" not in path.parts) == before


def test_up_before_anything_is_applied_shows_the_pages_only(published, home):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = published("up", "--web-port", port)
    try:
        assert started.code == 0, started.err
        assert f"http://127.0.0.1:{port}" in started.out
        assert "features apply" in started.err
        assert "already running" in published("up", "--web-port", port).out
    finally:
        assert "stopped web" in published("down").out


def test_up_with_a_taken_port_starts_nothing(published, home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        failed = published("up", "--web-port", taken.getsockname()[1])
    assert failed.code == 7
    assert "--web-port" in failed.err
    assert published("down").out == "nothing was running\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROVENDER_MEMORY_LIMIT", "lots"),
        ("PROVENDER_CLOCK", "2013-01-01T00:00:00"),
        ("PROVENDER_REDIS_URL", "redis://h:xx/0"),
        ("PROVENDER_THREADS", "0"),
        ("PROVENDER_ACTOR", "Ana"),
        ("PROVENDER_CATALOG_URL", "http://[::1"),
        ("PROVENDER_CATALOG_URL", "http://h:99999"),
    ],
)
def test_a_malformed_setting_is_named(run, name, value):
    failed = run("status", **{name: value})
    assert failed.code == 2
    assert name in failed.err
