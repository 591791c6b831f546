"""Where things come from, and what breaks without a column, at the command line."""

import pytest

from provender.catalog.local import LocalCatalog
from provender.core.features import FieldSpec, OnDemandSpec, RepoSpec, ServiceSpec, ViewSpec
from provender.core.names import DatasetRef, FeatureRef
from tests.cli.conftest import copied, running, written

ORDERS = DatasetRef("shop", "orders")
REPO = RepoSpec(
    project="sales",
    views=(
        ViewSpec(
            name="spending",
            entities=(),
            join_keys=(FieldSpec(name="customer", type="string"),),
            features=(FieldSpec(name="spent", type="float64", column="amount"),),
            dataset=ORDERS,
            event_timestamp="ordered_at",
        ),
        ViewSpec(
            name="weather",
            entities=(),
            join_keys=(),
            features=(FieldSpec(name="temp", type="float64"),),
            dataset=None,
            event_timestamp="at",
        ),
    ),
    on_demand=(
        OnDemandSpec(
            name="rounded",
            inputs=(FeatureRef("spending", "spent"),),
            request=(),
            features=(FieldSpec(name="rounded", type="float64"),),
            module="features",
            function="rounded",
            code_digest="sha256:0",
        ),
    ),
    services=(ServiceSpec(name="churn_v1", features=(FeatureRef("spending", "spent"),)),),
)


@pytest.fixture(scope="module")
def defined_home(tmp_path_factory, published_home):
    """A home with shop.orders, and a view over it that a service asks."""
    home = written(tmp_path_factory.mktemp("defined"))
    copied(published_home, home)
    rules = home / "catalog" / "policies" / "all.yml"
    define = "- {id: shop-defines, description: D., actors: [team:shop], actions: [define], datasets: ['*']}\n"
    rules.write_text(rules.read_text() + define)
    with running(home) as run:
        assert run("governance", "apply").code == 0
    url = f"sqlite:///{home / '.provender' / 'catalog.db'}"
    with LocalCatalog(url, actor="person:sam") as catalog:
        catalog.record(REPO)
    return home


@pytest.fixture
def defined(run, home, defined_home):
    copied(defined_home, home)
    return run


def test_a_dataset_shows_what_was_made_from_it_and_a_direction_narrows(defined):
    around = defined("lineage", "node", "shop.orders")
    assert around.code == 0, around.err
    assert "feature-view:sales/spending" in around.out
    assert "feature-service:sales/churn_v1" in around.out
    above = defined("lineage", "node", "shop.orders", "--direction", "upstream", "--json").json
    assert [(e["upstream"]["name"], e["downstream"]["name"]) for e in above["edges"]] == [
        ("shop.orders@1", "shop.orders")
    ]
    below = defined(
        "lineage", "node", "shop.orders", "--direction", "downstream", "--depth", "1", "--json"
    ).json
    assert {e["downstream"]["name"] for e in below["edges"]} == {"shop.orders", "sales/spending"}
    assert (below["columns"], below["truncated"]) == ([], False)


def test_columns_are_shown_with_how_they_are_known(defined):
    shown = defined("lineage", "node", "feature-view:sales/spending", "--columns").out
    (line,) = [line for line in shown.splitlines() if "amount" in line]
    assert line.split() == [
        *("dataset:shop.orders", "amount"),
        *("feature-view:sales/spending", "spent"),
        "declared",
    ]


def test_what_breaks_without_a_column_is_listed_nearest_first(defined):
    hit = defined("lineage", "impact", "shop.orders", "amount", "--json").json
    assert [(b["node"]["name"], b["column"], b["steps"]) for b in hit["breaks"]] == [
        ("sales/spending", "spent", 1),
        ("sales/churn_v1", "spending:spent", 2),
        ("sales/rounded", "rounded", 2),
    ]
    key = defined("lineage", "impact", "dataset:shop.orders", "customer").out
    assert "churn_v1" in key


def test_a_column_that_is_not_there_is_not_called_safe_to_go(defined):
    typo = defined("lineage", "impact", "shop.orders", "amuont")
    assert (typo.code, typo.out) == (3, "")
    assert "column of dataset:shop.orders 'amuont' not found" in typo.err
    assert "did you mean amount?" in typo.err


@pytest.mark.parametrize(
    ("node", "typo", "meant"),
    [
        ("feature-view:sales/spending", "spnet", "spent"),
        ("on-demand-view:sales/rounded", "roundd", "rounded"),
        ("feature-service:sales/churn_v1", "spending:spnt", "spending:spent"),
    ],
)
def test_a_feature_that_is_not_there_is_not_called_safe_to_go(defined, node, typo, meant):
    wrong = defined("lineage", "impact", node, typo)
    assert (wrong.code, wrong.out) == (3, "")
    assert f"column of {node} '{typo}' not found" in wrong.err
    assert f"did you mean {meant}?" in wrong.err
    assert defined("lineage", "impact", node, meant).code == 0


def test_a_feature_of_a_file_that_no_catalog_governs_is_known_all_the_same(defined):
    free = defined("lineage", "impact", "feature-view:sales/weather", "temp")
    assert free.code == 0, free.err
    assert "nothing is known to break without temp" in free.out


def test_what_is_made_from_a_dataset_as_a_whole_is_named_beside_columns_that_lead_nowhere(
    defined, home
):
    totals = {"description": "D.", "owner": "team:shop", "format": "parquet"}
    file = home / "catalog" / "datasets" / "shop" / "totals.yml"
    lines = (f"{key}: {value}\n" for key, value in totals.items())
    file.write_text("name: shop.totals\n" + "".join(lines))
    assert defined("governance", "apply").code == 0
    made = ("dataset", "publish", "shop.totals", home / "orders.parquet")
    assert defined(*made, "--input", "shop.orders@1").code == 0
    hit = defined("lineage", "impact", "shop.orders", "ordered_at")
    assert hit.code == 0, hit.err
    assert "dataset:shop.totals" in hit.err
    assert "spending" not in hit.err, "its columns are told of"
    machine = defined("lineage", "impact", "shop.orders", "ordered_at", "--json").json
    assert [node["name"] for node in machine["unattributed"]] == ["shop.totals"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("node", "shop.ordrs"), 3, "did you mean shop.orders?"),
        (("node", "table:shop.orders"), 2, "is not a node of the lineage"),
        (("node", "shop.orders", "--depth", "0"), 2, "0 is not in the range"),
        (("impact", "feature-view:sales/nothing", "x"), 3, "sales/spending"),
    ],
)
def test_mistakes_are_said_in_words(defined, arguments, code, says):
    wrong = defined("lineage", *arguments)
    assert (wrong.code, wrong.out) == (code, "")
    assert says in wrong.err
