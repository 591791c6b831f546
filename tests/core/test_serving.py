from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core import derivation
from provender.core.errors import NotFound
from provender.core.features import FieldSpec
from provender.core.names import FeatureRef
from provender.core.serving import ServedView, compile_manifest, serve_view
from tests.core.repo import NOW, REPO, TEMP, WEATHER, WIND

FIELDS = st.lists(
    st.builds(
        FieldSpec,
        name=st.from_regex(r"[a-z_]{1,3}", fullmatch=True),
        type=st.sampled_from(["int64", "float64", "string"]),
    ),
    max_size=4,
    unique_by=lambda field: field.name,
).map(tuple)


def layout(columns: tuple[FieldSpec, ...]) -> list[tuple[str, str]]:
    return [(column.name, column.type) for column in columns]


@given(st.tuples(FIELDS, FIELDS), st.tuples(FIELDS, FIELDS))
def test_the_fingerprint_changes_exactly_with_names_types_and_order_of_keys_and_columns(
    one: tuple[tuple[FieldSpec, ...], ...], other: tuple[tuple[FieldSpec, ...], ...]
) -> None:
    prints = [
        ServedView(name="v", join_keys=keys, columns=columns).fingerprint
        for keys, columns in (one, other)
    ]
    same = [layout(fields) for fields in one] == [layout(fields) for fields in other]
    assert (prints[0] == prints[1]) == same
    assert len(prints[0]) == 4


def test_a_key_from_another_column_changes_the_fingerprint_and_a_feature_from_another_does_not() -> (
    None
):
    served = serve_view(WEATHER)
    key = replace(served.join_keys[0], column="elsewhere")
    feature = replace(served.columns[0], column="elsewhere")
    assert replace(served, join_keys=(key,)).fingerprint != served.fingerprint
    features = (feature, *served.columns[1:])
    assert replace(served, columns=features).fingerprint == served.fingerprint


def test_the_fingerprint_never_changes_between_releases() -> None:
    assert serve_view(WEATHER).fingerprint.hex() == "74398e7f"


def test_columns_are_sorted_because_feast_does_not_keep_their_order() -> None:
    turned = replace(WEATHER, features=(WIND, TEMP))
    assert serve_view(turned) == serve_view(WEATHER)
    assert [column.name for column in serve_view(turned).columns] == ["temp", "wind"]


def test_a_ttl_of_zero_is_unbounded() -> None:
    assert serve_view(replace(WEATHER, ttl=timedelta(0))).ttl is None
    assert serve_view(WEATHER).ttl == timedelta(hours=2)


def test_only_online_views_are_served_and_closed_features_say_why() -> None:
    offline = replace(WEATHER, name="history", online=False)
    closed = {FeatureRef("weather", "wind"): "tagged personal"}
    until = {FeatureRef("weather", "temp"): NOW}
    manifest = compile_manifest(
        replace(REPO, views=(WEATHER, offline)), closed=closed, open_until=until, now=NOW
    )
    assert [view.name for view in manifest.views] == ["weather"]
    assert manifest.closed == {"weather:wind": "tagged personal"}
    assert manifest.open_until == {"weather:temp": NOW}
    assert manifest.repo_digest == replace(REPO, views=(WEATHER, offline)).digest


def test_the_digest_is_of_what_is_served_and_not_of_when_it_was_compiled() -> None:
    manifest = compile_manifest(REPO, closed={}, open_until={}, now=NOW)
    later = compile_manifest(REPO, closed={}, open_until={}, now=NOW + timedelta(1))
    assert later.digest == manifest.digest
    shut = compile_manifest(
        REPO, closed={FeatureRef("weather", "temp"): "x"}, open_until={}, now=NOW
    )
    assert shut.digest != manifest.digest
    assert replace(manifest, entity_key="0badcafe").digest != manifest.digest


def test_what_is_not_served_is_answered_with_a_near_one() -> None:
    manifest = compile_manifest(REPO, closed={}, open_until={}, now=NOW)
    assert manifest.view("weather").name == "weather"
    assert manifest.service("delay").name == "delay"
    with pytest.raises(NotFound, match="did you mean weather"):
        manifest.view("wether")
    with pytest.raises(NotFound, match="did you mean delay"):
        manifest.service("dely")


def test_the_part_of_a_part_of_the_definitions_has_nothing_of_the_rest() -> None:
    shut = {FeatureRef("weather", "temp"): "x"}
    manifest = compile_manifest(REPO, closed=shut, open_until={}, now=NOW)
    assert manifest.of(REPO) == manifest
    part = manifest.of(derivation.part(REPO, ()))
    assert (part.views, part.on_demand, part.services, part.closed) == ((), (), (), {})
    assert part.repo_digest == REPO.digest


def test_why_rows_are_not_taken_is_part_of_what_is_served() -> None:
    open_ = compile_manifest(REPO, closed={}, open_until={}, now=NOW)
    shut = compile_manifest(
        REPO, closed={}, open_until={}, write_closed={"weather": "no rule"}, now=NOW
    )
    assert (open_.view("weather").write_closed, shut.view("weather").write_closed) == (
        "",
        "no rule",
    )
    assert shut.digest != open_.digest
