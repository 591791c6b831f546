"""Contenders on one workload: in turn, each run in a process of its own, within limits, compared."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import comparison
from benchmarks.limits import Limits, watch
from benchmarks.results import Figure, Options, memory_gb, middle
from benchmarks.workload import Workload

ROOT = Path(__file__).parents[1]
CHUNK_BYTES = 1 << 24
SHARE_OF_MEMORY = 0.75
ACTOR, PURPOSE = "person:bench", "bench"
KINDS = ("ours", "feast", "polars", "floor")


@dataclass(frozen=True, slots=True)
class Entrant:
    """One line of the result: which kind of contender, on which workload."""

    name: str
    kind: str
    workload: Workload


@dataclass(slots=True)
class Track:
    """What is known of an entrant so far; ``ended`` says why it runs no more."""

    frame: Path
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    digests: set[comparison.Digest] = field(default_factory=set)
    ended: str = ""
    at_least: float | None = None


def entrants(workload: Workload, kinds: Iterable[str] = KINDS) -> list[Entrant]:
    """Return one entrant of each kind."""
    return [Entrant(kind, kind, workload) for kind in kinds]


@contextmanager
def race(field: Sequence[Entrant], options: Options) -> Iterator["Race"]:
    """Yield the race after it was run; its frames are there while the block runs.

    The input is read once before, so that all find it in the page cache. A run that fails, takes
    too long or too much memory is that entrant's last, and is told.
    """
    chosen = [one for one in field if not options.contenders or one.kind in options.contenders]
    folder = options.data.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="race-", dir=folder))
    try:
        done = Race(chosen, options, folder)
        done.run()
        yield done
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Race:
    """Entrants, what they reached, and the folder of their frames."""

    def __init__(self, field: Sequence[Entrant], options: Options, folder: Path) -> None:
        self.field = field
        self.options = options
        self.folder = folder
        self.limits = Limits(
            options.seconds, (options.memory_gb or memory_gb() * SHARE_OF_MEMORY) * 1000
        )
        self.features = comparison.types(field[0].workload) if field else {}
        self.tracks = {one.name: Track(folder / f"{_slug(one.name)}.parquet") for one in field}

    def run(self) -> None:
        """Let every entrant run in turn, round by round."""
        _warm({path for one in self.field for path in one.workload.files})
        for number in range(self.options.rounds()):
            for one in self.field:
                if not self.tracks[one.name].ended:
                    self._run(one)
                    self._tell(one.name, number)

    @property
    def base(self) -> Track | None:
        """The first entrant that finished a frame: ours, unless ours did not."""
        return next((track for track in self.tracks.values() if track.digests), None)

    def figures(self) -> tuple[Figure, ...]:
        """Return what each entrant reached, and in how many cells its frame is not the first's."""
        return tuple(
            Figure(
                name=name,
                value=None if track.ended else middle(track.seconds),
                cpu_seconds=middle(track.cpu_seconds) if track.cpu_seconds else None,
                peak_mb=middle(track.peaks) if track.peaks else None,
                ended=track.ended,
                at_least=track.at_least,
                differing=self._differing(track),
                runs=tuple(round(seconds, 4) for seconds in track.seconds),
            )
            for name, track in self.tracks.items()
        )

    def _run(self, one: Entrant) -> None:
        track = self.tracks[one.name]
        staged = self.folder / f"new-{track.frame.name}"
        staged.unlink(missing_ok=True)
        process = self._start(one, staged)
        end = watch(process, self.limits)
        if end.why:
            track.ended, track.at_least = end.why, end.seconds
            track.peaks.append(end.peak_mb)
        elif process.returncode:
            track.ended = f"failed: {self._complaint()}"
        else:
            figures = json.loads((self.folder / "stdout").read_text().splitlines()[-1])
            track.seconds.append(figures["seconds"])
            track.cpu_seconds.append(figures["cpu_seconds"])
            track.peaks.append(figures["peak_mb"])
            self._keep(one, staged)

    def _start(self, one: Entrant, staged: Path) -> subprocess.Popen[bytes]:
        asked = self.folder / "workload.json"
        one.workload.save(asked)
        arguments = [one.kind, str(asked), str(staged)]
        if self.base:
            arguments.append(str(self.base.frame))
        with (self.folder / "stdout").open("wb") as out, (self.folder / "stderr").open("wb") as err:
            return subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "benchmarks.contender", *arguments],
                cwd=self.folder,
                env=environment(one.workload.home or str(self.folder / "home")),
                stdout=out,
                stderr=err,
            )

    def _keep(self, one: Entrant, staged: Path) -> None:
        if one.kind == "floor":
            staged.unlink(missing_ok=True)
            return
        track = self.tracks[one.name]
        staged.replace(track.frame)
        track.digests.add(comparison.digest(track.frame, self.features))
        if len(track.digests) > 1:
            raise SystemExit(f"{one.name}: the frame changes from run to run")

    def _differing(self, track: Track) -> int | None:
        """Count the cells unlike the base's; equal digests, of every run's frame, say none is."""
        base = self.base
        if base is None or track is base or not track.digests:
            return None
        if track.digests == base.digests:
            return 0
        return comparison.differing(base.frame, track.frame, self.features)

    def _tell(self, name: str, number: int) -> None:
        track = self.tracks[name]
        seen = track.ended or f"{track.seconds[-1]:.2f} s, {track.peaks[-1]:,.0f} MB"
        self.options.say(f"  run {number + 1} of {self.options.rounds()}, {name}: {seen}")

    def _complaint(self) -> str:
        text = (self.folder / "stderr").read_text(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return (lines[-1] if lines else "no message")[:200]


def environment(home: str) -> dict[str, str]:
    """What a contender's process sees: our packages, whatever the folder, and nobody's settings."""
    paths = [ROOT, *(Path(entry) for entry in sys.path if entry and Path(entry).is_dir())]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PROVENDER_")}
    return inherited | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(str(path.resolve()) for path in paths)),
        "FEAST_USAGE": "False",
        "PROVENDER_HOME": home,
        "PROVENDER_ACTOR": ACTOR,
        "PROVENDER_PURPOSE": PURPOSE,
    }


def _slug(name: str) -> str:
    return name.replace(" ", "-").replace("(", "").replace(")", "")


def _warm(paths: set[str]) -> None:
    for path in sorted(paths):
        with Path(path).open("rb") as file:
            while file.read(CHUNK_BYTES):
                pass
