"""The main job on real data, told in the terminal: every step is what a user would do.

Each person of the story has a workspace of their own; what they may do is what catalog/ says.
"""

import logging
import os
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from demo import data, derive
from demo.cast import ANA, LEE, MAX, MODEL, PURPOSE, RAW, REPLAY_AT, ROOT, SAM, SERVICE, YEARS
from demo.learning import train
from demo.lookups import QUESTION, materialise, serve
from demo.stage import Stage
from provender.cli import running
from provender.core.errors import Conflict, Denied, ProvenderError
from provender.core.names import DatasetRef
from provender.core.policy import Action
from provender.sdk import Workspace, connect

COMPARED = ("weather", "planes", "flights")
FOREMOST = 2
"""As many differences are told of each."""


def tell() -> int:
    """Tell the story; return the process's exit code."""
    os.environ.setdefault("PROVENDER_HOME", str(ROOT / ".provender"))
    os.environ.setdefault("PROVENDER_FEATURE_REPO", str(ROOT / "feature_repo"))
    os.environ.setdefault("PROVENDER_GOVERNANCE", str(ROOT / "catalog"))
    os.environ["PROVENDER_CLOCK"] = REPLAY_AT.isoformat()
    os.environ["PROVENDER_ACTOR"] = ANA
    logging.getLogger("alembic").setLevel(logging.WARNING)
    stage = Stage()
    stage.console.print(
        "[bold]Provender[/]: will a flight from New York arrive 15 minutes late or more? "
        "Asked 60 minutes before departure,\non the real flights of 2013 and 2023."
    )
    try:
        _tell(stage)
    except ProvenderError as error:
        stage.console.print(f"\n[bold red]error:[/] {error.message}")
        if error.hint:
            stage.console.print(f" [cyan]hint:[/] {error.hint}")
        return error.exit_code
    except KeyboardInterrupt:
        stage.console.print("\nstopped; nothing is half-written, make demo goes on from here")
        return 130
    return 0


def _tell(stage: Stage) -> None:
    _nothing_runs()
    with stage.step("Govern", "people, tags, rules and datasets, from catalog/"):
        govern(stage)
    with stage.step(
        "Publish", "five raw datasets, then six feature tables; every version immutable"
    ):
        publish(stage)
    with stage.step("Compare", "2013 against 2023: what is different, without reading a row"):
        compare(stage)
    with stage.step("Define", "Feast entities, views and a service over catalog datasets"):
        define(stage)
    with stage.step("Train", "point-in-time correct rows, dataset versions pinned"):
        train(stage)
    with stage.step(
        "Materialise", "the latest row per entity into the online store, then late arrivals"
    ):
        materialise(stage)
    with stage.step("Serve", "Feast's wire format over HTTP, and in process"):
        serve(stage)
    with stage.step("Find", "full-text search over datasets, columns, views and features"):
        find(stage)
    with stage.step("Ask for permission", "a protected column: denied, granted, read"):
        ask(stage)
    _summary(stage)


def _nothing_runs() -> None:
    """The story starts and stops the online server; one that serves somebody stays untouched."""
    there = running.running(Path(os.environ["PROVENDER_HOME"]), "online")
    if there:
        raise Conflict(
            f"the online server of this state folder is running at {there.url}",
            hint="make down, then make demo; or set PROVENDER_HOME to another folder",
        )


def govern(stage: Stage) -> None:
    """Apply governance as code."""
    from provender.catalog.documents import read_governance

    with connect(actor=LEE) as workspace:
        desired = read_governance(workspace.settings.governance)
        steps = workspace.catalog.desk.apply(desired)
    counts: dict[str, int] = {}
    for step in steps:
        counts[step.change] = counts.get(step.change, 0) + 1
    stage.fact(
        f"{len(desired.people)} people, {len(desired.tags)} tags, {len(desired.rules)} rules, "
        f"{len(desired.datasets)} datasets: "
        + ", ".join(f"{count} {change}" for change, count in counts.items())
    )


def publish(stage: Stage) -> None:
    """Publish both years of everything; what is there already stays as it is."""
    with connect(actor=SAM, purpose="operations") as workspace:
        for year, number in YEARS.items():
            with stage.working(f"reading the packages of {year}"):
                raw = data.load(year)
            for name in RAW:
                _publish(stage, workspace, name, raw[name], year=year, number=number, inputs=())
            for name, derived in derive.DERIVED.items():
                inputs = tuple(f"aviation.{table}@{number}" for table in derived.inputs)
                with stage.working(f"computing {name} of {year}"):
                    rows = derive.derive_one(name, raw, year=year)
                _publish(stage, workspace, name, rows, year=year, number=number, inputs=inputs)


def _last(workspace: Workspace, ref: DatasetRef) -> int:
    """The number of the last version of a dataset, 0 before its first."""
    found = workspace.catalog.finder.releases(ref, limit=1).items
    return found[0].version.number if found else 0


def _publish(
    stage: Stage,
    workspace: Workspace,
    name: str,
    rows: pa.Table,
    *,
    year: int,
    number: int,
    inputs: tuple[str, ...],
) -> None:
    before = _last(workspace, DatasetRef("aviation", name))
    began = time.perf_counter()
    with stage.working(f"publishing aviation.{name} of {year}"):
        try:
            version = workspace.publish(
                f"aviation.{name}",
                rows,
                inputs=inputs,
                producer="demo" if inputs else f"package data of {year}",
                parent=number - 1,
                note=f"year {year}",
            )
        except Conflict as error:
            home = workspace.settings.home
            raise Conflict(
                f"the demo's {year} of aviation.{name} is not there, or not any more: {error.message}; "
                "that may have been you, by hand or by another version of the demo",
                hint=f"begin anew beside it: PROVENDER_HOME={home}-anew make demo; this stays as it is",
            ) from error
    manifest = version.manifest
    new = "" if _last(workspace, version.ref) > before else "  [dim]as it was[/]"
    stage.fact(
        f"{version.ref!s:26} {manifest.row_count:>9,} rows  {manifest.size_bytes / 1e6:>6.2f} MB  "
        f"{manifest.format:8} {manifest.digest[7:19]}  {time.perf_counter() - began:4.1f} s{new}"
    )
    if version.number != number:
        stage.fact(f"[yellow]note: expected version {number} of the year {year}[/]")


def compare(stage: Stage) -> None:
    """Say what changed most in three of the raw datasets: nobody told what is wrong with them."""
    with connect(actor=ANA, purpose=PURPOSE) as workspace:  # to count what has no profile yet
        for name in COMPARED:
            old, new = (f"aviation.{name}@{number}" for number in YEARS.values())
            with stage.working(f"comparing {old} and {new}"):
                found = workspace.diff(old, new).findings
            for finding in found[:FOREMOST]:
                stage.fact(f"[bold]{new}[/]  {finding.says}")
    stage.fact(
        "[dim]wind_gust of 2023 was converted from knots to mph twice; see the dataset's page[/]"
    )


def define(stage: Stage) -> None:
    """Apply the feature repository."""
    from provender import bootstrap
    from provender.feast_plugin import repo

    with connect(actor=ANA) as workspace, closing(bootstrap.online(workspace.settings)) as online:
        with stage.working("importing Feast and reading feature_repo/"):
            applied = repo.apply(
                workspace.settings.feature_repo,
                workspace.catalog,
                online,
                settings=workspace.settings,
            )
        spec = workspace.repo()
    for change in applied.changed:
        stage.fact(f"{change}")
    if not applied.changed:
        stage.fact("nothing changes: the definitions are those that were applied")
    stage.fact(
        f"{len(spec.entities)} entities, {len(spec.views)} feature views, {len(spec.on_demand)} on-demand view, "
        f"service {SERVICE} with {len(spec.service(SERVICE).features)} features"
    )


def find(stage: Stage) -> None:
    """Search as a newcomer would."""
    with connect(actor=MAX) as workspace:
        hits = workspace.search("late arrivals weather", limit=5)
    for hit in hits:
        stage.fact(f"{hit.kind:16} [bold]{hit.name}[/]  {hit.description[:70]}")


def ask(stage: Stage) -> None:
    """Max reads a protected column: denied, then granted by a steward for an hour, then read."""
    columns = ["tailnum", "manufacturer", "seats"]
    with connect(actor=SAM) as steward:
        for grant in steward.catalog.records.grants(
            DatasetRef("aviation", "planes"), limit=200
        ).items:
            if grant.grantee == MAX and grant.revoked_at is None:
                steward.catalog.records.revoke(grant.id)
    with connect(actor=MAX, purpose="reporting") as workspace:
        try:
            workspace.read("aviation.planes@2", columns)
            raise AssertionError("the read should have been denied")
        except Denied as denied:
            stage.fact(f"[red]denied:[/] {denied.message}")
            stage.fact(f"[cyan]  hint:[/] {denied.hint}")
    with connect(actor=SAM) as steward:
        grant = steward.catalog.records.grant(
            DatasetRef("aviation", "planes"),
            grantee=MAX,
            action=Action.READ,
            columns=("tailnum",),
            purposes=("reporting",),
            until=datetime.now(UTC) + timedelta(hours=1),  # noqa: TID251 - the story is a shell
            reason="fleet report",
        )
    stage.fact(f"[green]granted:[/] {grant.id} by {SAM} to {MAX}: tailnum, for reporting, one hour")
    with connect(actor=MAX, purpose="reporting") as workspace:
        rows = workspace.read("aviation.planes@2", columns)
        events = workspace.catalog.records.verify_audit()
    stage.fact(
        f"[green]read:[/] {rows.num_rows:,} planes; the audit chain of {events} events holds"
    )


def _summary(stage: Stage) -> None:
    home = os.environ["PROVENDER_HOME"]
    stage.console.print(f"\n[bold]Done in {stage.total:.0f} s.[/] What there is now, in {home}:")
    with connect(actor=ANA) as workspace:
        catalog = workspace.catalog
        datasets = catalog.finder.entries({}, limit=200).items
        versions = sum(_last(workspace, DatasetRef.parse(one.name)) for one in datasets)
        made = catalog.records.training_sets(limit=200).items
        learnt = workspace.models.list()
        events = catalog.records.verify_audit()
    for line in (
        f"{len(datasets)} datasets in {versions} immutable versions, with manifests, lineage, owners and tags",
        f"{len(made)} training set(s) that can be cited by id, the last one {made[0].id}",
        f"{len(learnt)} model(s) that lead back to what they rest on: {', '.join(one.id for one in learnt)}",
        "an online store filled from the same definitions, served in Feast's format",
        f"{events} events (what was published, permitted, denied, granted) in a chain that verifies",
    ):
        stage.fact(f"• {line}")
    stage.console.print("\nTry next:")
    elsewhere = "" if Path(home) == ROOT / ".provender" else f" PROVENDER_HOME={home}"
    for command in (
        f"export PATH=$PWD/.venv/bin:$PATH PROVENDER_ACTOR={ANA} PROVENDER_CLOCK={REPLAY_AT:%Y-%m-%dT%H:%M:%SZ}{elsewhere}",
        "provender dataset show aviation.weather@2",
        "provender dataset diff aviation.weather@1 aviation.weather@2",
        'provender search "late arrivals weather"',
        f"provender training show {made[0].id}",
        f"provender model show {MODEL}",
        "provender access explain aviation.planes --columns tailnum --purpose reporting",
        "make up        # pages on http://127.0.0.1:8400, lookups on http://127.0.0.1:6566, until make down",
        """curl -s http://127.0.0.1:6566/get-online-features -d '{"feature_service": "delay_v1", """
        """"entities": {"origin": ["EWR"], "carrier": ["UA"], "dest": ["IAH"], "tailnum": ["N14228"], """
        f""""departure_epoch": [{QUESTION["departure_epoch"][0]}]}}}}'""",
    ):
        stage.command(command)
