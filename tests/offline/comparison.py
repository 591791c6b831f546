"""An engine's answer against the oracle's: every cell, every type, the order, the spine itself."""

from dataclasses import dataclass, field

from provender.tables.arrow import type_word
from tests.oracle.cells import comparable, values
from tests.oracle.retrieval import retrieve

SHOWN = 5


@dataclass
class Outcome:
    """What was compared and what was wrong; ``problems`` are the first differences in words."""

    rows: int = 0
    cells: int = 0
    differing: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, problem, *, cells=1):
        self.differing += cells
        if len(self.problems) < SHOWN:
            self.problems.append(problem)


def ask(engine, configuration, *, now):
    """Return the outcome of the question put to ``engine``."""
    answer = engine.run(configuration.plan, configuration.spine, configuration.permit, now=now)
    table = answer.table()
    return compare(configuration, by_hand(configuration), table, answer.known_later)


def ask_within(engine, configuration, *, now):
    """Return the outcome of the question put to ``engine`` with the thresholds that it says."""
    options = configuration.options
    with options.thresholds.around(engine, options) as limited:
        return ask(limited, configuration, now=now)


def by_hand(configuration):
    """Return the oracle's answer."""
    return retrieve(configuration.plan, configuration.rows, configuration.sources)


def compare(configuration, expected, found, known_later):
    """Return how ``found`` and ``known_later`` differ from what is ``expected``."""
    rows = configuration.rows
    outcome = Outcome(rows=rows.num_rows)
    names = [*rows.column_names, *expected.features]
    if found.column_names != names or found.num_rows != rows.num_rows:
        outcome.add(
            f"columns {found.column_names} x {found.num_rows}, not {names} x {rows.num_rows}",
            cells=rows.num_rows * len(names),
        )
        return outcome
    if known_later != expected.known_later:
        outcome.add(f"known later {known_later}, not {expected.known_later}")
    for field_ in rows.schema:
        if found.schema.field(field_.name).type != field_.type:
            outcome.add(
                f"{field_.name} is {found.schema.field(field_.name).type}, not {field_.type}"
            )
        _compare(outcome, field_.name, found, values(rows.column(field_.name)))
    for join, source in zip(configuration.plan.joins, configuration.sources, strict=True):
        for column, output in join.features:
            word = type_word(source.schema.field(column).type)
            if type_word(found.schema.field(output).type) != word:
                outcome.add(f"{output} is {found.schema.field(output).type}, not {word}")
            _compare(outcome, output, found, expected.features[output])
    return outcome


def _compare(outcome, name, found, expected):
    cells, wanted = comparable(values(found.column(name))), comparable(expected)
    outcome.cells += len(wanted)
    if cells == wanted:
        return
    for row, (cell, want) in enumerate(zip(cells, wanted, strict=True)):
        if cell != want:
            outcome.add(f"row {row}, {name}: {cell!r}, not {want!r}")
