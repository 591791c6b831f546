"""Drawings as SVG: distributions, parts, the line of versions, days. Pure: numbers in, markup out.

None is the only place of what it shows: each stands beside its numbers in words or in a table.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from markupsafe import Markup

from provender.core.datasets import Release
from provender.core.lifecycle import State
from provender.core.profiles import ColumnProfile
from provender.web.wording import dataset_address, plural

SPARK = (96, 24)
PLOT = (620, 190)
FOOT = 22
"""Height under a plot for the words of its axis."""
STOP = 62
"""Distance between two versions on their line."""
MOST_STOPS = 12
MOST_BEYOND = 0.5
"""Share of older values outside of the newer ones' range from which on no line is drawn."""
DAYS = 30
CELL = 5


def spark(profile: ColumnProfile) -> Markup:
    """Return a small drawing of how a column's values are spread; nothing if that is not known."""
    counts = profile.counts or tuple(count for _, count in profile.frequent)
    if not counts or not max(counts):
        return Markup()
    width, height = SPARK
    most = max(counts)
    steps = [
        f"V{height - (max(1, round((height - 1) * count / most)) if count else 0)}"
        f"H{round(width * (at + 1) / len(counts))}"
        for at, count in enumerate(counts)
    ]
    return Markup(
        '<svg class="spark" role="img" aria-label="distribution of {says}">'
        '<path class="bars" d="M0 {height}{steps}V{height}z"/></svg>'
    ).format(steps="".join(steps), height=height, says=profile.column)


def share(part: float, *, says: str) -> Markup:
    """Return a bar filled to ``part``, from 0 to 1."""
    width = round(64 * min(1.0, max(0.0, part)), 1)
    return Markup(
        '<svg class="fill" role="img" aria-label="{}"><rect class="track"/>'
        '<rect class="bars" width="{}"/></svg>'
    ).format(says, f"{width:g}")


def histogram(
    profile: ColumnProfile, before: ColumnProfile | None = None, *, kind: str = ""
) -> Markup:
    """Return a column's histogram, with the one ``before`` as a line of shares over it.

    Bars are equally wide; the outermost hold all that is beyond their inner edges. ``kind`` is
    the column's type, for the words at the axis.
    """
    if not profile.counts or not max(profile.counts):
        return Markup()
    width, height = PLOT
    shares = _shares(before, profile.edges) if before else []
    whole = profile.filled or 1
    most = max(max(profile.counts) / whole, *shares, 0.0)
    line = _steps(shares, most) if shares else ""
    inner = (1, len(profile.edges) // 2, len(profile.edges) - 2)
    return Markup(
        '<svg class="plot" viewBox="0 0 {w} {whole}" width="100%" role="img" aria-label="{says}">'
        '<path class="bars" d="{bars}"/>{line}<path class="axis" d="M0 {h}H{w}"/>{ticks}</svg>'
    ).format(
        w=width,
        h=height,
        whole=height + FOOT,
        bars=_bars(profile.counts, width=width, height=height, gap=2, most=most * whole),
        line=Markup('<path class="before" d="{}"/>').format(line) if line else "",
        ticks=Markup().join(_tick(at, profile.edges, kind) for at in dict.fromkeys(inner)),
        says=f"histogram of {profile.column}, {plural(len(profile.counts), 'bin')}; "
        "the same follows as a table",
    )


def edge(value: float, kind: str) -> str:
    """Return a border between bins as its column writes values: an instant, a time, a number."""
    if kind.startswith(("timestamp", "date")):
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
        return f"{instant:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
    if kind == "time":
        return f"{int(value) // 3600:02}:{int(value) // 60 % 60:02}"
    return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:.3g}"


def timeline(releases: Sequence[Release], latest: int | None) -> Markup:
    """Return the line of versions, the oldest of ``releases`` first, each a link to its page."""
    shown = sorted(releases, key=lambda one: one.version.number)[-MOST_STOPS:]
    marks = Markup().join(
        _stop(one, 30 + at * STOP, newest=one.version.number == latest)
        for at, one in enumerate(shown)
    )
    width = 60 + (len(shown) - 1) * STOP
    return Markup(
        '<svg class="timeline" width="{w}" height="62" role="group" aria-label="Line of versions">'
        '<path class="axis" d="M{start} 24H{end}"/>{marks}</svg>'
    ).format(w=width, start=0 if len(shown) < len(releases) else 30, end=width - 30, marks=marks)


def days(published: Sequence[date], *, today: date) -> Markup:
    """Return a cell for each of the last days, filled where something was published."""
    there = set(published)
    cells = Markup().join(
        Markup('<rect class="{}" x="{}" width="{}" height="18" rx="2"/>').format(
            "bars" if today - timedelta(days=DAYS - 1 - at) in there else "track",
            at * (CELL + 1),
            CELL,
        )
        for at in range(DAYS)
    )
    recent = sum(1 for day in there if today - day < timedelta(days=DAYS))
    return Markup(
        '<svg class="days" width="{}" height="18" role="img" aria-label="{}">{}</svg>'
    ).format(DAYS * (CELL + 1), f"published on {recent} of the last {DAYS} days", cells)


def _bars(
    counts: Sequence[int], *, width: int, height: int, gap: int, most: float | None = None
) -> str:
    step, top = width / len(counts), most or max(counts)
    parts = []
    for at, count in enumerate(counts):
        if count:
            tall = max(1.0, height * count / top)
            left, right = at * step, max(at * step + 0.5, (at + 1) * step - gap)
            parts.append(f"M{left:.4g} {height}V{height - tall:.4g}H{right:.4g}V{height}")
    return "".join(parts)


def _shares(before: ColumnProfile, edges: Sequence[float]) -> list[float]:
    """The shares of the values ``before`` in the bins between ``edges``, spread evenly in theirs.

    Nothing where most of them lie beyond the edges: a line would only flatten the bars.
    """
    if _beyond(before, edges[0], edges[-1]) > MOST_BEYOND:
        return []
    shares = [0.0] * (len(edges) - 1)
    last = len(shares) - 1
    for low, high, count in zip(before.edges, before.edges[1:], before.counts, strict=False):
        for at, (left, right) in enumerate(pairwise(edges)):
            start = low if at == 0 else max(low, left)
            end = high if at == last else min(high, right)
            if end > start:
                shares[at] += count * (end - start) / (high - low)
    whole = before.filled
    return [share / whole for share in shares] if whole and any(shares) else []


def _beyond(before: ColumnProfile, low: float, high: float) -> float:
    """The share of the bins' values that lie outside of ``low`` to ``high``."""
    bins = zip(before.edges, before.edges[1:], before.counts, strict=False)
    outside = sum(count for left, right, count in bins if right < low or left > high)
    return outside / (sum(before.counts) or 1)


def _steps(shares: Sequence[float], most: float) -> str:
    width, height = PLOT
    step = width / len(shares)
    points = [
        f"{at * step:.4g} {max(1.0, height * (1 - share / most)):.4g}H{(at + 1) * step:.4g}"
        for at, share in enumerate(shares)
    ]
    return f"M{'V'.join(p.partition(' ')[2] if n else p for n, p in enumerate(points))}"


def _tick(at: int, edges: Sequence[float], kind: str) -> Markup:
    width, height = PLOT
    anchor = {1: "start", len(edges) - 2: "end"}.get(at, "middle")
    return Markup('<text class="small" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        f"{width * at / (len(edges) - 1):.4g}", height + 16, anchor, edge(edges[at], kind)
    )


def _stop(release: Release, x: int, *, newest: bool) -> Markup:
    version, state = release.version, release.standing.state
    return Markup(
        '<a href="{href}"><title>{says}</title>{halo}{mark}'
        '<text x="{x}" y="47" text-anchor="middle">v{number}</text>'
        '<text class="small" x="{x}" y="60" text-anchor="middle">{day}</text></a>'
    ).format(
        href=dataset_address(version.ref),
        says=f"{version.ref}: {state}, {version.published_at:%Y-%m-%d}",
        halo=Markup('<circle class="halo" cx="{}" cy="24" r="11"/>').format(x) if newest else "",
        mark=_mark(state, x),
        x=x,
        number=version.number,
        day=f"{version.published_at:%-d %b %y}",
    )


def _mark(state: State, x: int) -> Markup:
    if state is State.RECALLED:
        path = f"M{x - 6} 18L{x + 6} 30M{x + 6} 18L{x - 6} 30"
    elif state is State.QUARANTINED:
        path = f"M{x} 17L{x + 7} 24L{x} 31L{x - 7} 24Z"
    else:
        return Markup('<circle class="mark {}" cx="{}" cy="24" r="6.5"/>').format(state, x)
    return Markup('<path class="mark {}" d="{}"/>').format(state, path)
