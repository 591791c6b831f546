"""``provender model …``: which training set each version of a model was made of."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provender.cli.output import as_json, fields, show, table

if TYPE_CHECKING:
    from provender.core.models import ModelVersion


@click.group()
def model() -> None:
    """Record, list and show models that were trained on training sets."""


@model.command("record")
@click.argument("name")
@click.option("--training-set", required=True, metavar="ID", help="What it was made of.")
@click.option("--artifact", type=click.Path(path_type=Path), help="Its file: read, and not kept.")
@click.option("--digest", default="", help="Instead of a file: sha256: and 64 hex digits.")
@click.option("--uri", default="", help="Where the file lies.")
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME=NUMBER", help="Again for several."
)
@click.option("--description", default="", help="What people should know of it.")
@as_json
def record_model(
    *,
    name: str,
    training_set: str,
    artifact: Path | None,
    digest: str,
    uri: str,
    metrics: tuple[str, ...],
    description: str,
    as_json: bool,
) -> None:
    """Record a version of the model NAME, in the project of the training set.

    Who made the training set may. The same file of the same training set is the same version.
    """
    from provender.core.errors import InvalidInput
    from provender.sdk import connect

    if (artifact is None) == (not digest):
        raise InvalidInput(
            "a model is one file", hint="say --artifact FILE, or --digest sha256:… of it"
        )
    with connect() as workspace:
        made = workspace.models.record(
            name,
            training_set=training_set,
            artifact=str(artifact) if artifact else digest,  # a digest may be said as either
            uri=uri,
            metrics=_metrics(metrics),
            description=description,
        )
    show(
        _told(made),
        machine=as_json,
        human=lambda: click.echo(
            f"{made.id}: {made.trained.artifact}, of {made.trained.training_set}, "
            f"recorded {made.created_at:%Y-%m-%d %H:%M:%S} UTC by {made.created_by}"
        ),
    )


@model.command("list")
@as_json
def list_models(as_json: bool) -> None:  # noqa: FBT001 - click calls by name
    """List the newest version of every model, by name."""
    from provender.sdk import connect

    with connect() as workspace:
        found = workspace.models.list()
    show([_told(one) for one in found], machine=as_json, human=lambda: _table(found))


@model.command("show")
@click.argument("name")
@as_json
def show_model(name: str, as_json: bool) -> None:  # noqa: FBT001 - click calls by name
    """Show a model's versions, and what NAME rests on: the newest, or the one of name@version.

    Where several projects have a model of that name: project/name. Tags that it carries are in:
    provender lineage tags model:project/name@version.
    """
    from provender.sdk import connect

    with connect() as workspace:
        found = workspace.models.get(name)
        versions = workspace.models.versions(found.trained.name)
        made_of = workspace.catalog.records.training_set(found.trained.training_set)
        tags = workspace.catalog.finder.tags(found.node)
    said = found.trained

    def human() -> None:
        fields(
            (
                ("model", found.id),
                ("description", said.description),
                ("recorded", found.created_at),
                ("by", found.created_by),
                ("training set", said.training_set),
                ("purpose", made_of.spec.purpose),
                ("dataset versions", "\n".join(str(pin) for pin in made_of.pins)),
                ("features", "\n".join(str(ref) for ref in made_of.spec.features)),
                ("artifact", said.artifact),
                ("at", said.uri),
                ("metrics", "\n".join(f"{name} {n:.6g}" for name, n in said.metrics.items())),
                ("tags", "\n".join(f"{one.column}: {one.tag}, {one.why}" for one in tags)),
            )
        )
        if len(versions) > 1:
            click.echo()
            _table(versions)

    facts = {**_told(found), "manifest": made_of, "tags": tags}
    facts["versions"] = [_told(one) for one in versions]
    show(facts, machine=as_json, human=human)


def _metrics(texts: tuple[str, ...]) -> dict[str, float]:
    from provender.core.errors import InvalidInput

    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            name = ""
        if not name:
            raise InvalidInput(f"--metric {text!r} is no metric", hint="write it like auc=0.8")
        if name in found:
            raise InvalidInput(f"--metric {name} is said twice", hint="say each metric once")
        found[name] = value
    return found


def _told(found: "ModelVersion") -> dict[str, object]:
    return {"id": found.id, "model": found}


def _table(found: "list[ModelVersion]") -> None:
    table(
        ("model", "recorded", "by", "training set", "metrics", "at"),
        (
            (
                one.id,
                one.created_at,
                one.created_by,
                one.trained.training_set,
                ", ".join(f"{name} {n:.6g}" for name, n in one.trained.metrics.items()),
                one.trained.uri,
            )
            for one in found
        ),
        empty="no model was recorded yet",
    )
