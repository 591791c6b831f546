"""What a dataset becomes by an edit, and everything that is wrong with one at once."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.datasets import Dataset, Format
from provender.core.editing import HINTED, Bared, Edit, Known, bared, edited, taken
from provender.core.errors import Problems
from provender.core.names import DatasetRef
from provender.core.people import Actor, Owner, Role
from provender.core.tags import Assignment, Tag, Taxonomy

FLIGHTS = Dataset(
    ref=DatasetRef("aviation", "flights"),
    description="Departures.",
    owner="team:ops",
    format=Format.PARQUET,
    stewards=("person:sam",),
    tags=("source.bts",),
    column_tags={"tailnum": ("personal",)},
    column_descriptions={"arr_delay": "Minutes."},
)
SAM = Actor("person:sam", frozenset({"team:stewards"}))
KNOWN = Known(
    taxonomy=Taxonomy(
        (
            Tag(name="source.bts", on=("dataset",)),
            Tag(name="personal", protected=True, on=("column",)),
            Tag(name="quality", values=("good", "bad")),
            Tag(name="legal.hold", assigners=("team:legal", "person:kim")),
        )
    ),
    terms=frozenset({"delay", "tail number"}),
    actors=frozenset({"team:ops", "person:sam", "person:max"}),
    columns=frozenset({"tailnum", "arr_delay", "dep_delay"}),
)


def after(edit: Edit, dataset: Dataset = FLIGHTS, by: Actor = SAM) -> Dataset:
    return edited(dataset, edit, known=KNOWN, by=by)


def problems(edit: Edit, by: Actor = SAM) -> list[str]:
    with pytest.raises(Problems) as error:
        after(edit, by=by)
    return error.value.problems


def test_an_edit_of_nothing_leaves_a_dataset_as_it_is():
    assert after(Edit()) == FLIGHTS


def test_each_part_is_said_anew_and_the_others_stay():
    owners = (
        Owner("person:max"),
        Owner("person:sam", Role.STEWARD),
        Owner("team:ops", Role.DEPUTY),
    )
    became = after(
        Edit(
            description="  Departures out of New York. ",
            documentation="# Flights",
            owners=owners,
            terms=("delay", "delay"),
            links=("https://example.org/flights",),
            column_descriptions={"arr_delay": "", "dep_delay": "Minutes late."},
        )
    )
    assert became == replace(
        FLIGHTS,
        description="Departures out of New York.",
        documentation="# Flights",
        owner="person:max",
        stewards=("person:sam",),
        deputies=("team:ops",),
        terms=("delay",),
        links=("https://example.org/flights",),
        column_descriptions={"dep_delay": "Minutes late."},
    )
    assert became.owners == owners


def test_tags_are_put_on_and_taken_off_the_dataset_and_its_columns():
    became = after(
        Edit(
            assign=(
                Assignment("quality", "good"),
                Assignment("quality", "bad", "dep_delay"),
                Assignment("personal", column="dep_delay"),
            ),
            unassign=(Assignment("source.bts"), Assignment("personal", column="tailnum")),
        )
    )
    assert became.tags == ("quality=good",)
    assert became.column_tags == {"dep_delay": ("quality=bad", "personal")}


def test_a_star_for_a_column_is_the_dataset():
    became = after(Edit(assign=(Assignment("quality", "good", "*"),)))
    assert (became.tags, became.column_tags) == (
        ("source.bts", "quality=good"),
        FLIGHTS.column_tags,
    )
    starred = replace(FLIGHTS, tags=(), column_tags={"*": ("source.bts",)})
    assert after(Edit(unassign=(Assignment("source.bts"),)), starred).assignments == ()


def test_a_tag_that_is_there_is_not_put_there_twice():
    assert after(Edit(assign=(Assignment("source.bts"),))) == FLIGHTS


def test_every_problem_of_an_edit_is_told_at_once():
    wrong = Edit(
        description=" ",
        documentation="\0",
        owners=(Owner("person:sma"), Owner("person:max"), Owner("person:sam", Role.STEWARD)),
        terms=("dealy",),
        links=("javascript:alert(1)", "https://two words"),
        assign=(
            Assignment("personal"),
            Assignment("quality", "fine"),
            Assignment("quality"),
            Assignment("source.bts", "1"),
            Assignment("source.bts", column="tailnum"),
            Assignment("qualty"),
            Assignment("legal.hold"),
            Assignment("personal", column="tail_num"),
        ),
        unassign=(Assignment("quality", "bad"),),
        column_descriptions={"dep_dely": "?"},
    )
    allowed = "write one of quality=good, quality=bad"
    assert problems(wrong) == [
        "description: a dataset needs one",
        "documentation: holds NUL or half of a character, which no database keeps",
        "link 'javascript:alert(1)': write https://… or mailto:…",
        "link 'https://two words': write https://… or mailto:…",
        "owners: person:sma, person:max would be accountable; name exactly one",
        "owners: 'person:sma' is not declared (did you mean person:sam?)",
        "terms: 'dealy' is not in the glossary (did you mean delay?)",
        "column 'dep_dely': there is none (did you mean dep_delay?)",
        "column 'tail_num': there is none (did you mean tailnum?)",
        "tags: tag 'qualty' is not in the taxonomy (did you mean quality?)",
        "tags: tag 'personal' on the dataset: it is for a column",
        f"tags: tag 'quality=fine' on the dataset: {allowed}",
        f"tags: tag 'quality' on the dataset: {allowed}",
        "tags: tag 'source.bts=1' on the dataset: source.bts has no value",
        "tags: tag 'source.bts' on column 'tailnum': it is for a dataset",
        "tags: 'quality=bad' is not on the dataset",
        "tags: person:sam may not assign 'legal.hold'; team:legal or person:kim may",
    ]


def test_a_tag_with_assigners_is_put_and_taken_by_them_only():
    put = Edit(assign=(Assignment("legal.hold"),))
    legal = Actor("person:lea", frozenset({"team:legal"}))
    held = after(put, by=legal)
    assert "legal.hold" in held.tags
    with pytest.raises(Problems, match=r"person:sam may not assign 'legal\.hold'"):
        after(Edit(unassign=(Assignment("legal.hold"),)), held)
    assert after(Edit(unassign=(Assignment("legal.hold"),)), held, by=legal) == FLIGHTS


def test_nobody_accountable_is_a_problem():
    assert problems(Edit(owners=(Owner("person:sam", Role.STEWARD),))) == [
        "owners: nobody would be accountable; name exactly one"
    ]


def test_halves_of_characters_and_endless_texts_are_refused():
    (half,) = problems(Edit(description="\ud800"))
    assert half == "description: holds NUL or half of a character, which no database keeps"
    (long,) = problems(Edit(column_descriptions={"tailnum": "x" * 4_001}))
    assert "4,001 characters are too many; at most 4,000 are kept" in long


def test_any_column_can_be_spoken_of_while_there_is_no_version():
    unpublished = replace(KNOWN, columns=frozenset())
    edit = Edit(column_descriptions={"anything": "Text."})
    assert edited(FLIGHTS, edit, known=unpublished, by=SAM).column_descriptions["anything"]


def test_of_many_unknown_names_each_is_told_and_the_first_with_hints():
    columns = frozenset(f"c{n}" for n in range(2_000))
    edit = Edit(column_descriptions={f"d{n}": "Text." for n in range(500)})
    began = time.process_time()
    with pytest.raises(Problems) as error:
        edited(FLIGHTS, edit, known=replace(KNOWN, columns=columns), by=SAM)
    assert time.process_time() - began < 2
    hinted = [one for one in error.value.problems if "there is none (" in one]
    assert (len(error.value.problems), len(hinted)) == (500, HINTED)


PLACES = st.sampled_from(["", "tailnum", "dep_delay"])
PUT = st.builds(Assignment, st.just("quality"), st.sampled_from(["good", "bad"]), PLACES)


@given(put=st.lists(PUT, max_size=5), taken=st.sets(PUT))
def test_what_is_assigned_is_there_and_what_is_unassigned_is_not(
    put: list[Assignment], taken: set[Assignment]
):
    tagged = after(Edit(assign=tuple(put)))
    assert set(tagged.assignments) == {*FLIGHTS.assignments, *put}
    off = tuple(sorted(taken & set(put)))
    assert set(after(Edit(unassign=off), tagged).assignments) == set(tagged.assignments) - set(off)


def test_what_older_versions_lose_is_told_by_tag_and_column():
    before = replace(FLIGHTS, tags=(), column_tags={"a": ("x",), "b": ("x", "y=1")})
    after = replace(before, column_tags={"b": ("x", "y=2")})
    schemas = {1: {"a", "b"}, 2: {"a", "b", "c"}, 5: {"a"}, 6: {"a"}, 7: {"c"}}.items()
    found = bared(before, after, {"x", "y"}, schemas, newest={"c"})
    assert found == [Bared("x", "a", (1, 2, 5, 6)), Bared("y=1", "b", (1, 2))]
    assert str(found[0]) == "'x' from column 'a', which only versions 1, 2, 5 and 1 more have"
    assert bared(before, after, {"x", "y"}, schemas, newest={"a", "b"}) == []
    assert bared(before, after, {"z"}, schemas, newest={"c"}) == []
    whole = replace(before, tags=("x",))
    assert bared(whole, after, {"x"}, [(1, {"z"})], newest={"c"}) == [Bared("x", "z", (1,))]


def test_another_value_of_a_tag_takes_the_one_that_was_there():
    before = replace(FLIGHTS, tags=(), column_tags={"a": ("x=1", "y")})
    after = replace(before, tags=("y",), column_tags={"a": ("x=2",)})
    assert taken(before, after, {"x", "y"}) == [Assignment("x", "1", "a")]
