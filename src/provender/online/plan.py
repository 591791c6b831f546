"""What a lookup has to do, compiled once from the serving manifest. Pure.

Refuses what cannot be answered before any row is read: unknown names, features closed for
serving, two outputs with one name.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from provender.core.errors import Denied, InvalidInput, Misconfigured
from provender.core.features import FieldSpec, OnDemandSpec
from provender.core.names import FeatureRef, unknown
from provender.core.projections import ProjectionSpec, itself
from provender.core.serving import ServedView, ServingManifest
from provender.core.training import output_name
from provender.online.blocks import ViewReader
from provender.online.codec import KeyCodec
from provender.online.kinds import MICROSECOND
from provender.online.secrets import KEYRING

Values = dict[str, list[Any]]
Transform = Callable[[Values], Values]


@dataclass(frozen=True, slots=True)
class ViewRead:
    """The columns to read of one view, and after how many microseconds a row is too old.

    ``name`` is what the view is asked for by, ``given`` the names of its join keys in the
    entities: others than its own where a service renames them. ``awaits`` says that rows from
    after the time of asking are withheld.
    """

    name: str
    view: ServedView
    keys: KeyCodec
    reader: ViewReader
    features: tuple[str, ...]
    max_age_us: int | None
    given: tuple[str, ...]
    awaits: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """Where a stored column is found: which read, which of its columns."""

    read: int
    column: int


@dataclass(frozen=True, slots=True)
class Demand:
    """A function to call: with the inputs under their names, then with request columns."""

    spec: OnDemandSpec
    transform: Transform
    inputs: tuple[tuple[str, Source], ...]


@dataclass(frozen=True, slots=True)
class Output:
    """One column of the answer: stored (a source), or computed (a demand and its feature)."""

    name: str
    type: str
    source: Source | None = None
    demand: int = 0
    feature: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """Outputs that are neighbouring columns of one read; of none: the one that is computed.

    ``start`` and ``stop`` are places in the read, else among the outputs.
    """

    read: int | None
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupPlan:
    """A compiled lookup. ``join_keys`` and ``request`` must be given.

    ``used`` are the features that are read, for others or to be given; of a ``service``, if it is one.
    ``echoed`` columns come back before the features where they are given: join keys, and
    never request columns, as in Feast. ``runs`` are the outputs as they lie in the reads, and
    ``names`` theirs, in JSON too, less the brackets. ``alike`` says of each read which is the first
    with the same join keys. ``is_public`` says that everybody may be served all of it, as far as
    that was asked.
    """

    project: str
    reads: tuple[ViewRead, ...]
    demands: tuple[Demand, ...]
    outputs: tuple[Output, ...]
    join_keys: dict[str, FieldSpec]
    request: dict[str, FieldSpec]
    echoed: frozenset[str]
    open_until: dict[str, datetime]
    used: tuple[str, ...] = ()
    is_public: bool = False
    service: str = ""
    readers: tuple[ViewReader, ...] = field(init=False)
    runs: tuple[Run, ...] = field(init=False)
    names: tuple[str, ...] = field(init=False)
    names_json: bytes = field(init=False)
    alike: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "readers", tuple(read.reader for read in self.reads))
        object.__setattr__(self, "runs", _runs(self.outputs))
        object.__setattr__(self, "names", tuple(output.name for output in self.outputs))
        object.__setattr__(self, "names_json", _names_json(self.names))
        object.__setattr__(self, "alike", _alike(self.reads))

    @property
    def given(self) -> list[str]:
        """The stored features that are returned, each by its view and name."""
        sources = [output.source for output in self.outputs if output.source is not None]
        reads = self.reads
        return [
            f"{reads[at.read].view.name}:{reads[at.read].features[at.column]}" for at in sources
        ]

    @property
    def versions(self) -> dict[str, int]:
        """The versions of the views that are read, by the names they were asked for by."""
        return {read.name: read.view.version for read in self.reads}

    def still_open(self, now: datetime) -> None:
        """Return if every feature is open for serving at ``now``.

        Raises:
            Denied: the permission for one of them is over.
        """
        for ref, until in self.open_until.items():
            if now >= until:
                raise Denied(
                    f"feature {ref} was open for serving until {until.isoformat()}",
                    hint="ask a steward of its dataset to renew the grant, then apply the features again",
                )


def compile_plan(
    manifest: ServingManifest,
    asked: Sequence[FeatureRef],
    *,
    full_feature_names: bool = False,
    transforms: Mapping[str, Transform] | None = None,
    projections: Sequence[ProjectionSpec] = (),
    service: str = "",
) -> LookupPlan:
    """Return the plan for the features ``asked`` for, in that order.

    ``transforms`` holds the function of each on-demand view, by the view's name. Where
    ``projections`` rename views, ``asked`` names them so.

    Raises:
        NotFound: a view or feature is not served; the hint names a near one.
        Denied: a feature, or an input of one, is closed for serving.
        Misconfigured: entity ids are hashed with another secret than this process has.
        InvalidInput: no features, or two with the same name in the output.
    """
    _check_secret(manifest)
    if not asked:
        raise InvalidInput("no features are asked for", hint="name features or a feature service")
    renamed = {projection.alias: projection for projection in projections}
    wanted = [Wanted(renamed.get(ref.view) or itself(ref.view), ref.feature) for ref in asked]
    computed = {spec.name: spec for spec in manifest.on_demand}
    demanded = {one.view: computed[one.view] for one in wanted if one.view in computed}
    inputs = [ref for spec in demanded.values() for ref in spec.inputs]
    needed = [Wanted(itself(ref.view), ref.feature) for ref in inputs]
    stored = [one for one in (*wanted, *needed) if one.view not in computed]
    reads, sources, types = _reads(manifest, stored)
    used = [*(FeatureRef(one.view, one.feature) for one in wanted), *inputs]
    _check_open(manifest, used)
    demands = {name: number for number, name in enumerate(demanded)}
    outputs = tuple(
        _output(one, computed, demands, sources, types, full=full_feature_names) for one in wanted
    )
    join_keys = {
        name: key
        for read in reads
        for name, key in zip(read.given, read.view.join_keys, strict=True)
    }
    request = {field.name: field for spec in demanded.values() for field in spec.request}
    known = {key.name for view in manifest.views for key in view.join_keys}
    ends = manifest.open_until
    _check_names(outputs, asked, {*join_keys, *request})
    return LookupPlan(
        project=manifest.project,
        reads=reads,
        demands=tuple(_demand(spec, transforms or {}, sources) for spec in demanded.values()),
        outputs=outputs,
        join_keys=join_keys,
        request=request,
        echoed=frozenset(known | join_keys.keys()) - {output.name for output in outputs},
        used=tuple(sorted(set(map(str, used)))),
        service=service,
        open_until={
            ref: until
            for ref in sorted(set(map(str, used)))
            if (until := ends.get(ref)) is not None
        },
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """A feature, and how its view is asked for."""

    projection: ProjectionSpec
    feature: str

    @property
    def view(self) -> str:
        return self.projection.view


def _reads(
    manifest: ServingManifest, stored: Sequence[Wanted]
) -> tuple[tuple[ViewRead, ...], dict[Wanted, Source], dict[Wanted, str]]:
    """Return what to read, once for each way in which a view is asked for, where it is found, its types."""
    reads: dict[ProjectionSpec, _Reading] = {}
    sources: dict[Wanted, Source] = {}
    types: dict[Wanted, str] = {}
    for one in stored:
        if one in sources:
            continue
        reading = reads.get(one.projection)
        if reading is None:
            reading = _Reading(len(reads), manifest.view(one.view))
            reads[one.projection] = reading
        sources[one], types[one] = reading.add(one.feature)
    found = tuple(
        _read(manifest.project, reading.view, projection, tuple(reading.features))
        for projection, reading in reads.items()
    )
    return found, sources, types


class _Reading:
    """The read number ``number`` while its columns are gathered."""

    def __init__(self, number: int, view: ServedView) -> None:
        self.number = number
        self.view = view
        self.features: list[str] = []
        self._types = {column.name: column.type for column in view.columns}

    def add(self, feature: str) -> tuple[Source, str]:
        """Read ``feature``, too; return where it is found, and its type word."""
        if feature not in self._types:
            raise unknown(f"feature of view {self.view.name}", feature, list(self._types))
        self.features.append(feature)
        return Source(self.number, len(self.features) - 1), self._types[feature]


def _read(
    project: str, view: ServedView, projection: ProjectionSpec, features: tuple[str, ...]
) -> ViewRead:
    max_age = view.max_age()
    return ViewRead(
        name=projection.alias,
        view=view,
        keys=KeyCodec(project, view),
        reader=ViewReader(view, features),
        features=features,
        max_age_us=max_age // MICROSECOND if max_age else None,
        given=tuple(projection.given(key.name) for key in view.join_keys),
    )


def _check_secret(manifest: ServingManifest) -> None:
    """Refuse to look for entities that were hashed with another secret: none would be found."""
    wanted, project = manifest.entity_key, manifest.project
    if wanted and (own := KEYRING.key_id(project)) != wanted:
        raise Misconfigured(
            f"entity ids of project {project} are hashed with the secret {wanted}, "
            f"and this process has {own}",
            hint="set PROVENDER_ENTITY_SECRET to that of whoever applied and materialised",
        )


def _check_open(manifest: ServingManifest, used: Sequence[FeatureRef]) -> None:
    for ref in used:
        why = manifest.closed.get(str(ref))
        if why is not None:
            raise Denied(
                f"feature {ref} is closed for serving: {why}",
                hint="ask a steward of its dataset for a grant to serve it, then apply the features again",
            )


def _output(
    one: Wanted,
    computed: Mapping[str, OnDemandSpec],
    demands: Mapping[str, int],
    sources: Mapping[Wanted, Source],
    types: Mapping[Wanted, str],
    *,
    full: bool,
) -> Output:
    name = output_name(one.projection.alias, one.feature, full=full)
    if one.view in computed:
        field = computed[one.view].feature(one.feature)
        return Output(name, field.type, demand=demands[one.view], feature=one.feature)
    return Output(name, types[one], source=sources[one])


def _runs(outputs: Sequence[Output]) -> tuple[Run, ...]:
    runs: list[Run] = []
    for place, output in enumerate(outputs):
        if output.source is None:
            runs.append(Run(None, place, place + 1))
            continue
        read, column = output.source.read, output.source.column
        if runs and (runs[-1].read, runs[-1].stop) == (read, column):
            runs[-1] = Run(read, runs[-1].start, column + 1)
        else:
            runs.append(Run(read, column, column + 1))
    return tuple(runs)


def _names_json(names: Sequence[str]) -> bytes:
    return json.dumps(names, ensure_ascii=False, separators=(",", ":"))[1:-1].encode()


def _alike(reads: Sequence[ViewRead]) -> tuple[int, ...]:
    keys = [(read.given, read.view.join_keys) for read in reads]
    return tuple(keys.index(key) for key in keys)


def _demand(
    spec: OnDemandSpec, transforms: Mapping[str, Transform], sources: Mapping[Wanted, Source]
) -> Demand:
    """Bind ``spec``; as with Feast, inputs go by ``feature`` and by ``view__feature``."""
    if spec.name not in transforms:
        raise unknown("function of on-demand view", spec.name, transforms)
    inputs = [
        (output_name(r.view, r.feature, full=full), r)
        for r in spec.inputs
        for full in (False, True)
    ]
    return Demand(
        spec=spec,
        transform=transforms[spec.name],
        inputs=tuple(
            (name, sources[Wanted(itself(ref.view), ref.feature)]) for name, ref in inputs
        ),
    )


def _check_names(
    outputs: Sequence[Output], asked: Sequence[FeatureRef], entities: set[str]
) -> None:
    first: dict[str, str] = dict.fromkeys(entities, "the entity columns")
    for output, ref in zip(outputs, asked, strict=True):
        if output.name in first:
            raise InvalidInput(
                f"feature name {output.name!r} comes from both {first[output.name]} and {ref}",
                hint="name each feature once; ask with full_feature_names for features of several views",
            )
        first[output.name] = str(ref)
