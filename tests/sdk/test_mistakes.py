"""What is mistyped in a call is told as what is mistyped in a setting or a command."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import provender
from provender import bootstrap
from provender.core.errors import Denied, InvalidInput, Misconfigured
from provender.sdk import Workspace, connect
from provender.sdk.targets import target_of
from provender.settings import Settings

PUBLIC = {"Workspace", "connect"}
DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    home = tmp_path_factory.mktemp("bare")
    with connect(settings=Settings(home=home)) as workspace:
        yield workspace


def test_an_actor_without_a_kind_is_named_with_what_to_write(tmp_path: Path):
    with pytest.raises(Misconfigured, match="PROVENDER_ACTOR='ana' is not usable: write person:"):
        connect(settings=Settings(home=tmp_path), actor="ana")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: w.get(7), r"get: name is 7 \(int\), and not text"),
        (lambda w: w.read("a.b", "x"), r"columns is 'x' \(str\), and not a list .*\n.*=\['x'\]"),
        (lambda w: w.read("a.b", ["x", 7]), "columns is .*, and not a list of names"),
        (lambda w: w.version("a.b", as_of="2023-01-01"), "as_of is '2023-01-01' .* a datetime"),
        (lambda w: w.get("a.b", max_age=7), r"max_age is 7 .*\n.*timedelta\(hours=1\)"),
        (lambda w: w.search(None), "text is None, and not text"),
        (lambda w: w.training_set([], service=7), "training_set: service is 7"),
        (lambda w: w.training_set([], features=["v:f"]), "rows of type list .*from_pylist"),
        (lambda w: w.training_set([], pins={"a.b": "1"}), r"pins is \{'a.b': '1'\} \(dict\)"),
        (lambda w: w.training_set([], progress=7), "progress is 7 .* a function"),
        (lambda w: w.online(["v:f"]), "service is .*a list of features goes to features="),
        (lambda w: w.publish("a.b", [], note=7), "note is 7"),
        (lambda w: w.erase(["k=1"]), r"subjects is \['k=1'\] \(list\), and not text"),
        (lambda w: connect(home=7), "home is 7 .* text or a path"),
    ],
)
def test_arguments_of_another_kind_are_named_with_what_is_wanted(
    bare: Workspace, call: Callable[[Any], object], message: str
):
    with pytest.raises(InvalidInput, match=f"(?s){message}") as error:
        call(bare)
    assert error.value.hint


def test_everything_that_a_workspace_does_looks_at_the_kinds_of_its_arguments():
    unlooked = {
        name
        for name, method in inspect.getmembers(Workspace, inspect.isfunction)
        if not name.startswith("_") and not hasattr(method, "__wrapped__")
    }
    assert unlooked == {"close", "retrieval", "stream"}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"artifact": b"weights"}, "the artifact is bytes, and neither a file nor a digest"),
        ({"metrics": [1]}, "metrics are list, and no numbers by name"),
        ({"metrics": {"auc": "good"}}, "the metric auc is 'good', which is no finite number"),
    ],
)
def test_what_cannot_be_said_of_a_model_is_named(
    tmp_path: Path, said: dict[str, Any], message: str
):
    with (
        connect(settings=Settings(home=tmp_path)) as workspace,
        pytest.raises(InvalidInput, match=message) as error,
    ):
        workspace.models.record("fare", **{"training_set": "ts_0", "artifact": DIGEST} | said)
    assert error.value.hint


def test_what_is_set_between_two_connections_counts_for_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PROVENDER_HOME", str(tmp_path / "one"))
    with connect() as first:
        monkeypatch.setenv("PROVENDER_HOME", str(tmp_path / "other"))
        monkeypatch.setenv("PROVENDER_ACTOR", "person:ana")
        with connect() as second:
            assert (second.settings.home.name, second.settings.actor) == ("other", "person:ana")
            assert bootstrap.settings() == second.settings
        assert first.settings.home.name == "one"
    monkeypatch.setenv("PROVENDER_ACTOR", "ana")
    with pytest.raises(Misconfigured, match="PROVENDER_ACTOR"):
        connect()
    bootstrap.settings.cache_clear()


def test_the_package_lists_what_is_public_whether_it_was_used_or_not():
    assert set(provender.__all__) == PUBLIC
    assert {name for name in dir(provender) if not name.startswith("_")} == PUBLIC
    assert all(hasattr(provender, name) for name in dir(provender))


def test_a_folder_is_no_file_to_write_not_even_one_that_holds_the_lake(tmp_path: Path):
    with pytest.raises(InvalidInput, match=r"is a folder\n hint: name a file in it"):
        target_of(tmp_path, lake=tmp_path / "lake", allow_overwrite=True)
    (tmp_path / "lake").mkdir()
    with pytest.raises(Denied, match="in the lake"):
        target_of(tmp_path / "lake", lake=tmp_path / "lake", allow_overwrite=True)
