from pathlib import Path

import pytest

from provender.catalog.documents import read_governance
from provender.core.datasets import Format
from provender.core.errors import InvalidInput, Problems
from provender.core.people import Person
from provender.core.policy import Action

FILES = {
    "domains.yml": "- {name: aviation, description: Flights., owner: 'team:ops'}",
    "people.yml": """
teams: [team:ops]
people:
  - {id: 'person:ana', name: Ana, teams: [team:ops], contact: ana@example.com}
""",
    "tags.yml": "- {name: personal, description: Of a person., protected: true}",
    "purposes.yml": "delay: Predict delays.",
    "policies/read.yml": """
- id: ops-read
  actors: [team:ops]
  actions: [read, publish]
  datasets: ["aviation.*"]
  purposes: [delay]
  tags: [personal]
""",
    "datasets/aviation/flights.yml": """
name: aviation.flights
description: Departures.
owner: team:ops
stewards: [person:ana]
format: parquet
event_timestamp: sched_dep_ts
columns:
  tailnum: {tags: [personal], description: Registration.}
  distance: {description: Miles.}
  hour:
links: [https://example.com]
""",
}


def write(folder: Path, **changed: str | None) -> Path:
    """The files in ``folder``, some changed; names are written with __ for /, None removes."""
    renamed = {name.replace("__", "/") + ".yml": body for name, body in changed.items()}
    for name, body in {**FILES, **renamed}.items():
        if body is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body)
    return folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(Problems) as error:
        read_governance(folder)
    return error.value.problems


def test_the_files_become_core_values(tmp_path: Path):
    found = read_governance(write(tmp_path))
    (flights,) = found.datasets
    assert found.people == (
        Person(id="person:ana", name="Ana", teams=("team:ops",), contact="ana@example.com"),
    )
    assert found.rules[0].actions == (Action.READ, Action.PUBLISH)
    assert found.rules[0].datasets == ("aviation.*",)
    assert flights.format is Format.PARQUET
    assert flights.column_tags == {"tailnum": ("personal",)}
    assert flights.column_descriptions == {"tailnum": "Registration.", "distance": "Miles."}
    assert found.purposes == {"delay": "Predict delays."}
    assert found.taxonomy.protected == {"personal"}


def test_the_projects_own_folder_is_accepted():
    found = read_governance(Path(__file__).parents[2] / "catalog")
    assert "aviation.flights" in {dataset.ref.dataset for dataset in found.datasets}


def test_unknown_keys_are_refused_by_file_and_key(tmp_path: Path):
    folder = write(
        tmp_path,
        tags="- {name: personal, protectd: true}",
        people="team: []",
        datasets__aviation__flights=FILES["datasets/aviation/flights.yml"].replace(
            "{tags: [personal],", "{tag: [personal],"
        ),
    )
    assert problems(folder) == [
        f"{folder.name}/people.yml: unknown key 'team' (did you mean teams?)",
        f"{folder.name}/tags.yml: personal: unknown key 'protectd' (did you mean protected?)",
        f"{folder.name}/datasets/aviation/flights.yml: columns: tailnum: "
        "unknown key 'tag' (did you mean tags?)",
    ]


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("domains", "- {description: x}", "entry 1: key 'name' is missing"),
        ("domains", "- {name: Über}", "'Über' is not a domain name"),
        ("people", "people: [{id: ana}]", "'ana' is not an actor"),
        ("people", "teams: [ops]", "'ops' is not an actor"),
        ("tags", "name: personal", "Input should be a valid tuple"),
        ("tags", "- {name: a, name: b}", "key 'name' is there twice"),
        ("purposes", "delay: [1]", "delay: Input should be a valid string"),
        (
            "purposes",
            "a: [",
            "cannot be read: while parsing a flow node, expected the node content, but found '<stream end>', line 1, column 5",
        ),
        ("policies__read", "- {id: r, actors: [], actions: [read]}", "r: actors: "),
        ("policies__read", "- {id: r, actors: [a], actions: [reed]}", "Input should be 'discover'"),
        ("datasets__aviation__flights", "name: aviation.planes", "key 'owner' is missing"),
        ("datasets__aviation__other", FILES["datasets/aviation/flights.yml"], "move it to"),
        ("domain", "[]", "domain.yml: is not a governance file (did you mean domains.yml?)"),
        ("policy__read", "[]", "is in a folder that is not read (did you mean policies?)"),
        ("datasets__flights", "{}", "belongs in datasets/<domain>/"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, name: str, body: str, problem: str):
    assert any(problem in said for said in problems(write(tmp_path, **{name: body})))


def test_a_yaml_file_is_not_passed_over_in_silence(tmp_path: Path):
    (write(tmp_path) / "tags.yaml").write_text("[]")
    assert problems(tmp_path) == [f"{tmp_path.name}/tags.yaml: is not read; rename it to tags.yml"]


def test_contradictions_between_files_are_listed_together(tmp_path: Path):
    folder = write(tmp_path, tags="", purposes="", people="teams: [team:opps]")
    said = problems(folder)
    assert (
        "dataset aviation.flights: owner 'team:ops' is not declared (did you mean team:opps?)"
        in said
    )
    assert "rule ops-read: purpose 'delay' is not declared (there are: *)" in said
    assert any("tag 'personal' is not in the taxonomy" in problem for problem in said)


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(InvalidInput, match="there is no governance folder"):
        read_governance(tmp_path / "none")


def test_missing_files_are_empty(tmp_path: Path):
    assert read_governance(tmp_path).datasets == ()
