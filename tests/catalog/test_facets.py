"""Counts beside a question and without one, browsing by values, and questions as of an instant."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provender.catalog.db import open_database, transaction
from provender.catalog.rows import UnansweredRow
from provender.core.errors import InvalidInput, NotFound
from provender.core.finding import FacetValue, Found, Question
from provender.core.glossary import Term
from provender.core.tags import Tag
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    NOW,
    REPO,
    WEATHER,
    Clock,
    Connect,
    declared,
    governing,
    manifest,
)


@pytest.fixture
def filled(connect: Connect) -> Connect:
    connect("ops").publish(FLIGHTS, manifest())
    connect("dev").record(REPO)
    return connect


def counts(values: tuple[FacetValue, ...]) -> dict[str, int]:
    return {value.value: value.documents for value in values}


def names(found: Found) -> list[str]:
    return [hit.name for hit in found.hits]


def test_without_words_everything_visible_is_counted(filled: Connect):
    facets = filled("ana").finder.facets(Question())
    assert counts(facets["type"]) == {
        "dataset": 3,
        "entity": 1,
        "feature-service": 1,
        "feature-view": 1,
        "on-demand-view": 1,
    }
    assert counts(facets["domain"]) == {"aviation": 3}
    assert counts(facets["tag"]) == {"personal": 1, "source.bts": 1}
    assert counts(facets["state"]) == {"published": 1}
    assert counts(facets["format"]) == {"parquet": 2, "delta": 1}
    assert "freshness" not in facets


def test_every_tag_is_counted_and_the_most_frequent_beside_hits(connect: Connect):
    tags = tuple(Tag(name=f"t{n}") for n in range(30))
    carrying = replace(declared(WEATHER), tags=tuple(tag.name for tag in tags))
    every = (*GOVERNANCE.tags, *tags)
    connect("gov").desk.apply(governing(carrying, tags=every))
    finder = connect("ana").finder
    assert counts(finder.facets(Question())["tag"]).keys() >= {tag.name for tag in tags}
    assert len(finder.search(Question(text="weather", facets=True)).facets["tag"]) == 12


def test_with_words_what_fits_is_counted(filled: Connect):
    facets = filled("ana").finder.facets(Question(text="weather"))
    assert counts(facets["type"])["feature-view"] == 1
    assert counts(facets["domain"]) == {"aviation": 2}


def test_a_facet_is_counted_without_what_is_chosen_of_it(filled: Connect):
    chosen = Question(filters={"format": ("delta",)})
    facets = filled("ana").finder.facets(chosen)
    assert counts(facets["format"]) == {"parquet": 2, "delta": 1}
    assert counts(facets["type"]) == {"dataset": 1}
    assert names(filled("ana").finder.search(chosen)) == ["aviation.weather"]


@pytest.mark.parametrize(
    "asked",
    [
        Question(),
        Question(text="weather"),
        Question(text="wether of flihgts", typing=True),
        Question(text="flights", filters={"format": ("delta",), "tag": ("source.bts",)}),
        Question(text="weather", filters={"type": ("dataset", "feature")}),
        Question(filters={"domain": ("aviation",), "state": ("published",)}),
        Question(text="weather", filters={"owner": ("person:nobody",)}),
        Question(text="qqqq"),
        Question(text="flights", as_of=NOW),
    ],
)
def test_search_counts_in_one_go_what_is_counted_apart(filled: Connect, asked: Question):
    finder = filled("ana").finder
    alone = finder.search(asked)
    both = finder.search(replace(asked, facets=True))
    assert both.facets == finder.facets(asked)
    assert replace(both, facets={}) == alone
    assert not alone.facets


def test_several_values_of_a_facet_are_either_and_facets_are_both(filled: Connect):
    finder = filled("ana").finder
    either = Question(filters={"format": ("delta", "parquet"), "domain": ("aviation",)})
    assert len(finder.search(either).hits) == 3
    both = Question(text="flights", filters={"format": ("delta",), "tag": ("source.bts",)})
    assert finder.search(both) == Found(hits=(), total=0)
    assert finder.search(Question(filters={"domain": ("people",)})).hits == ()


@pytest.mark.parametrize(
    "filters",
    [{"colour": ("red",)}, {"type": ("datasets",)}, {"state": ("gone",)}, {"freshness": ("old",)}],
)
def test_nobody_narrows_by_what_there_is_not(filled: Connect, filters: dict[str, tuple[str, ...]]):
    for ask in (filled("ana").finder.search, filled("ana").finder.facets):
        with pytest.raises(NotFound):
            ask(Question(text="flights", filters=filters))


def test_what_is_fresh_is_a_matter_of_the_time(connect: Connect, clock: Clock):
    timely = replace(declared(FLIGHTS), fresh_within=timedelta(hours=2))
    connect("gov").desk.apply(governing(timely))
    connect("ops").publish(FLIGHTS, manifest())
    ana = connect("ana").finder
    assert counts(ana.facets(Question())["freshness"]) == {"fresh": 1}
    assert names(ana.search(Question(filters={"freshness": ("fresh",)}))) == ["aviation.flights"]
    clock.advance(timedelta(hours=2))
    assert counts(ana.facets(Question())["freshness"]) == {"stale": 1}
    assert counts(ana.facets(Question(text="flights"))["freshness"]) == {"stale": 1}
    assert ana.search(Question(text="flights", filters={"freshness": ("fresh",)})).hits == ()
    later = manifest(11, event_range=replace(manifest().event_range, latest=clock.now))  # type: ignore[type-var]
    connect("ops").publish(FLIGHTS, later)
    assert counts(ana.facets(Question())["freshness"]) == {"fresh": 1}


def test_a_text_that_is_not_whole_yet_is_suggested_what_begins_so(filled: Connect):
    ana = filled("ana").finder
    assert next(hit.name for hit in ana.suggest("fl")) == "aviation.flights"
    assert "weather" in [hit.name for hit in ana.suggest("weat")]
    assert not [hit for hit in ana.suggest("sal") if "salar" in hit.name]
    assert ana.suggest("") == ()


def test_a_word_that_something_goes_on_from_is_no_slip(filled: Connect):
    ana = filled("ana").finder
    typed = ana.search(Question(text="weat", typing=True)).read_as["weat"]
    assert "weather" in typed
    assert not {"what", "heat"} & set(typed)
    assert "weather" in ana.search(Question(text="weathr", typing=True)).read_as["weathr"]


def test_a_state_is_found_by_its_name(filled: Connect):
    assert names(filled("ana").finder.search(Question(text="published"))) == ["aviation.flights"]


def test_search_as_of_an_instant_finds_what_was_said_then(connect: Connect, clock: Clock):
    ana, gov = connect("ana").finder, connect("gov")
    before = clock.now
    clock.advance(timedelta(hours=1))
    trips = replace(declared(FLIGHTS), description="Trips.", column_descriptions={})
    gov.desk.apply(governing(trips))
    clock.advance(timedelta(hours=1))

    def asked(text: str, as_of: object = None) -> list[str]:
        return names(ana.search(Question(text=text, as_of=as_of)))  # type: ignore[arg-type]

    assert asked("departures") == []
    assert asked("departures", before) == ["aviation.flights"]
    assert asked("trips", before) == []
    assert asked("trips") == asked("trips", clock.now) == ["aviation.flights"]
    then = ana.facets(Question(text="departures", as_of=before))
    assert counts(then["domain"]) == {"aviation": 1}
    with pytest.raises(InvalidInput, match="still to come"):
        asked("trips", clock.now + timedelta(seconds=1))
    with pytest.raises(InvalidInput, match="history begins at"):
        asked("trips", before - timedelta(seconds=1))


def test_what_is_closed_now_is_not_found_as_of_when_it_was_open(connect: Connect, clock: Clock):
    gov, ana = connect("gov"), connect("ana").finder
    clock.advance(timedelta(hours=1))
    changed = replace(declared(WEATHER), description="Rain and wind.")
    gov.desk.apply(governing(changed))
    before = clock.now - timedelta(minutes=1)
    assert names(ana.search(Question(text="observations", as_of=before))) == ["aviation.weather"]
    rules = tuple(rule for rule in GOVERNANCE.rules if rule.id == "govern")
    clock.advance(timedelta(hours=1))
    gov.desk.apply(governing(changed, rules=rules))
    assert ana.search(Question(text="observations", as_of=before)).hits == ()
    assert ana.search(Question(text="rain", as_of=clock.now)).hits == ()


def test_what_is_searched_for_in_vain_is_counted_without_who_asked(
    governed_url: str, connect: Connect, clock: Clock
):
    ana = connect("ana").finder
    for text in ("Zebra crossings", "zebra CROSSINGS", "flights"):
        ana.search(Question(text=text))
    ana.suggest("zebra cr")
    ana.search(Question(text="quagga", filters={"domain": ("aviation",)}))
    clock.advance(timedelta(days=1))
    ana.search(Question(text="zebra crossings"))
    engine = open_database(governed_url)
    with transaction(engine) as db:
        (row,) = db.query(UnansweredRow).all()
    engine.dispose()
    assert (row.words, row.times) == ("zebra crossings", 3)
    assert (row.first_at, row.last_at) == (NOW, NOW + timedelta(days=1))


def test_a_synonym_of_a_term_finds_what_has_it(connect: Connect):
    term = Term(name="punctuality", definition="On time.", synonyms=("timeliness", "OTP"))
    about = replace(declared(FLIGHTS), terms=("punctuality",))
    connect("gov").desk.apply(governing(about, terms=(term,)))
    finder = connect("ana").finder
    for text in ("timeliness", "otp", "punctuality", "timelines"):
        assert names(finder.search(Question(text=text))) == ["aviation.flights"], text
    other = replace(term, synonyms=("OTP",))
    connect("gov").desk.apply(governing(about, terms=(other,)))
    assert names(finder.search(Question(text="timeliness"))) == []
