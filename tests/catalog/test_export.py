"""Governance written back as YAML: what is read from it is what was in force."""

from dataclasses import replace
from datetime import timedelta
from functools import reduce
from pathlib import Path
from shutil import copytree

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provender.catalog.documents import read_governance
from provender.catalog.export import export, write
from provender.core import form, governance
from provender.core.datasets import Dataset, Format
from provender.core.editing import Edit
from provender.core.errors import Problems
from provender.core.glossary import Term
from provender.core.governance import Change, Domain, Governance, diff
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.tags import Tag
from tests.catalog.stewarded import STEWARDED
from tests.catalog.world import FLIGHTS, Connect
from tests.stress import times

OWN = Path(__file__).parents[2] / "catalog"


def exported(in_force: Governance, folder: Path) -> Governance:
    """What is read from a folder after ``in_force`` was exported to it."""
    folder.mkdir(exist_ok=True)
    write(folder, export(in_force, folder))
    return read_governance(folder)


def same(one: Governance, other: Governance) -> bool:
    return {step.change for step in diff(one, other)} <= {Change.KEEP}


def test_what_is_exported_is_read_as_it_was(tmp_path: Path):
    assert same(exported(STEWARDED, tmp_path), STEWARDED)
    assert same(exported(Governance(), tmp_path / "empty"), Governance())


def test_a_folder_that_says_the_same_is_left_alone(tmp_path: Path):
    folder = copytree(OWN, tmp_path / "catalog")
    assert export(read_governance(folder), folder) == {}
    assert export(read_governance(OWN), folder) == {}


def test_only_files_that_differ_are_written_and_keep_their_order(tmp_path: Path):
    folder = copytree(OWN, tmp_path / "catalog")
    had = read_governance(folder)
    weather = next(d for d in had.datasets if d.ref.name == "weather")
    edited = replace(weather, tags=(*weather.tags, "geo.public"), fresh_within=timedelta(days=2))
    changed = replace(
        had,
        datasets=tuple(edited if d is weather else d for d in had.datasets),
        rules=(replace(had.rules[1], purposes=("*",)), *had.rules[2:], had.rules[0], NEW_RULE),
    )
    files = export(changed, folder)
    assert set(files) == {
        "datasets/aviation/weather.yml",
        "policies/access.yml",
        "policies/exported.yml",
    }
    before = yaml.safe_load((folder / "datasets/aviation/weather.yml").read_text())
    after = yaml.safe_load(files["datasets/aviation/weather.yml"])
    assert after == {**before, "tags": ["source.iem_asos", "geo.public"], "fresh_within": "2d"}
    assert list(after["columns"]) == list(before["columns"])
    order = [rule["id"] for rule in yaml.safe_load(files["policies/access.yml"])]
    assert order == [
        rule["id"] for rule in yaml.safe_load((folder / "policies/access.yml").read_text())
    ]
    write(folder, files)
    assert same(read_governance(folder), changed)
    assert export(changed, folder) == {}


def test_a_file_that_cannot_be_read_is_not_written_over(tmp_path: Path):
    (tmp_path / "tags.yml").write_text("- {nam: personal}")
    with pytest.raises(Problems, match=r"tags\.yml: entry 1: unknown key 'nam'"):
        export(STEWARDED, tmp_path)


def test_what_is_not_in_force_is_not_deleted(tmp_path: Path):
    write(tmp_path, export(STEWARDED, tmp_path))
    fewer = replace(STEWARDED, datasets=STEWARDED.datasets[1:])
    assert export(fewer, tmp_path) == {}
    assert (tmp_path / "datasets/aviation/flights.yml").exists()


def test_rules_stay_as_they_are_for_who_may_not_know_all_of_them(tmp_path: Path):
    write(tmp_path, export(STEWARDED, tmp_path))
    assert export(replace(STEWARDED, rules=STEWARDED.rules[:1]), tmp_path, rules=False) == {}
    assert export(STEWARDED, tmp_path / "new", rules=False).keys() == {
        name for name in export(STEWARDED, tmp_path / "new") if not name.startswith("policies/")
    }


def test_an_edit_is_shown_as_drift_then_exported_and_the_plan_is_empty(
    connect: Connect, tmp_path: Path
):
    desk = connect("gov").desk
    desk.apply(exported(STEWARDED, tmp_path))
    edit = Edit(description="Edited: “so”, and # so.", documentation="# Title\n\n* a\n* b\n")
    connect("sam").desk.edit(FLIGHTS, edit, expected=None, reason="r")
    (step,) = (s for s in desk.plan(read_governance(tmp_path)) if s.change is not Change.KEEP)
    assert step.overwrites
    files = export(desk.governance(), tmp_path)
    assert list(files) == ["datasets/aviation/flights.yml"]
    write(tmp_path, files)
    assert {s.change for s in desk.plan(read_governance(tmp_path))} == {Change.KEEP}
    desk.apply(read_governance(tmp_path))
    assert desk.inbox(kind="drift").items == ()


@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("30s", timedelta(seconds=30)),
        ("90min", timedelta(minutes=90)),
        ("6 h", timedelta(hours=6)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(weeks=1)),
        ("PT0.5S", timedelta(milliseconds=500)),
    ],
)
def test_a_duration_is_written_as_people_do(tmp_path: Path, written: str, span: timedelta):
    write(tmp_path, export(STEWARDED, tmp_path))
    path = tmp_path / "datasets/aviation/flights.yml"
    path.write_text(f"{path.read_text()}fresh_within: {written}\n")
    (flights, *_) = read_governance(tmp_path).datasets
    assert flights.fresh_within == span


@pytest.mark.parametrize(
    "written", ["0h", "-1h", "soon", "6 hours", "PT-1S", "999999999w", "99999d"]
)
def test_a_duration_that_is_none_is_refused(tmp_path: Path, written: str):
    write(tmp_path, export(STEWARDED, tmp_path))
    path = tmp_path / "datasets/aviation/flights.yml"
    path.write_text(f"{path.read_text()}fresh_within: {written}\n")
    with pytest.raises(Problems, match="fresh_within: "):
        read_governance(tmp_path)


NEW_RULE = Rule(id="new", actors=("anyone",), actions=(Action.READ,), datasets=("x.*",))
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
SAID = TEXT.map(str.strip).filter(bool)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,4}", fullmatch=True)
FEW = {"max_size": 3, "unique": True}
DATASETS = st.builds(
    lambda name, **said: Dataset(
        ref=DatasetRef("aviation", name), owner="team:ops", format=Format.CSV, **said
    ),
    NAMES,
    description=TEXT,
    documentation=TEXT,
    links=st.sampled_from([(), ("https://a.example/b#c", "mailto:x@y.example"), ("javascript:1",)]),
    terms=st.sampled_from([(), ("t",)]),
    tags=st.sampled_from([(), ("plain",), ("rich=a b", "plain")]),
    column_tags=st.dictionaries(SAID, st.sampled_from([(), ("plain",), ("rich=x",)]), max_size=2),
    column_descriptions=st.dictionaries(SAID, TEXT, max_size=2),
    event_timestamp=st.none() | TEXT,
    deputies=st.sampled_from([(), ("person:ana",)]),
    fresh_within=st.none() | st.timedeltas(-timedelta(days=1), timedelta(days=40_000)),
)
WORLDS = st.builds(
    lambda **said: Governance(
        teams=("team:ops",),
        people=(Person(id="person:ana", name="Ana", teams=("team:ops",)),),
        **said,
    ),
    domains=TEXT.map(lambda text: (Domain(name="aviation", description=text),)),
    tags=TEXT.map(
        lambda text: (
            Tag(name="plain", description=text, protected=True),
            Tag(name="rich", values=("a b", "x"), assigners=("anyone",)),
        )
    ),
    terms=st.tuples(TEXT.filter(str.strip), st.lists(TEXT, **FEW)).map(
        lambda said: (Term(name="t", definition=said[0], synonyms=tuple(said[1])),)
    ),
    purposes=st.dictionaries(TEXT, TEXT, max_size=2),
    rules=TEXT.map(lambda text: (replace(NEW_RULE, description=text),)),
    datasets=st.lists(DATASETS, max_size=2, unique_by=lambda dataset: dataset.ref).map(tuple),
)


@settings(
    max_examples=times(60, calm=10),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=WORLDS)
def test_whatever_is_accepted_is_exported_and_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, world: Governance
):
    folder = tmp_path_factory.mktemp("catalog")
    whole = form.settled(world)
    wrong = [
        key for key, value in governance.objects(whole).items() if list(form.problems(*key, value))
    ]
    in_force = reduce(lambda rest, key: governance.without(rest, *key), wrong, whole)
    assert same(exported(in_force, folder), in_force)
    assert export(in_force, folder) == {}
