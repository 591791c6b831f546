"""``provender status``: where everything is, and whether it is well."""

import click

from provender.cli.output import as_json, fields, show


@click.command()
@as_json
def status(as_json: bool) -> None:  # noqa: FBT001
    """Show the settings, what is in the catalog, and which servers run."""
    from provender import bootstrap
    from provender.cli.running import running
    from provender.hosts import without_password

    settings = bootstrap.settings()
    facts: dict[str, object] = {
        "home": settings.home,
        "actor": settings.actor,
        "catalog": settings.catalog_shown,
        "online store": settings.redis_url or f"embedded Valkey in {settings.home}",
        "clock": settings.clock or "the wall clock",
    }
    if bootstrap.has_catalog(settings):
        from provender.core.datasets import whole
        from provender.core.finding import Question
        from provender.sdk import connect

        with connect() as workspace:
            finder, records = workspace.catalog.finder, workspace.catalog.records
            counted = finder.facets(Question(), among=("type",))
            kinds = {one.value: one.documents for one in counted.get("type", ())}
            made = whole(lambda after: records.training_sets(limit=200, after=after))
            facts["actor"] = workspace.catalog.actor.id
            facts["datasets"] = kinds.get("dataset", 0)
            facts["projects"] = records.projects()
            facts["training sets"] = len(made)
    for name in ("web", "online"):
        there = running(settings.home, name)
        facts[f"{name} server"] = f"{there.url} (process {there.pid})" if there else "not running"
    facts["online store"] = without_password(str(facts["online store"]))
    show(facts, machine=as_json, human=lambda: fields(facts.items()))
