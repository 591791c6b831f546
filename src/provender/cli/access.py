"""``provender access …``."""

from datetime import datetime

import click

from provender.cli.instants import Instant
from provender.cli.output import as_json, show, table
from provender.core import policy
from provender.core.effects import Effect
from provender.core.policy import Action

GRANTED = [action.value for action in policy.GRANTED]
EFFECTS = [effect.value for effect in Effect if effect is not Effect.DENY]
ASKED = [*GRANTED, Action.STEWARD.value]


@click.group()
def access() -> None:
    """Ask why, grant, revoke and list access."""


@access.command("explain")
@click.argument("dataset")
@click.option("--columns", default="", help="Comma-separated; default: the dataset itself.")
@click.option("--action", type=click.Choice(ASKED), default="read", show_default=True)
@click.option("--purpose", default="", help="What for.")
@click.option("--as", "actor", default=None, help="For whom; default: you.")
@as_json
def explain_access(
    dataset: str,
    columns: str,
    action: str,
    purpose: str,
    actor: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Say column by column whether it is open, and why."""
    from provender.core.policy import EVERY, Action, ColumnRef
    from provender.sdk import connect

    with connect() as workspace:
        name = workspace.dataset(dataset).ref.dataset
        if columns:
            schema = workspace.version(name).manifest.schema
            for column in _split(columns):
                schema.column(column)
        asked = [ColumnRef(name, column) for column in _split(columns) or [EVERY]]
        decision = workspace.catalog.records.decide(
            Action(action), asked, purpose=purpose, actor=actor
        )

    def human() -> None:
        table(
            ("column", "allowed", "because"),
            ((r.column, r.allowed, r.because) for r in decision.reasons),
            empty="",
        )
        if decision.hint:
            click.echo(f"hint: {decision.hint}", err=True)

    show(decision, machine=as_json, human=human)


@access.command("grant")
@click.argument("dataset")
@click.option("--to", "grantee", required=True, help="person:…, team:… or service:…")
@click.option("--action", type=click.Choice(GRANTED), default="read", show_default=True)
@click.option("--columns", default="", help="Comma-separated; protected columns must be named.")
@click.option("--purpose", "purposes", multiple=True, help="May be given more than once.")
@click.option("--until", type=Instant(), default=None, help="UTC; default: for ever.")
@click.option("--reason", default="", help="Why.")
@click.option(
    "--effect",
    type=click.Choice(EFFECTS),
    default=None,
    help="As they are (see), masked, or to compute features with; default: see, or mask with --mask.",
)
@click.option("--mask", default="", help="null, constant(…), hash, truncate(3) or bucket(10).")
@click.option("--through", default="", help="Only while they are in this project.")
@as_json
def grant_access(
    dataset: str,
    grantee: str,
    action: str,
    columns: str,
    purposes: tuple[str, ...],
    until: datetime | None,
    reason: str,
    effect: str | None,
    mask: str,
    through: str,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Grant access to DATASET, as one of its stewards or its owner."""
    from provender.core.names import DatasetRef
    from provender.core.policy import EVERY, Action
    from provender.sdk import connect

    with connect() as workspace:
        given = workspace.catalog.records.grant(
            DatasetRef.parse(dataset),
            grantee=grantee,
            action=Action(action),
            columns=_split(columns),
            purposes=purposes or (EVERY,),
            until=until,
            reason=reason,
            effect=Effect(effect or (Effect.MASK if mask else Effect.SEE)),
            mask=mask,
            through=through,
        )
    show(
        given,
        machine=as_json,
        human=lambda: click.echo(f"granted {given.id}: {grantee} may {action} {dataset}"),
    )


@access.command("revoke")
@click.argument("grant_id")
@as_json
def revoke_access(grant_id: str, as_json: bool) -> None:  # noqa: FBT001
    """End a grant now."""
    from provender.sdk import connect

    with connect() as workspace:
        ended = workspace.catalog.records.revoke(grant_id)
    show(ended, machine=as_json, human=lambda: click.echo(f"revoked {ended.id}"))


@access.command("list")
@click.argument("dataset", required=False)
@as_json
def list_grants(dataset: str | None, as_json: bool) -> None:  # noqa: FBT001
    """List the grants, of one dataset or of all that you may discover."""
    from provender.core.datasets import whole
    from provender.core.names import DatasetRef
    from provender.sdk import connect

    with connect() as workspace:
        ref, records = DatasetRef.parse(dataset) if dataset else None, workspace.catalog.records
        grants = whole(lambda after: records.grants(ref, limit=200, after=after))
    show(
        grants,
        machine=as_json,
        human=lambda: table(
            (
                *("grant", "dataset", "to", "action", "columns", "gives", "purposes", "until"),
                *("by", "revoked"),
            ),
            (
                (
                    g.id,
                    g.dataset,
                    g.grantee,
                    g.action,
                    g.columns or "all unprotected",
                    g.mask or g.effect,
                    g.purposes,
                    g.until or "for ever",
                    g.granted_by,
                    g.revoked_at,
                )
                for g in grants
            ),
            empty="no grants",
        ),
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
