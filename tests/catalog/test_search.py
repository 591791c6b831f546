from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provender.catalog import search
from provender.catalog.documents import read_governance
from provender.catalog.local import LocalCatalog
from provender.core.datasets import Manifest
from provender.core.errors import InvalidInput, NotFound
from provender.core.features import SavedDatasetSpec
from provender.core.finding import KINDS, Hit, Question
from provender.core.names import DatasetRef
from provender.core.schema import Column, Schema
from tests.catalog.conftest import connecting, govern
from tests.catalog.kept import PutBack, keeping
from tests.catalog.world import (
    FLIGHTS,
    REPO,
    SALARIES,
    SCHEMA,
    Clock,
    Connect,
    declared,
    governing,
    manifest,
    searched,
)
from tests.stress import times


def fill(url: str) -> None:
    govern(url)
    with connecting(url, Clock()) as connect:
        connect("ops").publish(FLIGHTS, manifest())
        connect("dev").record(REPO)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest) -> Iterator[PutBack]:
    with keeping(request, request.param, fill) as filled:
        yield filled


@pytest.fixture
def found(filled: PutBack, clock: Clock, tmp_path: Path) -> Iterator[Connect]:
    """A version and definitions are there to be found."""
    with connecting(filled(tmp_path), clock) as connect:
        yield connect


def named(hits: list[Hit]) -> list[str]:
    return [f"{hit.kind} {hit.name}" for hit in hits]


@pytest.mark.parametrize(
    ("text", "first", "part"),
    [
        ("aviation.flights", "dataset aviation.flights", None),
        ("flights", "dataset aviation.flights", None),
        ("AVIATION.Flights", "dataset aviation.flights", None),
        ("tailnum", "dataset aviation.flights", "tailnum"),
        ("tail_num", "dataset aviation.flights", "tailnum"),
        ("aviation.flights.tailnum", "dataset aviation.flights", "tailnum"),
        ("weather:temp", "feature-view weather", "temp"),
        ("temperature", "feature-view weather", "temp"),
        ("sky", "feature-view weather", None),
        ("delay_v1", "feature-service delay_v1", None),
        ("delays/weather", "feature-view weather", None),
        ("Celsius", "on-demand-view heat", "celsius"),
        ("how late was the arrival", "dataset aviation.flights", "arr_delay"),
        ("hourly observations", "dataset aviation.weather", None),
        ("departure", "dataset aviation.flights", None),  # the text says departures
    ],
)
def test_the_best_hit_comes_first_with_the_part_that_fits(
    found: Connect, text: str, first: str, part: str | None
):
    hit, *_ = searched(found("ana"), text)
    assert f"{hit.kind} {hit.name}" == first
    assert part is None or hit.parts[0].name == part


def test_a_dataset_is_found_by_its_urn_and_by_a_former_name(found: Connect):
    entry = found("ana").finder.entry(FLIGHTS)
    assert searched(found("ana"), entry.urn)[0].name == "aviation.flights"
    found("sam").desk.rename(FLIGHTS, "aviation.departures", expected=entry.revision)
    hit, *_ = searched(found("ana"), "aviation.flights")
    assert hit.name == "aviation.departures"
    assert hit.why.startswith("exactly that name")


def test_a_part_says_what_it_is_and_why(found: Connect):
    flights, *_ = searched(found("ana"), "how late was the arrival")
    assert [(p.kind, p.name, p.why) for p in flights.parts] == [
        ("column", "arr_delay", "late, arrival")
    ]
    weather, *_ = searched(found("ana"), "weather:temp")
    assert [(p.kind, p.name) for p in weather.parts] == [("feature", "temp")]


def test_one_word_is_enough_and_more_are_better(found: Connect):
    assert named(searched(found("ana"), "late zebra arrivals"))[0] == "dataset aviation.flights"
    answer = found("ana").finder.search(Question(text="late zebra arrivals"))
    assert answer.missing == 1


def test_a_hit_says_why(found: Connect):
    exact, *_ = searched(found("ana"), "aviation.flights")
    assert exact.why == "exactly that name; flights in the name; aviation around it"
    late, *_ = searched(found("ana"), "late")
    assert late.why == "late in what is said of a column"


def test_a_misspelt_word_is_read_as_a_known_one_and_that_is_said(found: Connect):
    answer = found("ana").finder.search(Question(text="tialnum"))
    assert answer.hits[0].name == "aviation.flights"
    assert answer.hits[0].why == "tailnum (for tialnum) in a column"
    assert answer.read_as == {"tialnum": ("tailnum",)}


def test_an_explanation_adds_up_to_the_score(found: Connect):
    question = Question(text="late arrivals weather", explain=True)
    for hit in found("ana").finder.search(question).hits:
        assert round(sum(part.points for part in hit.explain), 3) == hit.score
    assert all(not hit.explain for hit in searched(found("ana"), "weather"))


def test_hidden_things_are_neither_found_nor_corrected_to(found: Connect):
    ana = found("ana")
    for text in ("salaries", "salary", "salaires", "people.salaries", "pay", "earns", "hr"):
        assert not [h for h in searched(ana, text) if "salar" in str(h) or "pay" in h.name], text


def test_the_kind_can_be_chosen(found: Connect):
    assert {hit.kind for hit in searched(found("ana"), "weather", kind="dataset")} == {"dataset"}
    assert named(searched(found("ana"), "temp", kind="feature")) == ["feature-view weather"]
    assert named(searched(found("ana"), "tailnum", kind="column")) == ["dataset aviation.flights"]
    with pytest.raises(NotFound, match="kind of thing to find 'colum' not found") as error:
        searched(found("ana"), "weather", kind="colum")
    assert error.value.hint == "did you mean column?"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_that_can_be_chosen_is_found(found: Connect, kind: str):
    saved = SavedDatasetSpec(name="summer", features=REPO.services[0].features)
    found("dev").record(replace(REPO, saved=(saved,)))
    assert {hit.kind for hit in searched(found("ana"), "", kind=kind)} == {kind}


def test_a_limit_is_kept(found: Connect):
    assert len(searched(found("ana"), "aviation", limit=2)) == 2
    assert searched(found("ana"), "aviation", limit=10_000)


@pytest.mark.parametrize("limit", [-1, 0, 10_001, 2**63])
def test_a_limit_that_cannot_be_kept_is_refused(found: Connect, limit: int):
    with pytest.raises(InvalidInput, match="ask for 1 to 10000 at a time"):
        searched(found("ana"), "aviation", limit=limit)
    with pytest.raises(InvalidInput, match="ask for 1 to 10000 at a time"):
        found("ana").records.audit_events(limit=limit)


def test_what_is_renamed_is_not_found_under_its_old_words(found: Connect):
    changed = replace(declared(FLIGHTS), description="Trips.", column_descriptions={})
    found("gov").desk.apply(governing(changed))
    assert "dataset aviation.flights" not in named(searched(found("ana"), "departures"))
    assert named(searched(found("ana"), "trips"))[0] == "dataset aviation.flights"


def test_a_new_column_is_found_when_it_is_published(found: Connect):
    wider = Schema((*SCHEMA.columns, Column(name="gate_number", type="string")))
    found("ops").publish(FLIGHTS, manifest(2, schema=wider))
    hit, *_ = searched(found("ana"), "gate")
    assert (hit.name, [part.name for part in hit.parts]) == ("aviation.flights", ["gate_number"])


@pytest.mark.parametrize("text", ["'\"*(){}:^-", "zzzzqqq"])
def test_what_is_no_word_finds_nothing(found: Connect, text: str):
    assert searched(found("ana"), text) == []


@pytest.mark.parametrize("text", ["", "   ", "\x00"])
def test_without_words_everything_that_may_be_discovered_is_found(found: Connect, text: str):
    finder = found("ana").finder
    everything = finder.search(Question(text=text, facets=True))
    assert (
        everything.total
        == len(everything.hits)
        == sum(value.documents for value in everything.facets["type"])
    )
    assert {"aviation.flights", "weather", "origin"} <= {hit.name for hit in everything.hits}
    assert not [hit for hit in everything.hits if "salar" in str(hit)]
    assert finder.suggest(text) == ()


@pytest.fixture
def crowd(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """More datasets of flights than are nominated, and two that ana may not discover."""
    monkeypatch.setattr(search, "NOMINATED", 5)
    many = [
        replace(declared(FLIGHTS), ref=DatasetRef("aviation", f"flights_{n}")) for n in range(20)
    ]
    hidden = [
        replace(declared(SALARIES), ref=DatasetRef("people", f"flights_{n}")) for n in range(2)
    ]
    connect("gov").desk.apply(governing(*many, *hidden))
    return connect


@pytest.mark.parametrize("limit", [3, 8, 100])
@pytest.mark.parametrize(
    "question",
    [
        Question(text="flights"),
        Question(text="flights departures"),
        Question(filters={"domain": ("aviation",)}),
        Question(),
    ],
)
def test_every_hit_that_is_counted_is_reached(crowd: Connect, question: Question, limit: int):
    finder = crowd("ana").finder
    pages = [finder.search(question, limit=limit)]
    while pages[-1].next:
        pages.append(finder.search(question, limit=limit, after=pages[-1].next))
    names = [hit.name for page in pages for hit in page.hits]
    assert len(names) == len(set(names)) == pages[0].total >= 21
    assert {page.total for page in pages} == {pages[0].total}
    assert all(len(page.hits) == limit for page in pages[:-1])


def test_every_hit_that_has_such_a_part_is_reached(crowd: Connect):
    question = Question(text="delay", filters={"type": ("column",)})
    finder = crowd("ana").finder
    pages = [finder.search(question, limit=3)]
    while pages[-1].next:
        pages.append(finder.search(question, limit=3, after=pages[-1].next))
    names = [hit.name for page in pages for hit in page.hits]
    assert set(names) == {FLIGHTS.dataset, *(f"aviation.flights_{n}" for n in range(20))}
    assert len(names) == len(set(names))
    assert pages[0].approximate


def test_every_word_of_a_question_is_looked_for_or_said_to_be_missing(found: Connect):
    six = "departures arrivals new york late minutes"
    finder = found("ana").finder
    whole = finder.search(Question(text=f"{six} source"))
    assert (whole.hits[0].name, whole.missing, whole.ignored) == ("aviation.flights", 0, 0)
    more = finder.search(Question(text=f"{six} hourly weather observations"))
    assert (more.hits[0].name, more.missing, more.ignored) == ("aviation.flights", 3, 0)
    long = finder.search(Question(text=" ".join(f"w{n}" for n in range(13)) + " flights"))
    assert long.ignored == 2


@settings(
    max_examples=times(60, calm=10),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    text=st.text(max_size=20) | st.sampled_from(["NOT late", "late AND", 'a" OR b', "NEAR(late)"])
)
def test_any_text_is_answered(found: Connect, text: str):
    for hit in searched(found("ana"), text):
        assert hit.why


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def flights(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalCatalog]:
    """The real governance of this project, every dataset published once: only to be read."""
    with keeping(request, request.param, fill_as_here) as kept:
        url = kept(tmp_path_factory.mktemp("flights"))
        with LocalCatalog(url, actor="person:sam", clock=Clock()) as catalog:
            yield catalog


def fill_as_here(url: str) -> None:
    governance = read_governance(Path(__file__).parents[2] / "catalog")
    with LocalCatalog(url, actor="person:sam", clock=Clock()) as catalog:
        catalog.desk.apply(governance)
        for dataset in governance.datasets:
            columns = {**dataset.column_tags, **dataset.column_descriptions}
            if dataset.event_timestamp:
                columns.setdefault(dataset.event_timestamp, "")
            schema = Schema(tuple(Column(name=name, type="string") for name in columns))
            catalog.publish(
                dataset.ref,
                Manifest(
                    format=dataset.format,
                    location=f"{dataset.ref.domain}/{dataset.ref.name}/1",
                    files=(),
                    schema=schema,
                    row_count=1,
                    logical_digest="sha256:1",
                    event_timestamp=dataset.event_timestamp,
                ),
            )


def test_late_arrivals_weather_finds_all_three(flights: LocalCatalog):
    hits = searched(flights, "late arrivals weather", limit=8)
    datasets = {hit.name for hit in hits if hit.kind == "dataset"}
    assert {"aviation.weather", "aviation.route_history", "aviation.tail_last"} <= datasets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wether", "aviation.weather"),
        ("registration", "aviation.planes"),
        ("route", "aviation.route_history"),
        ("airport", "aviation.airports"),
    ],
)
def test_questions_about_flights_lead_to_their_dataset(flights, text: str, expected: str):
    assert expected in [hit.name for hit in searched(flights, text, kind="dataset", limit=3)]


def test_a_word_is_not_read_as_one_that_only_hidden_documents_hold(connect: Connect):
    said = replace(declared(SALARIES), description="Arriving from the merger.")
    connect("gov").desk.apply(governing(said))
    read_as = connect("ana").finder.search(Question(text="arrive")).read_as
    assert "arrivals" in read_as["arrive"]
    assert "arriving" not in read_as["arrive"]


def test_a_word_near_to_hundreds_is_guessed_and_tells_of_no_hidden_ones(connect: Connect):
    near = {f"table_{a}{b}": "One of many." for a in ascii_lowercase for b in ascii_lowercase}
    gov = connect("gov")
    gov.desk.apply(governing(replace(declared(SALARIES), column_descriptions=near)))
    hidden = connect("ana").finder.search(Question(text="table11"))
    assert (hidden.total, hidden.read_as) == (0, {})
    read_as = gov.finder.search(Question(text="table11")).read_as
    assert read_as == {"table11": ("table", *(f"tablea{b}" for b in "abcde"))}


def test_a_page_beyond_the_last_is_not_a_question_without_an_answer(connect: Connect):
    ana, gov = connect("ana"), connect("gov")
    beyond = ana.finder.search(Question(text="flights"), after="500")
    assert (beyond.hits, beyond.total) == ((), 1)
    assert gov.desk.inbox(kind="zero-result").items == ()
    ana.finder.search(Question(text="submarines"))
    assert len(gov.desk.inbox(kind="zero-result").items) == 1


def test_a_type_and_a_part_as_types_find_either(found: Connect):
    finder = found("ana").finder

    def named_by(*types: str) -> set[str]:
        hits = finder.search(Question(text="weather", filters={"type": types})).hits
        return {hit.name for hit in hits}

    assert named_by("dataset") == {"aviation.weather", "aviation.weather_hourly"}
    assert named_by("dataset", "column") >= named_by("dataset")
    assert named_by("dataset", "feature-view", "column") > named_by("dataset")
