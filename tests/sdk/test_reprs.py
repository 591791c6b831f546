"""What a notebook shows of the SDK's objects: what they are, in a line, and no value of the data."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from provender.core.features import RepoSpec, ServiceSpec
from provender.core.names import DatasetRef, FeatureRef
from provender.core.training import TrainingSetManifest, TrainingSetSpec
from provender.sdk import TrainingSet, Workspace
from provender.settings import Settings
from tests.sdk.conftest import Connect, orders


def test_a_training_set_says_its_id_rows_features_and_service(tmp_path: Path) -> None:
    features = tuple(FeatureRef("weather", f"f{n}") for n in range(31))
    manifest = TrainingSetManifest(
        spec=TrainingSetSpec(project="flights", features=features, purpose="p", service="delay"),
        pins=(DatasetRef("a", "b", 1),),
        plan_digest="sha256:1",
        repo_digest="sha256:2",
        decision="dec_1",
        spine_digest="hmac-sha256:3",
        content_digest="hmac-sha256:4",
        row_count=336_776,
        columns=("origin", *(one.feature for one in features)),
        created_at=datetime(2023, 1, 1, tzinfo=UTC),
        created_by="person:ana",
        seconds=1.0,
        known_later={"weather": 7},
    )
    rows = pa.table({"origin": ["EWR"]})
    said = f"TrainingSet({manifest.id}, 336,776 rows, 31 features of delay, 1 warnings"
    assert repr(TrainingSet(manifest, rows, tmp_path, tmp_path)) == f"{said})"
    kept = TrainingSet(manifest, tmp_path / "made.parquet", tmp_path, tmp_path)
    assert repr(kept) == f"{said}, in {tmp_path / 'made.parquet'})"


def test_versions_profiles_and_what_is_got_are_said_in_a_line(acting: Connect) -> None:
    sam = acting("sam")
    old, new = sam.publish("shop.orders", orders(5)), sam.publish("shop.orders", orders(6))
    assert repr(new).startswith("DatasetVersion(shop.orders@2, 6 rows, parquet, ")
    assert repr(sam.get("shop.orders")) == f"Reading({new!r})"
    assert repr(sam.profile("shop.orders")) == "Profile(6 rows x ordered_at, amount, tags)"
    found = sam.diff(str(old.ref), str(new.ref))
    assert repr(found).startswith("Difference(shop.orders@1 → shop.orders@2, 5 → 6 rows, ")
    assert repr(sam) == f"Workspace(person:sam, SQLite in {sam.settings.home})"


@pytest.mark.parametrize("url", ["postgresql://sam:pw@host/db", "http://sam:pw@host:8400"])
def test_a_workspace_shows_no_password(tmp_path: Path, url: str) -> None:
    class Nothing:
        def close(self) -> None: ...

    settings = Settings(home=tmp_path, catalog_url=url)
    with Workspace(settings, catalog=Nothing()) as workspace:  # type: ignore[arg-type]
        assert "host" in repr(workspace)
        assert "pw" not in repr(workspace)


def test_definitions_are_said_by_name() -> None:
    spec = RepoSpec(project="flights", services=(ServiceSpec(name="delay", features=()),))
    assert repr(spec) == "RepoSpec(flights, views none; services delay)"
