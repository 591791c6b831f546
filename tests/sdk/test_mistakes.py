"""What is mistyped in a call is told as what is mistyped in a setting or a command."""

from pathlib import Path
from typing import Any

import pytest

import provender
from provender import bootstrap
from provender.core.errors import InvalidInput, Misconfigured
from provender.sdk import connect
from provender.settings import Settings

PUBLIC = {"Workspace", "connect"}
DIGEST = f"sha256:{'a' * 64}"


def test_an_actor_without_a_kind_is_named_with_what_to_write(tmp_path: Path):
    with pytest.raises(Misconfigured, match="PROVENDER_ACTOR='ana' is not usable: write person:"):
        connect(settings=Settings(home=tmp_path), actor="ana")


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
