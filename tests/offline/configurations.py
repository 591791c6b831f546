"""Random questions to a point-in-time engine: a plan, a spine, and sources on disk.

`Options` say what kind of question it is, `build` makes one, the same for the same options.
"""

import random
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.datasets import FileEntry, Format
from provender.core.digest import digest_bytes
from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef
from provender.core.policy import Action, Permit
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline.spine import Spine
from provender.tables.arrow import schema_of
from tests.offline.columns import (
    FIRST,
    KEYS,
    LAST,
    RARE,
    VALUES,
    Clock,
    instants,
    keys,
    values,
)
from tests.offline.layouts import in_microseconds, keep, write_mixed, write_parts
from tests.offline.options import BASES, KEPT, STEPS, TTLS, Options

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = (
    "t", "rid", "event at", 'say "x"', "it's", "a.b", "a`b", "naïve", "select", "created_at", "event_at",
    "known_at", "f0", "k0", "r0", "s0", "o0_0", "later_0", "__rid", "source_0", "spine", "Δ", "1", "*",
)  # fmt: skip
"""Names that SQL stumbles on, or that an engine might use itself."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A question, whole, and the tables that hold what is in its files, for the oracle."""

    options: Options
    plan: PointInTimePlan
    spine: Spine
    rows: pa.Table
    sources: tuple[pa.Table, ...]
    permit: Permit

    def describe(self):
        """Return the question in words, for whoever has to find out why it went wrong."""
        parts = asdict(self.options)
        views = parts.pop("views")
        lines = [", ".join(f"{name} {value!r}" for name, value in parts.items())]
        lines.append(f"spine of {self.rows.num_rows} rows: {_columns_in_words(self.rows)}")
        for view, join, source in zip(views, self.plan.joins, self.sources, strict=True):
            lines += [
                f"{join.view}: " + ", ".join(f"{name} {value!r}" for name, value in view.items()),
                f"  keys {join.keys}, features {join.features}, event {join.event_timestamp!r}, "
                f"created {join.created_timestamp!r}, TTL {join.ttl}, ranked by {join.ranked_by}",
                f"  {source.num_rows} rows: {_columns_in_words(source)}",
            ]
        return "\n".join(lines)


def _columns_in_words(table):
    return ", ".join(f"{column.name!r} {column.type}" for column in table.schema)


def build(options, lake, place="question"):
    """Make the question that ``options`` describe; its files go below ``place`` in ``lake``."""
    return _Builder(options, lake, place).build()


class _Builder:
    """Draws one question; the state is the random numbers and the names used so far."""

    def __init__(self, options, lake, place):
        self.options, self.lake, self.place = options, lake, place
        self.rng = random.Random(options.seed)
        self.clock = _clock(options)
        self.names = iter(self._names())
        count = max([2, *(view.n_keys for view in options.views)])
        self.key_kinds = [KEYS[self.rng.choice(list(KEYS))] for _ in range(count)]
        self.shared = [self._name(f"p{n}") for n in range(count)]
        self.event_timestamp = self._name("event_timestamp")
        self.spine_keys = dict(zip(self.shared, self.key_kinds, strict=True))
        self.permitted = set()

    def build(self):
        """Return the whole question."""
        joins, sources = [], []
        for number, view in enumerate(self.options.views):
            join, source = self._view(number, view)
            joins.append(join)
            sources.append(source)
        plan = PointInTimePlan(
            event_timestamp=self.event_timestamp,
            joins=tuple(joins),
            known_by_then=self.options.known_by_then,
        )
        spine, rows = self._spine(self._spine_rows())
        permit = Permit(
            decision="dec_test", actor="person:test", action=Action.READ, purpose="test",
            columns=frozenset(self.permitted), decided_at=NOW,
        )  # fmt: skip
        return Configuration(
            options=self.options, plan=plan, spine=spine, rows=rows,
            sources=tuple(sources), permit=permit,
        )  # fmt: skip

    def _names(self):
        """Odd names in random order, each with a mark once they are used up."""
        odd = self.rng.sample(NAMES, len(NAMES))
        yield from odd
        for number in range(1000):
            yield from (f"{name}{number}" for name in odd)

    def _name(self, plain):
        return next(self.names) if self.options.names == "odd" else plain

    def _entities(self, count):
        """Which entity each of ``count`` rows is about: a few are in many rows."""
        most = self.options.keys
        return [min(self.rng.randrange(most), self.rng.randrange(2 * most)) for _ in range(count)]

    def _key_column(self, entities, kind, arrow, *, unknown=0.0):
        """One key of each entity; now and then another entity's, none, or one that no source has."""
        numbers = []
        for entity in entities:
            chance = self.rng.random()
            if chance < unknown:
                numbers.append(self.options.keys % kind.most)
            elif chance > 0.96:
                numbers.append(None)
            else:
                other = self.rng.randrange(self.options.keys)
                numbers.append((other if chance > 0.8 else entity) % kind.most)
        return keys(numbers, arrow, kind.pool)

    def _view(self, number, view):
        pairs = self._key_pairs(number, view)
        used = iter(_source_names(self.rng, view, self.options.names))
        columns, key_pairs, entities = {}, [], self._entities(view.rows)
        for n, (spine_key, kind) in enumerate(pairs):
            name = next(used, None) or f"key{n}"
            arrow = self.rng.choice(kind.source)
            columns[name] = self._key_column(entities, kind, arrow)
            key_pairs.append((spine_key, name))
        event, created = next(used, "event"), None
        columns[event] = instants(self.rng, view.event, self.clock, view.rows)
        if view.created != "no":
            created = next(used, "created")
            later = Clock(self.clock.base + self.clock.step, self.clock.step, self.clock.spread)
            columns[created] = instants(self.rng, view.created, later, view.rows, nulls=0.15)
        features = []
        kinds = [kind for kind in VALUES if view.types != "common" or kind not in RARE]
        for n in range(view.features):
            name = next(used, f"x{n}")
            columns[name] = values(self.rng, self.rng.choice(kinds), view.rows)
            features.append(name)
        source = self._source(columns, view)
        features += self._features_of_other_roles(columns, features)
        asked = self.rng.sample(features, self.rng.randint(1, len(features)))
        key_names = [name for _, name in key_pairs]
        table, source = self._place(number, source, view, event, key_names)
        join = ViewJoin(
            view=f"view {number}",
            table=table,
            keys=tuple(key_pairs),
            features=tuple(
                (name, self._name(f"view{number}__{n}")) for n, name in enumerate(asked)
            ),
            event_timestamp=event,
            created_timestamp=created,
            ttl=TTLS[view.ttl](self.clock.step),
            ranked_by=tuple(features) if view.ranked == "by all" else (),
        )
        self.permitted |= join.reads
        return join, source

    def _key_pairs(self, number, view):
        """The keys of a view: the spine columns that views share, or columns of its own."""
        shared = self.rng.sample(list(zip(self.shared, self.key_kinds, strict=True)), view.n_keys)
        if not view.own_keys:
            return shared
        own = [(self._name(f"q{number}_{n}"), kind) for n, (_, kind) in enumerate(shared)]
        self.spine_keys |= dict(own)
        return own

    def _features_of_other_roles(self, columns, features):
        """Sometimes a key or a timestamp is a feature, too."""
        others = [name for name in columns if name not in features]
        return [name for name in others if self.rng.random() < 0.15]

    def _source(self, columns, view):
        """The rows of a view, some of them twice, in any order of rows and columns."""
        order = list(range(view.rows))
        order += self.rng.choices(order, k=view.rows // 10) if order else []
        self.rng.shuffle(order)
        names = self.rng.sample(list(columns), len(columns))
        return pa.table({name: columns[name].take(pa.array(order, pa.int64())) for name in names})

    def _place(self, number, source, view, event, key_names):
        """Put the rows where they are read from; return the table that says where, and the rows there."""
        if view.clustered:
            sortable = [
                n for n in key_names if not pa.types.is_dictionary(source.schema.field(n).type)
            ]
            source = source.sort_by([(name, "ascending") for name in [*sortable, event]])
        if view.layout in KEPT and source.num_rows:
            kept = in_microseconds(source)
            try:
                return keep(self.lake, self.place, number, kept, Format(view.layout)), kept
            except InvalidInput:  # the format has no such types or values
                pass
        return self._write(number, source, view), source

    def _write(self, number, source, view):
        """Write the rows as Parquet and return the table that names the files."""
        location = f"{self.place}/source-{number} of [all]"
        folder = self.lake / location
        parts = 1 if view.layout == "file" else 3
        if view.layout == "mixed":
            files = write_mixed(source, folder, view.row_group, self.rng)
        else:
            files = write_parts(source, folder, parts, view.row_group, self.rng)
        if view.governed and view.layout != "mixed":
            version = DatasetRef("test", f"view{number}", 1)
            return Table(
                format=Format.PARQUET, location=location, files=files, version=version,
                schema=schema_of(source.schema), content=f"content {number} of {self.options.seed}",
                entries=tuple(_entry(folder, file) for file in files),
            )  # fmt: skip
        place = folder / files[0] if view.layout == "file" else folder
        listed = files if view.layout == "listed" else ()
        return Table(format=Format.PARQUET, location=str(place), files=listed)

    def _spine_rows(self):
        count = self.options.spine_rows
        entities = self._entities(count)
        columns = {
            name: self._key_column(entities, kind, self.rng.choice(kind.spine), unknown=0.03)
            for name, kind in self.spine_keys.items()
        }
        spine_time = self.options.spine_time
        columns[self.event_timestamp] = instants(self.rng, spine_time, self.clock, count)
        columns[self._name("label")] = values(self.rng, "float64", count)
        columns[self._name("note")] = values(self.rng, "struct", count)
        names = self.rng.sample(list(columns), len(columns))
        rows = pa.table({name: columns[name] for name in names})
        order = list(range(count)) + [self.rng.randrange(count) for _ in range(count // 10)]
        rows = rows.take(pa.array(order[-count:], pa.int64()))
        by = {"by time": self.event_timestamp, "by key": self.shared[0]}.get(
            self.options.spine_order
        )
        if by is None or pa.types.is_dictionary(rows.schema.field(by).type):
            return rows
        return rows.sort_by(by)

    def _spine(self, rows):
        """The spine as asked for, and the rows that it holds: files have no seconds, for one."""
        if self.options.spine_form == "table":
            return Spine(rows), rows
        if self.options.spine_form == "chunks":
            third = rows.num_rows // 3
            parts = [rows.slice(0, third), rows.slice(0, 0), rows.slice(third)]
            return Spine(pa.concat_tables(parts)), rows
        folder = self.lake / self.place / "spine"
        names = write_parts(rows, folder, 2, max(3, rows.num_rows // 50), self.rng)
        files = tuple(folder / name for name in names)
        return Spine(files), pa.concat_tables(pq.read_table(file) for file in files)


def _entry(folder, file):
    content = (folder / file).read_bytes()
    return FileEntry(path=file, size_bytes=len(content), sha256=digest_bytes(content))


def _source_names(rng, view, style):
    """Names for keys, event, created and features of a source, apart from each other in any case."""
    if style == "odd":
        return rng.sample(NAMES, min(len(NAMES), view.n_keys + view.features + 2))
    created = [] if view.created == "no" else ["created"]
    plain_keys = [f"key{n}" for n in range(view.n_keys)]
    return [*plain_keys, "event", *created, *(f"x{n}" for n in range(view.features))]


def _clock(options):
    base, step = BASES[options.base], STEPS[options.step]
    assert FIRST < base < LAST
    return Clock(base, step, options.spread)
