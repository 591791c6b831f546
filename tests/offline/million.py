"""Random questions to one engine until so many spine rows were compared with the oracle.

python -m tests.offline.million --rows 1000000 --seed 1 --engine duckdb
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from provender.core.errors import ProvenderError
from tests.offline.comparison import ask_within
from tests.offline.configurations import NOW, build
from tests.offline.engines import ENGINES
from tests.offline.options import random_options

BIGGEST = {"duckdb": 5_000, "slots": 5_000, "spark": 50_000}
"""Most spine rows of one question: a job of Spark costs seconds, whatever its size."""


@dataclass
class Report:
    """What was compared; ``failures`` say of each question that went wrong how to ask it again."""

    engine: str
    seed: int
    rows: int = 0
    cells: int = 0
    differing: int = 0
    configurations: int = 0
    failures: list[str] = field(default_factory=list)


def compare_rows(name, rows, seed, *, biggest=None, tell=lambda report: None):
    """Ask the engine ``name`` until at least ``rows`` spine rows were compared, and return the report.

    ``tell`` hears of it after each question.
    """
    under_test, report = ENGINES[name], Report(name, seed)
    with tempfile.TemporaryDirectory(prefix="million-") as folder:
        engine = under_test.make(Path(folder))
        while report.rows < rows:
            size = min(biggest or BIGGEST[name], rows)
            one = seed * 1_000_000 + report.configurations
            _one_question(engine, under_test, one, size, Path(folder), report)
            tell(report)
    return report


def _one_question(engine, under_test, seed, size, folder, report):
    again = f"build(random_options({seed}, {size}), lake)"
    options = random_options(seed, size, without=under_test.cannot)
    with tempfile.TemporaryDirectory(dir=folder, prefix="question-") as place:
        configuration = build(options, folder, Path(place).name)
        try:
            outcome = ask_within(engine, configuration, now=NOW)
        except ProvenderError as error:
            rows = configuration.rows.num_rows
            problems, cells, differing = [f"{type(error).__name__}: {error}"], rows, rows
        except Exception as error:
            error.add_note(f"{again}\n{configuration.describe()}")
            raise
        else:
            rows, cells, differing = outcome.rows, outcome.cells, outcome.differing
            problems = outcome.problems
    report.configurations += 1
    report.rows += rows
    report.cells += cells
    report.differing += differing
    if problems:
        report.failures.append("\n".join([again, *problems, configuration.describe()]))


def main(arguments=None):
    """Return the exit code: 0 if no cell differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=ENGINES, default="duckdb")
    parser.add_argument("--biggest", type=int, help="most spine rows of one question")
    parser.add_argument("--json", action="store_true", help="the report as one JSON object")
    asked = parser.parse_args(arguments)
    report = compare_rows(
        asked.engine, asked.rows, asked.seed, biggest=asked.biggest, tell=_progress
    )
    sys.stderr.write("\n")
    if asked.json:
        sys.stdout.write(json.dumps(asdict(report)) + "\n")
    else:
        sys.stdout.write(words(report) + "\n")
    return 1 if report.differing else 0


def words(report):
    """Return the report for people."""
    return "\n\n".join(
        [
            f"{report.engine}: {report.rows:,} spine rows, {report.cells:,} cells, "
            f"{report.differing:,} differ; {report.configurations} configurations, seed {report.seed}",
            *report.failures[:3],
        ]
    )


def _progress(report):
    sys.stderr.write(f"\r{report.rows:>12,} rows, {report.differing} cells differ")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
