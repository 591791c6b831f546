"""``python -m benchmarks list``, ``run NAME… [--quick] [--json FILE]`` and ``summary FILE.json…``."""

import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from benchmarks.contender import KINDS
from benchmarks.report import markdown, read, show
from benchmarks.results import Benchmark, Options, save

NAMES = (
    "offline_b1",
    "offline_b2",
    "offline_b3",
    "offline_b4",
    "offline_b5",
    "offline_b6",
    "online_http",
    "online_inprocess",
    "online_materialize",
    "online_w1",
    "online_w2",
    "online_soak",
    "catalog_lineage",
    "catalog_mix",
    "catalog_pages",
    "catalog_publish",
    "catalog_search",
    "governance_training",
    "governance_lookup",
)
MODULES = {"offline_b5": "flagship"}
"""Of those that are not named as their module."""
ALIASES = {"flagship": "offline_b5"}
CONTENDERS = (*KINDS, "null", "redis-py")
DATA = Path(".data/bench")


def benchmark(name: str) -> Benchmark:
    """Return a benchmark; what only others need is not imported."""
    found: Benchmark = import_module(f"benchmarks.{MODULES.get(name, name)}").BENCHMARK
    return found


@click.group()
def main() -> None:
    """Benchmarks as code."""


@main.command("list")
def list_all() -> None:
    """List the benchmarks and what each claims."""
    names = {name: alias for alias, name in ALIASES.items()}
    for name in NAMES:
        also = f" ({names[name]})" if name in names else ""
        click.echo(f"{name + also:24} {benchmark(name).claim}")


@main.command("run")
@click.argument("names", nargs=-1, required=True, type=click.Choice([*NAMES, *ALIASES]))
@click.option("--quick", is_flag=True, help="Smaller data, within a minute.")
@click.option("--runs", type=click.IntRange(1), help="Runs per contender; 5, or 1 with --quick.")
@click.option("--case", default="", help="Only cases whose name holds this text.")
@click.option(
    "--contender", "contenders", multiple=True, type=click.Choice(CONTENDERS), help="Only these."
)
@click.option("--seconds", default=600.0, show_default=True, help="Kill a run after this long.")
@click.option("--memory-gb", type=float, help="Kill a run at this; 3/4 of the machine's.")
@click.option(
    "--data", default=DATA, show_default=True, type=click.Path(path_type=Path, file_okay=False),
    help="Where generated tables are kept.",
)  # fmt: skip
@click.option("--json", "path", type=click.Path(path_type=Path), help="Write the rows there too.")
def run(names: tuple[str, ...], path: Path | None, **chosen: Any) -> None:
    """Run benchmarks and print one table; with --json, rows are saved as they come."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that contenders end with us
    options = Options(say=lambda text: click.echo(text, err=True), **chosen)
    rows = []
    for name in dict.fromkeys(ALIASES.get(name, name) for name in names):
        for row in benchmark(name).run(options):
            rows.append(row)
            if path:
                save(rows, path, quick=options.quick)
    if not rows:
        raise click.ClickException(f"no case has {options.case!r} in its name")
    show([row.record() for row in rows])


@main.command("summary")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def summary(files: tuple[Path, ...]) -> None:
    """Print the rows that --json wrote as Markdown, dated, with the machine."""
    click.echo(markdown(read(files)))


if __name__ == "__main__":
    main()
