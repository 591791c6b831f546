"""Train: the whole of 2013 as known 60 minutes before each departure, and what a leak would cost."""

import os
import pickle
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from demo import derive, labels, leakage, model
from demo.cast import ANA, MODEL, PURPOSE, ROOT, SERVICE
from demo.stage import Stage
from provender.sdk import TrainingSet, connect


def train(stage: Stage) -> None:
    """Retrieve the whole of 2013, the same through plain Feast, and train on it."""
    with connect(actor=ANA, purpose=PURPOSE) as workspace:
        with stage.working("reading the flights of 2013, governed"):
            spine = labels.spine(workspace.read("aviation.flights@1"))
        pins = [f"aviation.{name}@1" for name in derive.DERIVED]
        with stage.working(f"retrieving features for {spine.num_rows:,} flights"):
            training_set = workspace.training_set(spine, service=SERVICE, pins=pins)
    manifest = training_set.manifest
    stage.fact(
        f"training set [bold]{training_set.id}[/]: {manifest.row_count:,} rows x {len(manifest.columns)} columns "
        f"in {manifest.seconds:.1f} s, pins {', '.join(str(p) for p in manifest.pins[:2])} …"
    )
    late = [f"{view} {n / manifest.row_count:.0%}" for view, n in manifest.known_later.items() if n]
    if late:
        stage.fact(
            f"[yellow]warning:[/] values recorded only after the instant asked: {', '.join(late)} of rows "
            "(known_by_then=True leaves them out)"
        )
    _compare_with_feast(stage, spine, training_set)
    _model(stage, training_set)


def _model(stage: Stage, training_set: TrainingSet) -> None:
    """Train on January to March, test on the rest; then once more with a leak, to see what it costs."""
    with connect(actor=ANA, purpose=PURPOSE) as workspace:
        tables = {
            name: workspace.read(f"aviation.{name}@1") for name in ("weather_hourly", "origin_ops")
        }
    honest = training_set.arrow()
    leaky = leakage.delays_of_current_hour(leakage.weather_by_hour_stamp(honest, tables), tables)
    with stage.working("training on January to March, testing on April to December"):
        trained = model.train(_winter(honest))
        fair = model.score(trained, _rest(honest))
        spoiled = model.train(_winter(leaky))
        on_paper, in_service = (
            model.score(spoiled, _rest(leaky)),
            model.score(spoiled, _rest(honest)),
        )
    stage.fact(
        f"model: AUC [bold]{fair.auc:.3f}[/] on {fair.rows:,} flights it has not seen (log loss {fair.log_loss:.3f})"
    )
    _record(stage, training_set, trained, fair)
    stage.fact(
        f"the same with two leaks (this hour's weather and delays): AUC {on_paper.auc:.3f} on paper, "
        f"[yellow]{in_service.auc:.3f}[/] in service"
    )


def _record(stage: Stage, training_set: TrainingSet, trained: Any, fair: model.Score) -> None:
    """Write down which training set the model rests on: tags travel to it, and recalls name it."""
    file = Path(os.environ["PROVENDER_HOME"]).absolute() / "models" / "delay-model.pickle"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps(trained))
    with connect(actor=ANA, purpose=PURPOSE) as workspace:
        made = workspace.models.record(
            MODEL,
            training_set=training_set,
            artifact=file,
            uri=file.as_uri(),
            metrics={"auc": round(fair.auc, 4), "log_loss": round(fair.log_loss, 4)},
            description="Will this flight arrive 15 minutes late or more, asked 60 minutes before departure.",
        )
        tags = workspace.catalog.finder.tags(made.node)
    carried = f"{tags[0].column} has {tags[0].tag}, {tags[0].why}" if tags else "none"
    stage.fact(f"recorded as [bold]{made.id}[/] of {training_set.id}; tags it carries: {carried}")


def _winter(frame: pa.Table) -> pa.Table:
    return model.between(frame, date(2013, 1, 1), date(2013, 4, 1))


def _rest(frame: pa.Table) -> pa.Table:
    return model.between(frame, date(2013, 4, 1), date(2014, 1, 1))


def _compare_with_feast(stage: Stage, spine: pa.Table, ours: TrainingSet) -> None:
    """The same question by plain Feast calls on a part of the spine: every cell must agree."""
    part = spine.slice(0, 20_000)
    with stage.working("asking plain Feast the same"):
        store = feast_store(pins={f"aviation.{name}": 1 for name in derive.DERIVED})
        theirs = store.get_historical_features(
            entity_df=part.to_pandas(), features=store.get_feature_service(SERVICE)
        ).to_arrow()
    rows = ours.arrow()
    asked = [name for name in rows.column_names if name not in spine.column_names]
    differing = sum(
        _differing(rows.column(n).slice(0, part.num_rows), theirs.column(n)) for n in asked
    )
    stage.fact(
        f"plain Feast get_historical_features: {part.num_rows:,} rows x {len(asked)} features, {differing} cells differ"
    )


def feast_store(pins: Mapping[str, int]) -> Any:
    """Return a plain Feast store on feature_repo/, its offline store reading the pinned versions."""
    from feast import FeatureStore
    from feast.repo_config import RepoConfig

    text = (ROOT / "feature_repo" / "feature_store.yaml").read_text()
    config = yaml.safe_load(os.path.expandvars(text))
    config["offline_store"] |= {"pins": dict(pins), "purpose": PURPOSE}
    return FeatureStore(config=RepoConfig(**config, repo_path=ROOT / "feature_repo"))


def _differing(left: pa.ChunkedArray, right: pa.ChunkedArray) -> int:
    right = right.cast(left.type)
    same = pc.fill_null(pc.equal(left, right), False)  # noqa: FBT003 - Arrow's signature
    both_null = pc.and_(pc.is_null(left), pc.is_null(right))
    return len(left) - int(pc.sum(pc.or_(same, both_null)).as_py() or 0)
