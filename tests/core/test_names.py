from difflib import get_close_matches

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef, FeatureRef, check_name, suggest, unknown

PARTS = st.from_regex(r"[a-z][a-z0-9_]{0,62}", fullmatch=True).filter(str.isascii)
REFS = st.builds(DatasetRef, PARTS, PARTS, st.none() | st.integers(1, 10**8))


@given(REFS)
def test_a_dataset_name_reads_back_as_it_was_written(ref: DatasetRef) -> None:
    assert DatasetRef.parse(str(ref)) == ref


@given(st.text(max_size=12) | st.text("ab.@12_", max_size=8))
def test_any_text_is_a_dataset_name_or_refused(text: str) -> None:
    try:
        ref = DatasetRef.parse(text)
    except InvalidInput:
        return
    assert ref.dataset == text.partition("@")[0]


@pytest.mark.parametrize(
    "text",
    ["flights", "aviation.", ".flights", "aviation.flights@", "aviation.flights@0", "a.b@-1",
     "a.b@1.0", "a.b@\u0663", "a.b@x", "a.b@1@2", "A.b", "a.B", "a.b c", "a.b\n", "a.b@1\n",
     "1a.b", "a.b.c", "a." + "x" * 64, "a.b@" + "9" * 40],
)  # fmt: skip
def test_what_is_no_dataset_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        DatasetRef.parse(text)


def test_a_version_is_added_and_taken_away() -> None:
    ref = DatasetRef.parse("aviation.flights")
    assert str(ref.at(2)) == "aviation.flights@2"
    assert ref.at(2).at(None) == ref
    assert ref.at(2).dataset == "aviation.flights"


@pytest.mark.parametrize("text", ["", "a", ":", "a:", ":b", "a:b:c"])
def test_what_is_no_feature_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a feature name"):
        FeatureRef.parse(text)


def test_a_feature_name_reads_back_as_it_was_written() -> None:
    assert str(FeatureRef.parse("weather:temp")) == "weather:temp"


def test_a_name_part_is_a_lower_case_identifier() -> None:
    assert check_name("a_1", what="team") == "a_1"
    with pytest.raises(InvalidInput, match="'A' is not a team"):
        check_name("A", what="team")


def test_an_unknown_name_is_answered_with_a_near_one_or_what_there_is() -> None:
    assert suggest("flihgts", ["flights", "weather"]) == "did you mean flights?"
    assert suggest("zzz", []) == "there are none yet"
    assert suggest("zzz", ["b", "a"]) == "there are: a, b"
    assert suggest("zzz", [f"name{n}" for n in range(9)]).endswith(", …")
    assert (
        str(unknown("dataset", "a.cab", ["a.cb"]))
        == "dataset 'a.cab' not found\n hint: did you mean a.cb?"
    )


def test_a_name_is_not_near_for_its_domain_alone() -> None:
    there = ["aviation.y", "aviation.carriers", "people.nothing"]
    assert suggest("aviation.nothing", there[:2]) == "there are: aviation.carriers, aviation.y"
    assert suggest("aviation.nothing", there) == "did you mean people.nothing?"
    assert suggest("aviation.carier", there) == "did you mean aviation.carriers?"
    assert suggest("aviatoin.carriers", there) == "did you mean aviation.carriers?"
    assert suggest("flights/wether", ["flights/x", "flights/weather"]) == (
        "did you mean flights/weather?"
    )


@given(
    st.text("abc_", min_size=1, max_size=8),
    st.sets(st.text("abc_", min_size=1, max_size=8), min_size=1, max_size=9),
)
def test_the_name_that_difflib_finds_nearest_is_meant(name: str, known: set[str]):
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(known)[:8])}"
    assert suggest(name, known).removesuffix(", …") == meant
