"""Materialising: the latest rows of a large table into an empty Valkey, by us and by Feast.

Also what the write alone takes beside a raw MSET of the same bytes, and what an entity takes in
the store's memory.
"""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import redis

from benchmarks.limits import Limits, watch
from benchmarks.materializer import Job, right_values
from benchmarks.offline_b1 import short
from benchmarks.race import ROOT, SHARE_OF_MEMORY, environment
from benchmarks.results import Benchmark, Claim, Figure, Options, Row, memory_gb, middle
from benchmarks.serverbench import url_of, valkey
from benchmarks.tables import Entities, feature_table, session

NAME = "online_materialize"
SIZES = ((10_000_000, 1_000_000), (60_000, 6_000))
"""Rows of the table, and entities."""
SAMPLE = 200
TIMES_FEAST, ROWS_PER_SECOND, OF_MSET, MOST_MB, TIMES_SMALLER = 40, 200_000, 0.7, 600, 2
OURS_BESIDE_ROWS = b"provender:"
PHASES = {"write": "ours", "rewrite": "ours, refill", "mset": "floor"}
"""What the contenders of the write alone are called in its row."""


@dataclass(slots=True)
class Seen:
    """What a contender's runs came to; ``ended`` says why it runs no more."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    bytes_per_entity: list[float] = field(default_factory=list)
    differing: int | None = None
    ended: str = ""
    at_least: float | None = None

    def figure(self, name: str, values: list[float]) -> Figure:
        return Figure(
            name=name,
            value=None if self.ended else middle(values),
            cpu_seconds=middle(self.cpu_seconds) if self.cpu_seconds else None,
            peak_mb=middle(self.peaks) if self.peaks else None,
            ended=self.ended,
            at_least=self.at_least,
            differing=self.differing,
            runs=tuple(round(value, 4) for value in values),
        )


class Field:
    """The contenders of one size: a table, a store that is emptied before each run, what was seen."""

    def __init__(self, options: Options, folder: Path, port: int) -> None:
        self.options = options
        rows, entities = SIZES[options.quick]
        self.table = feature_table(options.data.resolve(), 0, rows, Entities(entities, power=1))
        self.entities, self._known = _entities(self.table)
        self._folder, self._port = folder, port
        self._limits = Limits(
            options.seconds, (options.memory_gb or memory_gb() * SHARE_OF_MEMORY) * 1000
        )
        self.seen: dict[str, Seen] = {}

    def run(self, kinds: tuple[str, ...], *, once: tuple[str, ...] = ()) -> None:
        """Let the kinds run in turn, those of ``once`` in the first round only."""
        for number in range(self.options.rounds()):
            for kind in kinds:
                seen = self.seen.setdefault(kind, Seen())
                if not seen.ended and not (number and kind in once):
                    self._run(kind, seen)
                    what = seen.ended or f"{seen.seconds[-1]:.2f} s, {seen.peaks[-1]:,.0f} MB"
                    self.options.say(
                        f"  run {number + 1} of {self.options.rounds()}, {kind}: {what}"
                    )

    def rate(self, kind: str) -> list[float]:
        """Return the entities per second of each run."""
        return [self.entities / seconds for seconds in self.seen[kind].seconds]

    def _run(self, kind: str, seen: Seen) -> None:
        """Run ``kind`` once, into an empty store, within the limits.

        Raises:
            SystemExit: it fails, or the store does not hold the right rows afterwards.
        """
        job = self._job(kind)
        path = Path(job.folder) / "job.json"
        job.save(path)
        with redis.Redis(port=self._port) as client:
            client.execute_command("FLUSHALL SYNC")
            before = client.info("memory")["used_memory"]
            output = self._output(kind, path, seen)
            if output is None:
                return
            grown = client.info("memory")["used_memory"] - before
            keys = client.scan_iter(count=10_000)
            rows = sum(not key.startswith(OURS_BESIDE_ROWS) for key in keys)
        figures = json.loads(output.splitlines()[-1])
        seen.seconds.append(figures["seconds"])
        seen.cpu_seconds.append(figures["cpu_seconds"])
        seen.peaks.append(round(figures["peak_mb"], 1))
        seen.bytes_per_entity.append(grown / self.entities)
        if figures["values"]:
            seen.differing = _unlike(figures["values"], right_values(job))
            if seen.differing:
                raise SystemExit(f"{NAME}: {seen.differing} sampled cells of {kind} are wrong")
        if rows != self.entities:
            raise SystemExit(f"{NAME}: {kind} wrote {rows} rows of {self.entities}")

    def _output(self, kind: str, path: Path, seen: Seen) -> str | None:
        folder = path.parent
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.materializer", kind, str(path)]
        seen_there = environment(str(folder / "home")) | {"PROVENDER_REDIS_URL": url_of(self._port)}
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            process = subprocess.Popen(command, cwd=ROOT, env=seen_there, stdout=out, stderr=err)
        end = watch(process, self._limits)
        if end.why:
            seen.ended, seen.at_least = end.why, end.seconds
            seen.peaks.append(end.peak_mb)
            return None
        if process.returncode:
            text = (folder / "stderr").read_text(errors="replace")
            raise SystemExit(f"{NAME}: {kind} failed: {text[-800:]}")
        return (folder / "stdout").read_text()

    def _job(self, kind: str) -> Job:
        folder = Path(self._folder) / kind
        folder.mkdir(exist_ok=True)
        drawn = random.Random(kind).sample(self._known, SAMPLE)  # noqa: S311 - nothing secret
        return Job(str(self.table), str(folder), self._port, sorted(drawn))


def run(options: Options) -> Iterator[Row]:
    """Measure the whole, the memory it leaves, and the write alone."""
    rows, entities = SIZES[options.quick]
    case = f"{short(entities)} entities x 10 features of {short(rows)} rows"
    wanted = {what: options.wants(f"{case}{what}") for what in ("", ", memory", ", write")}
    if not any(wanted.values()):
        return
    with (
        TemporaryDirectory(prefix="materialize-") as folder,
        valkey(Path(folder) / "store") as port,
    ):
        options.say(f"{NAME}: {case}")
        field = Field(options, Path(folder), port)
        if wanted[""] or wanted[", memory"]:
            field.run(_chosen(options, ("ours", "feast")), once=("feast",))
            yield _whole(field, case)
            yield _memory(field, case)
        if wanted[", write"]:
            field.run(tuple(kind for kind in PHASES if _named(kind) in _chosen(options)))
            yield _write(field, case)


def _chosen(
    options: Options, kinds: tuple[str, ...] = ("ours", "feast", "floor")
) -> tuple[str, ...]:
    return tuple(kind for kind in kinds if not options.contenders or kind in options.contenders)


def _named(phase: str) -> str:
    return PHASES[phase].partition(",")[0]


def _whole(field: Field, case: str) -> Row:
    seconds = field.entities / ROWS_PER_SECOND
    figures = tuple(seen.figure(kind, seen.seconds) for kind, seen in field.seen.items())
    rates = {
        f"{kind}, rows/s": f"{middle(field.rate(kind)):,.0f}"
        for kind, seen in field.seen.items()
        if seen.seconds
    }
    once = {"note": "Feast runs in the first round only"} if "feast" in field.seen else {}
    return Row(
        bench=NAME,
        case=case,
        figures=figures,
        claims=(
            Claim(f"Feast takes at least {TIMES_FEAST} times as long", "feast_over_ours",
                  TIMES_FEAST, at_least=True),
            Claim(f"{ROWS_PER_SECOND:,} rows/s: at most {seconds:.2f} s", "value", seconds),
            Claim(f"at most {MOST_MB} MB", "peak_mb", MOST_MB),
            Claim("no sampled cell unlike Feast's", "feast_differing", 0),
        ),
        seen=rates | once,
    )  # fmt: skip


def _memory(field: Field, case: str) -> Row:
    return Row(
        bench=NAME,
        case=f"{case}, memory",
        figures=tuple(
            Figure(name=kind, value=middle(seen.bytes_per_entity))
            for kind, seen in field.seen.items()
            if seen.bytes_per_entity
        ),
        unit="B/entity",
        claims=(
            Claim(f"Feast's layout takes at least {TIMES_SMALLER} times as much", "feast_over_ours",
                  TIMES_SMALLER, at_least=True),
        ),
    )  # fmt: skip


def _write(field: Field, case: str) -> Row:
    return Row(
        bench=NAME,
        case=f"{case}, write",
        figures=tuple(
            field.seen[kind].figure(name, field.rate(kind))
            for kind, name in PHASES.items()
            if kind in field.seen
        ),
        unit="rows/s",
        lower_is_better=False,
        claims=(
            Claim(f"at least {OF_MSET} of a raw MSET's rows per second", "ours_over_floor",
                  round(1 / OF_MSET, 4)),
        ),
    )  # fmt: skip


def _entities(table: Path) -> tuple[int, list[int]]:
    """Return how many entities have a row, and a thousand of them."""
    with session() as connection:
        (count,) = connection.execute(
            f"SELECT count(DISTINCT entity_id) FROM '{table}'"
        ).fetchall()[0]
        known = connection.execute(
            f"SELECT entity_id FROM '{table}' GROUP BY 1 ORDER BY hash(entity_id) LIMIT 1000"
        ).fetchall()
    return int(count), [row[0] for row in known]


def _unlike(found: dict[str, list[object]], right: dict[str, list[object]]) -> int:
    return sum(
        one != other
        for name, column in right.items()
        for one, other in zip(found[name], column, strict=True)
    )


BENCHMARK = Benchmark(
    name=NAME,
    claim="1M entities of 10M rows: 40 times Feast, 200,000 rows/s, 600 MB, half the store's memory",
    run=run,
)
