"""What of features there is for who gets a part: `core.parted`."""

from datetime import UTC, datetime

import pytest

from provender.core.effects import Mask
from provender.core.errors import Denied
from provender.core.features import FieldSpec, RepoSpec, ViewSpec
from provender.core.filters import Filter
from provender.core.names import DatasetRef
from provender.core.parted import WHOLE, Parts, permitted, untold
from provender.core.policy import Action, ColumnRef, Permit

T0 = datetime(2026, 1, 1, tzinfo=UTC)
VIEW = ViewSpec(
    name="v",
    entities=("e",),
    join_keys=(FieldSpec(name="id", type="int64"),),
    features=(
        FieldSpec(name="name", type="string", column="full_name"),
        FieldSpec(name="region", type="string"),
        FieldSpec(name="share", type="float32"),
        FieldSpec(name="tags", type="set<string>"),
    ),
    dataset=DatasetRef("shop", "orders"),
    event_timestamp="at",
)
REPO = RepoSpec(project="p", views=(VIEW,))


def permit(**parts: object) -> Permit:
    columns = frozenset(ColumnRef("shop.orders", f.source_column) for f in VIEW.features)
    return Permit(
        decision="dec_1",
        actor="person:ana",
        action=Action.SERVE,
        purpose="serving",
        columns=columns,
        decided_at=T0,
        **parts,  # type: ignore[arg-type]
    )


def test_a_permit_for_columns_is_one_for_the_features_made_of_them():
    some = permit(
        masks=((ColumnRef("shop.orders", "full_name"), Mask.parse("hash")),),
        filters=(("shop.orders", Filter("region = 'north'")),),
        computes=frozenset({ColumnRef("shop.orders", "tags")}),
    )
    found = permitted(some, REPO, ["v:name", "v:tags", "other:x"])
    assert found == Parts(
        masks={"v:name": "hash"},
        filters=dict.fromkeys(["v:name", "v:tags"], "region = 'north'"),
        computes=("v:tags",),
    )
    assert found.refusal(["v:name", "v:tags"]).startswith("feature v:tags may feed")
    assert found.refusal(["v:name"]) == ""
    assert found.of("v:name") == "masked: hash; only rows with region = 'north'"
    assert found.of("v:region") == ""
    assert permitted(permit(), REPO, ["v:name"]) == WHOLE


@pytest.mark.parametrize("column", ["id", "at"])
def test_rows_are_not_found_by_what_is_masked(column: str):
    masks = ((ColumnRef("shop.orders", column), Mask.parse("hash")),)
    with pytest.raises(Denied, match=rf"found by shop\.orders\.{column} \(masked: hash\)"):
        permitted(permit(masks=masks), REPO, ["v:name"])


def test_what_is_for_computing_finds_rows_and_does_not_come_with_them():
    key = permit(computes=frozenset({ColumnRef("shop.orders", "id")}))
    assert permitted(key, REPO, ["v:name"]) == WHOLE
    with pytest.raises(Denied, match=r"may compute with shop\.orders\.at"):
        permitted(permit(computes=frozenset({ColumnRef("shop.orders", "at")})), REPO, ["v:name"])


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("gone = 1", "no column 'gone'"),
        ("region = 1", "cannot be compared"),
        ("share > 0.1", "no column 'share'"),  # rounded online
        ("tags is null", "no column 'tags'"),
        ("name = 'a'", "no column 'name'"),  # the column is called full_name
        ("region = actor.region", "actor.region is not known"),
    ],
)
def test_a_filter_that_rows_do_not_tell_is_refused(rows: str, why: str):
    assert why in untold([Filter("region = 'x'"), Filter(rows)], VIEW)
    with pytest.raises(Denied, match="which rows online do not tell"):
        permitted(permit(filters=(("shop.orders", Filter(rows)),)), REPO, ["v:name"])


def test_of_two_parts_the_stricter_mask_and_the_rows_of_both_are_left():
    one = Parts(
        masks={"v:name": "truncate(3)", "v:region": "hash"},
        filters={"v:name": "a = 1", "v:region": "a = 1"},
        computes=("v:x",),
    )
    other = Parts(masks={"v:name": "hash"}, filters={"v:name": "b = 2"}, computes=("v:w",))
    both = one.within(other)
    assert both == Parts(
        masks={"v:name": "hash", "v:region": "hash"},
        filters={"v:name": "a = 1 and b = 2", "v:region": "a = 1"},
        computes=("v:w", "v:x"),
    )
    assert both == other.within(one)
    assert one.within(WHOLE) == one
    assert both.rows(["v:region", "v:other"]) == Filter("a = 1")
    assert both.rows(["v:other"]) is None
    assert bool(both)
    assert not WHOLE
