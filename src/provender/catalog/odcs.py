"""Contracts as the Open Data Contract Standard writes them (ODCS 3, YAML): read, not rewritten.

The text is held against the standard's JSON schema, as the package of the standard has it. What is
promised of one table is then taken from it; of several, of the one with the dataset's name.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import open_data_contract_standard
import yaml
from yaml.constructor import ConstructorError
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import MappingNode, Node, SequenceNode

from provender.catalog import expectations, yamlfaults
from provender.core.contracts import CheckResult, Contract, Expectation, Outcome, Promise
from provender.core.errors import InvalidInput, Problems
from provender.core.lifecycle import Severity

if TYPE_CHECKING:
    from jsonschema import Draft201909Validator  # type: ignore[import-untyped]
    from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

MOST_BYTES = 1_000_000
MOST_NODES = 50_000
"""Of what a text comes to when what it repeats by reference is written out."""
DEEPEST = 50
AROUND = 4
"""Events that begin and end a text and its document."""
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C, where there is one: ten times as fast."""
MOST_PROBLEMS = 20
STANDARDS = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")
AGES = frozenset({"latency", "ly", "freshness", "fr"})
INSTANT, TRUTH = "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool"
UNITS = {
    timedelta(seconds=1): ("s", "sec", "second", "seconds"),
    timedelta(minutes=1): ("min", "minute", "minutes"),
    timedelta(hours=1): ("h", "hr", "hour", "hours"),
    timedelta(days=1): ("d", "day", "days"),
    timedelta(weeks=1): ("w", "wk", "week", "weeks"),
    timedelta(days=365): ("y", "yr", "year", "years"),
}


class _Text(Loader):  # type: ignore[misc, valid-type]
    """YAML as JSON has it: no key twice, instants are the text that was written, NO is a country."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's
        first: [
            (tag, pattern)
            for tag, pattern in known
            if tag != INSTANT and (tag != TRUTH or first in "tTfF")
        ]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen = set()
        for key, _ in node.value:
            said = key.value if isinstance(key.value, str) else repr(key.value)
            if said in seen:
                raise ConstructorError(None, None, f"key {said!r} is there twice", key.start_mark)
            seen.add(said)
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        return made


@lru_cache(maxsize=16)
def read(raw: bytes, names: tuple[str, ...], *, is_new: bool = True) -> Contract:
    """Return what the contract ``raw`` promises of the dataset that is, or was, called by ``names``.

    One that ``is_new`` is held against the standard's schema; one that was is not held against
    what the schema became since.

    Raises:
        InvalidInput: it is no YAML in UTF-8, too large, of another standard, or says nothing of the dataset.
        Problems: it is not as ODCS has it; every problem is named with its place.
    """
    document = _document(raw)
    standard = document.get("apiVersion")
    if standard not in STANDARDS:
        raise InvalidInput(
            f"the contract is written by apiVersion {standard!r}",
            hint=f"write it by ODCS 3: apiVersion {STANDARDS[-2]}",
        )
    if is_new:
        _check_finite(document)
    if is_new and (problems := list(_problems(document))):
        raise Problems("the contract is not as ODCS has it", problems)
    table = _table(document, names)
    columns = table.get("properties") or []
    expected, unchecked = expectations.of(table)
    if is_new:
        _check_patterns(expected)
    promises = document.get("slaProperties") or []
    return Contract(
        id=document["id"],
        version=document["version"],
        status=str(document.get("status") or "active"),
        columns=tuple(_promise(column) for column in columns),
        required=tuple(
            expectations.name_of(column) for column in columns if column.get("required")
        ),
        keys=expectations.primary_key(columns),
        expectations=expected,
        fresh_within=_fresh_within(promises),
        unchecked=(*unchecked, *_unchecked_ages(promises)),
    )


def _document(raw: bytes) -> Mapping[str, Any]:
    if len(raw) > MOST_BYTES:
        raise InvalidInput(
            f"the contract has {len(raw):,} bytes, more than {MOST_BYTES:,}",
            hint="leave out what is not about this dataset",
        )
    try:
        text = raw.decode()
        _check_events(text)
        loader = _Text(text)
        node = loader.get_single_node()
        _check_size(node)
        found = loader.construct_document(node) if node is not None else None
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"the contract is not UTF-8: {error}", hint="save it as UTF-8"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = yamlfaults.said(error) or "it is nested too deep"
        raise InvalidInput(f"the contract is no YAML: {said}", hint="correct it there") from error
    if not isinstance(found, dict):
        raise InvalidInput(
            "the contract is no mapping", hint="write it by ODCS 3, beginning with apiVersion"
        )
    return found


def _check_finite(document: Mapping[str, Any]) -> None:
    """Refuse numbers that JSON has not: nothing is less than they are, nor can they be told."""
    try:
        json.dumps(document, allow_nan=False, default=str)
    except ValueError as error:
        raise InvalidInput(
            "the contract has a number that is not finite (.nan or .inf)",
            hint="leave the limit out, or give a number",
        ) from error


def _check_patterns(expected: Iterable[Expectation]) -> None:
    """Refuse patterns that no version could be counted by: all of them would be quarantined."""
    from provender.tables.measures import can_match  # DuckDB, which no other question needs

    problems = [
        f"column {one.columns[0]}, rule {one.name}: {one.valid.pattern!r}"
        for one in expected
        if one.valid is not None and one.valid.pattern and not can_match(one.valid.pattern)
    ]
    if problems:
        raise Problems(
            "the contract has patterns that values cannot be looked at for",
            problems,
            hint="write them by RE2, which has neither look-ahead nor back references",
        )


def _check_events(text: str) -> None:
    """Refuse what is large or deep as it is written, as soon as that is seen."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Text)):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError("it is nested too deep")
        if count > 2 * MOST_NODES + AROUND:
            raise ValueError(f"it holds more than {MOST_NODES:,} values")


def _check_size(node: Node | None) -> None:
    """Refuse what is small as text and huge when its references are followed."""
    sizes: dict[int, int] = {}

    def size(node: Node, depth: int) -> int:
        if depth > DEEPEST:
            raise ValueError("it is nested too deep, or holds itself")
        if id(node) not in sizes:
            sizes[id(node)] = 1 + sum(size(part, depth + 1) for part in _parts(node))
        return sizes[id(node)]

    if node is not None and size(node, 0) > MOST_NODES:
        raise ValueError(f"it holds more than {MOST_NODES:,} values")


def _parts(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, SequenceNode):
        yield from node.value


@cache
def _validator() -> "Draft201909Validator":
    from jsonschema import Draft201909Validator  # 0.1 s to import, for contracts alone

    file = resources.files(open_data_contract_standard) / "schema.json"
    return Draft201909Validator(_with_conditions_meant(json.loads(file.read_text("utf-8"))))


def _with_conditions_meant(schema: Any) -> Any:
    """The schema, in which no condition on a key holds where that key is not there.

    That of 3.2.0 demands of a column without a logical type what it demands of a map, which
    makes contracts of 3.1 wrong that are right by 3.1: ``{"const": "map"}`` under ``if`` holds of
    what is absent. Should the package say ``required`` there, this changes nothing.
    """
    if isinstance(schema, list):
        return [_with_conditions_meant(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    meant = {key: _with_conditions_meant(part) for key, part in schema.items()}
    condition = meant.get("if")
    if isinstance(condition, dict) and set(condition) == {"properties"}:
        meant["if"] = {**condition, "required": sorted(condition["properties"])}
    return meant


def _problems(document: Mapping[str, Any]) -> Iterator[str]:
    if "status" not in document and document["apiVersion"] < "v3.2":
        yield "the whole: 'status' is a required property"
    for number, error in enumerate(_validator().iter_errors(document)):
        if number == MOST_PROBLEMS:
            yield "and more"
            return
        nearest = _nearest(error)
        where = "/".join(map(str, nearest.absolute_path)) or "the whole"
        yield f"{where}: {nearest.message[:300]}"


def _nearest(error: "ValidationError") -> "ValidationError":
    """The fault that lies deepest: what is above it only follows."""
    while error.context:
        error = max(error.context, key=lambda one: len(one.absolute_path))
    return error


def _table(document: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    tables: list[Mapping[str, Any]] = document.get("schema") or []
    short = names[0].rpartition(".")[2]
    for name in (*names, *(name.rpartition(".")[2] for name in names)):
        for table in tables:
            if name in (table.get("physicalName"), table.get("name")):
                return table
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise InvalidInput(
            "the contract has no schema", hint=f"say under schema what {short} holds"
        )
    listed = ", ".join(str(table.get("name")) for table in tables)
    raise InvalidInput(
        f"the contract says nothing of {names[0]}; its tables are {listed}",
        hint=f"call one of them {short}, or give it that physicalName",
    )


def _promise(column: Mapping[str, Any]) -> Promise:
    return Promise(name=expectations.name_of(column), type=column.get("logicalType") or "")


def _fresh_within(promises: list[Mapping[str, Any]]) -> timedelta | None:
    """The age that data may have, the shortest where several are said."""
    found = [
        age
        for promise in promises
        if str(promise["property"]).lower() in AGES and (age := _age(promise)) is not None
    ]
    return min(found, default=None)


def _unchecked_ages(promises: list[Mapping[str, Any]]) -> Iterator[CheckResult]:
    for promise in promises:
        name = str(promise["property"])
        if name.lower() in AGES and _age(promise) is None:
            yield CheckResult(
                name=name,
                outcome=Outcome.UNEVALUATED,
                severity=Severity.WARN,
                detail=f"{promise.get('value')} {promise.get('unit') or 'd'} is no age",
            )


def _age(promise: Mapping[str, Any]) -> timedelta | None:
    unit = str(promise.get("unit") or "d").lower()
    for length, words in UNITS.items():
        if unit in words:
            try:
                return float(promise["value"]) * length
            except (TypeError, ValueError, OverflowError):
                return None
    return None
