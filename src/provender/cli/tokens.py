"""``provender token …``, ``provender login`` and ``provender logout``."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import click

from provender.cli.instants import Instant
from provender.cli.output import as_json, show, table
from provender.core.limits import EVERY
from provender.core.policy import Action

if TYPE_CHECKING:
    from provender.core.tokens import IssuedToken, Keyring

ACTIONS = [action.value for action in Action]


@click.group()
def token() -> None:
    """Make, list and end the tokens by which programs say who asks."""


@token.command("create")
@click.argument("name")
@click.option("--for", "actor", default=None, help="A service:…, for who governs; default: you.")
@click.option("--action", "actions", multiple=True, type=click.Choice(ACTIONS), help="Only that.")
@click.option("--dataset", "datasets", multiple=True, help="Only those: domain.name or domain.*.")
@click.option("--project", default="", help="Only for that project.")
@click.option("--purpose", default="", help="Only for that purpose, and for it by default.")
@click.option("--until", type=Instant(), default=None, help="UTC; default: in 90 days.")
@as_json
def create_token(
    *,
    name: str,
    actor: str | None,
    actions: tuple[str, ...],
    datasets: tuple[str, ...],
    project: str,
    purpose: str,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Make a token; NAME says where it is used. Its secret is shown once, and kept nowhere."""
    from provender.core.limits import Limits

    limits = Limits(
        actions=actions or (EVERY,),
        datasets=datasets or (EVERY,),
        project=project,
        purpose=purpose,
    )
    with _keyring() as keyring:
        issued = keyring.create(name, actor=actor, limits=limits, until=until)
    _show_issued(issued, machine=as_json)


@token.command("list")
@as_json
def list_tokens(as_json: bool) -> None:  # noqa: FBT001
    """List your tokens; all there are, for who governs."""
    from provender.core.datasets import whole

    with _keyring() as keyring:
        found = whole(lambda after: keyring.tokens(limit=200, after=after))
    show(
        found,
        machine=as_json,
        human=lambda: table(
            ("token", "name", "of", "actions", "datasets", "purpose", "until", "used", "revoked"),
            (
                (
                    t.id,
                    t.name,
                    t.actor,
                    t.limits.actions,
                    t.limits.datasets,
                    t.limits.purpose or "any",
                    t.until,
                    t.used_at or "never",
                    t.revoked_at,
                )
                for t in found
            ),
            empty="no tokens",
        ),
    )


@token.command("revoke")
@click.argument("token_id")
@as_json
def revoke_token(token_id: str, as_json: bool) -> None:  # noqa: FBT001
    """End a token now: it opens nothing at the next request."""
    with _keyring() as keyring:
        ended = keyring.revoke(token_id)
    show(ended, machine=as_json, human=lambda: click.echo(f"revoked {ended.id}"))


@token.command("rotate")
@click.argument("token_id")
@as_json
def rotate_token(token_id: str, as_json: bool) -> None:  # noqa: FBT001
    """End a token now, and make one in its place; its secret is shown once."""
    with _keyring() as keyring:
        issued = keyring.rotate(token_id)
    _show_issued(issued, machine=as_json)


@click.command()
@click.option(
    "--token", "given", default="", envvar="PROVENDER_TOKEN", help="Better typed when asked for it."
)
@as_json
def login(given: str, as_json: bool) -> None:  # noqa: FBT001
    """Keep a token for the catalog of PROVENDER_CATALOG_URL, where only you can read it."""
    from provender.client import HttpCatalog, credentials

    url = _service()
    secret = given or click.prompt("token", hide_input=True, err=True)
    with HttpCatalog(url, token=secret) as catalog:
        actor = catalog.actor.id
    path = credentials.keep(url, secret)
    show(
        {"actor": actor, "file": str(path)},
        machine=as_json,
        human=lambda: click.echo(f"you are {actor}; the token is kept in {path}"),
    )


@click.command()
@as_json
def logout(as_json: bool) -> None:  # noqa: FBT001
    """Keep no token any more for the catalog of PROVENDER_CATALOG_URL; it is not revoked."""
    from provender.client import credentials

    had = credentials.forget(_service())
    show(
        {"forgotten": had},
        machine=as_json,
        human=lambda: click.echo("forgotten" if had else "there was none"),
    )


def _service() -> str:
    from provender import bootstrap
    from provender.core.errors import Misconfigured

    settings = bootstrap.settings()
    if not settings.is_remote:
        raise Misconfigured(
            "a catalog in a database asks for no token",
            hint="set PROVENDER_CATALOG_URL to the http(s):// address of a service",
        )
    return settings.catalog_url


@contextmanager
def _keyring() -> "Iterator[Keyring]":
    from provender.sdk import connect

    with connect() as workspace:
        yield workspace.catalog.keyring


def _show_issued(issued: "IssuedToken", *, machine: bool) -> None:
    def human() -> None:
        click.echo(issued.secret)
        known = issued.token
        click.echo(f"{known.id} of {known.actor} until {known.until:%Y-%m-%d %H:%M} UTC", err=True)
        click.echo("keep it now: it is not shown again", err=True)

    show(issued, machine=machine, human=human)
