"""``provender access request|requests|show|approve|reject|withdraw|renew``: access asked for and given."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from provender.cli.instants import Instant
from provender.cli.output import as_json, fields, show, table
from provender.core.requests import RequestState, RequestStep
from provender.core.rules import REQUESTED

if TYPE_CHECKING:
    from provender.core.requests import AccessRequest, Foreseen

ASKED = [action.value for action in REQUESTED]


@click.command("request")
@click.argument("about")
@click.option("--for", "grantee", default="", help="person:…, team:… or service:…; default: you.")
@click.option("--columns", default="", help="Comma-separated; default: the unprotected ones.")
@click.option("--action", type=click.Choice(ASKED), default="read", show_default=True)
@click.option("--purpose", default="", help="What for, from catalog/purposes.yml.")
@click.option("--until", type=Instant(), default=None, help="UTC; default: for ever.")
@click.option("--reason", default="", help="Why, to who decides.")
@click.option("--dry-run", is_flag=True, help="Only show what it would open.")
@as_json
def request_access(about: str, columns: str, *, dry_run: bool, as_json: bool, **said: Any) -> None:
    """Ask for access to ABOUT: a dataset, feature-view:PROJECT/NAME or feature-service:PROJECT/NAME."""
    from provender.core.lineage import Node, NodeKind
    from provender.core.policy import Action
    from provender.core.requests import Wanted
    from provender.sdk import connect

    node = Node.parse(about) if ":" in about else Node(NodeKind.DATASET, about)
    action = Action(said.pop("action"))
    names = tuple(part.strip() for part in columns.split(",") if part.strip())
    wanted = Wanted(about=node, columns=names, action=action, **said)
    with connect() as workspace:
        asking = workspace.catalog.access
        if dry_run:
            foreseen = asking.foresee(wanted)
            show(foreseen, machine=as_json, human=lambda: _foreseen(foreseen))
            return
        made = asking.ask(wanted)
    show(
        made, machine=as_json, human=lambda: click.echo(f"{made.id} is {made.state}: {_who(made)}")
    )


@click.command("requests")
@click.option(
    "--state", type=click.Choice([state.value for state in RequestState]), help="Only those."
)
@click.option("--limit", default=50, show_default=True, help="The last so many.")
@click.option("--after", default="", help="Go on where a list ended: what it called next.")
@as_json
def list_requests(state: str | None, limit: int, after: str, as_json: bool) -> None:  # noqa: FBT001
    """List what you asked for, are to have, or decide about, newest first."""
    from provender.sdk import connect

    with connect() as workspace:
        of = RequestState(state) if state else None
        found = workspace.catalog.access.requests(state=of, limit=limit, after=after)

    def human() -> None:
        table(
            ("request", "state", "by", "for", "action", "about", "purpose", "until", "asked"),
            (
                (
                    r.id,
                    r.state,
                    r.requester,
                    r.grantee,
                    r.action,
                    r.about.name,
                    r.purpose,
                    r.until or "for ever",
                    r.asked_at,
                )
                for r in found.items
            ),
            empty="no requests",
        )
        if found.next is not None:
            click.echo(f"there is more: --after {found.next}")

    show(found, machine=as_json, human=human)


@click.command("show")
@click.argument("request_id", metavar="REQUEST")
@as_json
def show_request(request_id: str, as_json: bool) -> None:  # noqa: FBT001
    """Show a request, and column by column what it would open."""
    from provender.sdk import connect

    with connect() as workspace:
        found = workspace.catalog.access.requested(request_id)
    show(found, machine=as_json, human=lambda: _foreseen(found))


def _answer(step: RequestStep, *, help_: str, reason: str) -> click.Command:
    @click.command(step.value, help=help_)
    @click.argument("request_id", metavar="REQUEST")
    @click.option("--reason", default="", help=reason)
    @click.option("--expected", type=int, help="Refuse if the request is at another revision.")
    @as_json
    def answer(request_id: str, *, reason: str, expected: int | None, as_json: bool) -> None:
        from provender.sdk import connect

        with connect() as workspace:
            asking = workspace.catalog.access
            after = asking.answer(request_id, step, reason=reason, expected=expected)

        def human() -> None:
            click.echo(
                f"{after.id} is {after.state}"
                + (f": {_who(after)}" if step is RequestStep.APPROVE else "")
            )

        show(after, machine=as_json, human=human)

    return answer


@click.command("renew")
@click.argument("grant_id", metavar="GRANT")
@click.option("--until", type=Instant(), default=None, help="UTC; default: for ever.")
@click.option("--reason", default="", help="Why.")
@as_json
def renew_grant(grant_id: str, *, until: datetime | None, reason: str, as_json: bool) -> None:
    """Let a grant hold until another instant, be it over already."""
    from provender.sdk import connect

    with connect() as workspace:
        renewed = workspace.catalog.access.renew(grant_id, until=until, reason=reason)
    end = renewed.until.isoformat() if renewed.until else "for ever"
    show(renewed, machine=as_json, human=lambda: click.echo(f"{renewed.id} holds until {end}"))


COMMANDS = (
    request_access,
    list_requests,
    show_request,
    _answer(
        RequestStep.APPROVE,
        help_="Approve a request; enough approvals give access.",
        reason="A note.",
    ),
    _answer(RequestStep.REJECT, help_="Reject a request.", reason="Why, and what to do instead."),
    _answer(RequestStep.WITHDRAW, help_="Withdraw a request of yours.", reason="A note."),
    renew_grant,
)
"""What `provender access` has beside grants."""


def _who(request: "AccessRequest") -> str:
    if request.grants:
        return f"granted {', '.join(request.grants)} to {request.grantee}"
    lacking = sum(map(request.lacking, request.parts))
    return (
        f"{lacking} approval{'s' if lacking > 1 else ''} needed; provender access show {request.id}"
    )


def _foreseen(found: "Foreseen") -> None:
    asked = found.request
    deciders = {name for names in found.who_decides.values() for name in names}
    fields(
        (
            ("request", asked.id),
            ("state", asked.state),
            ("by", asked.requester),
            ("for", asked.grantee),
            ("to", f"{asked.action} {asked.about.name}"),
            ("purpose", asked.purpose),
            ("until", asked.until or "for ever"),
            ("reason", asked.reason),
            ("approvals", ", ".join(one.by for one in asked.approvals)),
            ("needed", max((part.approvals for part in asked.parts), default=1)),
            ("deciders", sorted(deciders)),
            ("grants", asked.grants),
        )
    )
    table(
        ("column", "type", "tags", "open now", "then", "because"),
        (
            (
                f"{c.dataset}.{c.column}",
                c.type,
                c.tags,
                c.before if c.known else "not told",
                c.after,
                c.because,
            )
            for c in found.columns
        ),
        empty="no columns are known yet",
    )
