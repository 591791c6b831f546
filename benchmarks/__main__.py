"""``python -m benchmarks list`` and ``python -m benchmarks run NAME [--quick] [--json FILE]``."""

from pathlib import Path

import click

from benchmarks import flagship
from benchmarks.results import Benchmark, save, show

BENCHMARKS: dict[str, Benchmark] = {b.name: b for b in (flagship.BENCHMARK,)}


@click.group()
def main() -> None:
    """Benchmarks as code."""


@main.command("list")
def list_all() -> None:
    """List the benchmarks and what each claims."""
    for benchmark in BENCHMARKS.values():
        click.echo(f"{benchmark.name:24} {benchmark.claim}")


@main.command("run")
@click.argument("names", nargs=-1, required=True, type=click.Choice(list(BENCHMARKS)))
@click.option("--quick", is_flag=True, help="Smaller data, within a minute.")
@click.option("--runs", default=None, type=click.IntRange(1), help="Runs per contender.")
@click.option("--json", "path", type=click.Path(path_type=Path), help="Write the rows there too.")
def run(names: tuple[str, ...], *, quick: bool, runs: int | None, path: Path | None) -> None:
    """Run benchmarks and print one table."""
    rows = []
    for name in names:
        rows += BENCHMARKS[name].run(
            quick=quick, runs=runs, say=lambda text: click.echo(text, err=True)
        )
    show(rows)
    if path:
        save(rows, path)


if __name__ == "__main__":
    main()
