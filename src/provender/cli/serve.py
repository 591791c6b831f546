"""``provender serve …``, ``provender up`` and ``provender down``."""

from pathlib import Path

import click

from provender.cli.output import as_json, show
from provender.core.errors import ProvenderError

WEB_PORT = 8400
ONLINE_PORT = 6566
LOOPBACK = "127.0.0.1"
PORTS = click.IntRange(0, 65_535)
host_option = click.option(
    "--host", default=LOOPBACK, show_default=True, help="Address to listen on."
)


@click.group()
def serve() -> None:
    """Run a server in the foreground."""


@serve.command("online")
@host_option
@click.option(
    "--port", default=ONLINE_PORT, show_default=True, type=PORTS, help="TCP port; 0 for a free one."
)
@click.option("--uds", type=click.Path(path_type=Path), help="UNIX socket instead of a port.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--project", default="", help="Default: the only project there is.")
@click.option(
    "--compat",
    multiple=True,
    type=click.Choice(("missing-status", "partial-keys")),
    help="A habit of Feast's own server to keep; may be given more than once.",
)
def serve_online(
    host: str, port: int, uds: Path | None, workers: int, project: str, compat: tuple[str, ...]
) -> None:
    """Answer feature lookups over HTTP, in Feast's wire format.

    Subjects that were erased and are in the online store again, as after a restore of it, go first.
    """
    from contextlib import ExitStack

    from provender import bootstrap
    from provender.cli.carrier import carrying
    from provender.cli.running import registered
    from provender.core.leases import Unconfirmed
    from provender.serving.compat import Compat
    from provender.serving.limits import Limits
    from provender.serving.lookuplog import LogOptions
    from provender.serving.server import application
    from provender.serving.server import serve as answer

    settings = bootstrap.settings()
    has_catalog = bootstrap.has_catalog(settings)
    live = settings.online_policy == "live" and has_catalog
    with ExitStack() as stack:
        address = stack.enter_context(bootstrap.online_address(settings))
        bootstrap.forget_online(settings, address)
        make = application(
            address,
            project=project,
            home=settings.home,
            repo=settings.feature_repo,
            clock=settings.clock,
            limits=Limits(deadline=settings.online_deadline),
            compat=Compat(
                missing_status="missing-status" in compat, partial_keys="partial-keys" in compat
            ),
            catalog_url=settings.catalog_url or (settings.database_url if has_catalog else ""),
            log=LogOptions(
                rate=settings.lookup_log,
                hash_ids=settings.lookup_log_ids == "hashed",
                seconds=settings.lookup_log_seconds,
                most_bytes=settings.lookup_log_megabytes << 20,
                ship=has_catalog,
            ),
            leased=Unconfirmed(settings.online_unconfirmed) if live else None,
            backlog=bootstrap.backlog(settings) if live else None,
            unrecorded=settings.unrecorded == "public",
            governed=settings.mode == "governed",
        )
        if live:
            stack.enter_context(carrying(make.project))

        def ready(where: str) -> None:
            stack.enter_context(registered(settings.home, "online", where))
            click.echo(f"online server on {where}", err=True)

        answer(make, host=host, port=port, uds=uds, workers=workers, ready=ready)


@serve.command("policy")
@click.option("--project", required=True, help="Whose policy.")
@click.option("--until-eof", is_flag=True, hidden=True)
def serve_policy(project: str, until_eof: bool) -> None:  # noqa: FBT001
    """Carry the policy from the catalog to the online store, so that servers know what was revoked.

    Online servers run it by themselves; several do no harm.
    """
    import logging
    from threading import Event

    from provender import bootstrap
    from provender.cli.carrier import carry_policy, end_of_input

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    carry_policy(bootstrap.settings(), project, end_of_input() if until_eof else Event())


@serve.command("web")
@host_option
@click.option("--port", default=WEB_PORT, show_default=True, type=PORTS, help="TCP port.")
def serve_web(host: str, port: int) -> None:
    """Show the catalog's pages: search, datasets, features, training sets, audit."""
    from provender import bootstrap
    from provender.asgi import run
    from provender.cli.running import check_port, registered

    settings = bootstrap.settings()
    _ = settings.database_url  # a catalog that is a service has pages of its own
    bootstrap.prepare_home(settings)
    check_port(host, port)
    where = f"http://{host}:{port}"
    with registered(settings.home, "web", where):
        click.echo(f"catalog pages on {where}", err=True)
        run(settings, host=host, port=port)


@click.command()
@click.option(
    "--web-port", default=WEB_PORT, show_default=True, type=PORTS, help="Port of the pages."
)
@click.option(
    "--online-port", default=ONLINE_PORT, show_default=True, type=PORTS, help="Port of the lookups."
)
@as_json
def up(web_port: int, online_port: int, as_json: bool) -> None:  # noqa: FBT001
    """Start the web pages and the online server in the background; provender down stops them."""
    from provender import bootstrap
    from provender.cli.running import check_port, running, start, stop

    settings = bootstrap.settings()
    bootstrap.prepare_home(settings)
    plans = {
        "web": (web_port, "--web-port", "/healthz"),
        "online": (online_port, "--online-port", "/ready"),
    }
    if not _anything_applied():
        del plans["online"]
        click.echo("nothing to serve online yet: make demo, or provender features apply", err=True)
    before = {name for name in plans if running(settings.home, name)}
    for name in plans.keys() - before:
        port, option, _ = plans[name]
        check_port(LOOPBACK, port, option=f"provender up {option}")
    servers = []
    try:
        for name, (port, _, health) in plans.items():
            command = ["serve", name, "--port", str(port)]
            servers.append(start(settings.home, name, command, health=health))
    except ProvenderError:
        for server in servers:
            if server.name not in before:
                stop(settings.home, server.name)
        raise

    def human() -> None:
        for server in servers:
            already = "  already running" if server.name in before else ""
            click.echo(f"{server.name:7} {server.url}  (process {server.pid}){already}")
        click.echo("stop with: provender down")

    show(servers, machine=as_json, human=human)


def _anything_applied() -> bool:
    from provender.sdk import connect

    with connect() as workspace:
        return bool(workspace.catalog.records.projects())


@click.command()
@as_json
def down(as_json: bool) -> None:  # noqa: FBT001
    """Stop what provender up started."""
    from provender import bootstrap
    from provender.cli.running import stop

    home = bootstrap.settings().home
    stopped = [server for name in ("online", "web") if (server := stop(home, name))]
    lines = [f"stopped {server.name} (process {server.pid})" for server in stopped]
    show(
        stopped,
        machine=as_json,
        human=lambda: click.echo("\n".join(lines) or "nothing was running"),
    )
