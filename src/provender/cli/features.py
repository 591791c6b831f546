"""``provender features …`` and ``provender push``: definitions, materialisation, late data."""

from datetime import datetime
from pathlib import Path

import click

from provender.cli.counting import counting
from provender.cli.instants import Instant
from provender.cli.output import as_json, fields, show, table

RUN_HEADINGS = (
    *("view", "source", "read", "written", "newer there", "done before"),
    *("null keys", "null times", "seconds"),
)
repo_argument = click.argument("repo", type=click.Path(path_type=Path), required=False)


@click.group()
def features() -> None:
    """Apply a Feast repository, see what was applied, fill the online store."""


@features.command("plan")
@repo_argument
@as_json
def plan_definitions(repo: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Check REPO (default: PROVENDER_FEATURE_REPO) and show what applying it would change."""
    _apply(repo, dry_run=True, machine=as_json)


@features.command("apply")
@repo_argument
@as_json
def apply_definitions(repo: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Check REPO, show the plan, apply it to Feast, record it, and tell the online servers."""
    _apply(repo, dry_run=False, machine=as_json)


@features.command("status")
@repo_argument
@as_json
def show_status(repo: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Say whether REPO, the catalog, Feast's registry and the online store agree."""
    from contextlib import closing

    from provender import bootstrap
    from provender.feast_plugin import repo as repository
    from provender.sdk import connect

    with connect() as workspace:
        settings = workspace.settings
        with closing(bootstrap.online(settings)) as online:
            found = repository.status(
                repo or settings.feature_repo, workspace.catalog, online, settings=settings
            )

    def human() -> None:
        fields((("project", found.project), ("applied", found.recorded or "never")))
        click.echo("\n".join(found.differences) or "everything agrees")

    show(found, machine=as_json, human=human)
    if found.differences:
        raise SystemExit(1)


@features.command("list")
@as_json
def list_definitions(as_json: bool) -> None:  # noqa: FBT001
    """List the feature views and services that were applied, and what was saved of them."""
    from provender.sdk import connect

    with connect() as workspace:
        specs = [workspace.repo(name) for name in workspace.catalog.records.projects()]
    rows: list[tuple[object, ...]] = []
    for spec in specs:
        rows += [
            (
                spec.project,
                "feature view",
                view.name,
                [k.name for k in view.join_keys],
                [f.name for f in view.features],
                view.dataset or "file",
                view.ttl or "",
            )
            for view in spec.views
        ]
        rows += [
            (spec.project, "on-demand", v.name, "", [f.name for f in v.features], v.module, "")
            for v in spec.on_demand
        ]
        rows += [
            (spec.project, "service", s.name, "", f"{len(s.features)} features", "", "")
            for s in spec.services
        ]
        rows += [
            (
                spec.project,
                "saved dataset",
                s.name,
                s.join_keys,
                [str(ref) for ref in s.features],
                s.dataset or "file",
                "",
            )
            for s in spec.saved
        ]
    show(
        specs,
        machine=as_json,
        human=lambda: table(
            ("project", "kind", "name", "keys", "features", "source", "TTL"),
            rows,
            empty="nothing was applied yet: provender features apply",
        ),
    )


@features.command("materialize")
@repo_argument
@click.option(
    "--start",
    type=Instant(),
    default=None,
    help="UTC; default: go on where the last run ended.",
)
@click.option("--end", type=Instant(), default=None, help="UTC; default: now.")
@click.option("--view", "views", multiple=True, help="Only this view; may be given more than once.")
@click.option(
    "--lookback",
    default="",
    metavar="DURATION",
    help="See again what is so much older, for late rows: 90m, 36h, 7d.",
)
@click.option(
    "--force", is_flag=True, help="Begin with the data, whatever is known of the rows online."
)
@as_json
def materialize_views(
    repo: Path | None,
    start: datetime | None,
    end: datetime | None,
    views: tuple[str, ...],
    lookback: str,
    force: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Write the latest row of every entity to the online store.

    Running it again is safe, and goes on where a run that was killed was.
    """
    from provender import bootstrap
    from provender.core.clock import duration
    from provender.feast_plugin import runs as repository

    settings = bootstrap.settings()
    bootstrap.prepare_home(settings)
    with counting("materialising") as count:
        runs = list(
            repository.materialize(
                repo or settings.feature_repo,
                settings=settings,
                start=start,
                end=end,
                views=views,
                lookback=duration(lookback) if lookback else None,
                force=force,
                watcher=count,
            )
        )
    for run in runs:
        for warning in run.warnings:
            click.echo(click.style("warning: ", fg="yellow") + warning, err=True)
    show(
        runs,
        machine=as_json,
        human=lambda: table(
            RUN_HEADINGS,
            (
                (
                    *(r.view, r.source, r.read, r.written, r.kept, r.resumed),
                    *(r.null_keys, r.null_times, f"{r.seconds:.2f}"),
                )
                for r in runs
            ),
            empty="no view is served online yet: provender features apply",
        ),
    )


@click.command()
@click.argument("source")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--to", type=click.Choice(("online", "offline", "both")), default="online", show_default=True
)
@click.option(
    "--repo", type=click.Path(path_type=Path), default=None, help="Default: PROVENDER_FEATURE_REPO."
)
@as_json
def push(source: str, path: Path, to: str, repo: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Push the rows of the Parquet file PATH through the push source SOURCE."""
    from provender import bootstrap
    from provender.feast_plugin import runs as repository
    from provender.sdk import arrow_table

    settings = bootstrap.settings()
    done = repository.push(
        repo or settings.feature_repo,
        source,
        arrow_table(path, lake=settings.lake),
        settings=settings,
        to="offline" if to == "offline" else "both" if to == "both" else "online",
    )
    show(
        done,
        machine=as_json,
        human=lambda: click.echo(
            f"{source}: {done.read:,} rows, {done.written:,} written online, "
            f"{done.kept:,} older than what is there"
        ),
    )


def _apply(repo: Path | None, *, dry_run: bool, machine: bool) -> None:
    from contextlib import ExitStack, closing

    from provender import bootstrap
    from provender.feast_plugin import repo as repository
    from provender.sdk import connect

    with ExitStack() as stack:
        workspace = stack.enter_context(connect())
        settings = workspace.settings
        online = None if dry_run else stack.enter_context(closing(bootstrap.online(settings)))
        applied = repository.apply(
            repo or settings.feature_repo,
            workspace.catalog,
            online,
            settings=settings,
            dry_run=dry_run,
        )
    closed = applied.manifest.closed

    def human() -> None:
        for change in applied.changed:
            click.echo(str(change))
        kept = len(applied.changes) - len(applied.changed)
        verb = "would change" if dry_run else "applied"
        click.echo(f"{len(applied.changed)} {verb}, {kept} as they were")
        for feature, why in closed.items():
            click.echo(click.style("not served: ", fg="yellow") + f"{feature}: {why}")

    show(
        {
            "project": applied.repo.project,
            "changes": [str(change) for change in applied.changed],
            "closed": closed,
            "dry_run": dry_run,
        },
        machine=machine,
        human=human,
    )
