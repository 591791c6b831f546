"""Every value of the core goes to JSON and comes back the same."""

import importlib
import pkgutil
from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import provender.core
from provender.core.audit import AuditEvent, EventKind, Remembered
from provender.core.datasets import Listed, Manifest
from provender.core.effects import Mask
from provender.core.erasure import Sought
from provender.core.errors import Corrupt
from provender.core.filters import Filter
from provender.core.filtertext import Among, And, Compare, IsNull, Not, Or
from provender.core.gateway import Streamed
from provender.core.governance import Drift, Step
from provender.core.limits import Limits
from provender.core.merkle import Frontier
from provender.core.people import Person
from provender.core.schema import TYPES, Column, Schema
from provender.core.simulation import Policy
from provender.core.trail import Start
from provender.values import from_json, to_json
from tests.stress import times

JSON = st.none() | st.booleans() | st.integers() | st.text(max_size=3)

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30)), None])


def core_values() -> list[type[Any]]:
    names = [module.name for module in pkgutil.iter_modules(provender.core.__path__)]
    modules = [importlib.import_module(f"provender.core.{name}") for name in names]
    kinds = {
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == module.__name__
        if not kind.__name__.startswith("_")
    }
    return sorted(kinds, key=lambda kind: (kind.__qualname__, kind.__module__))


def register() -> None:
    """Say how the values that have rules of their own are drawn."""
    columns = st.builds(
        Column, name=st.text(max_size=3), type=st.sampled_from([*TYPES, "list<int8>"])
    )
    few = st.lists(columns, max_size=3, unique_by=lambda column: column.name)
    st.register_type_strategy(Column, columns)
    st.register_type_strategy(Schema, few.map(tuple).map(Schema))
    st.register_type_strategy(Person, st.builds(Person, id=st.sampled_from(["person:a", "team:b"])))
    st.register_type_strategy(datetime, st.datetimes(timezones=ZONES))
    st.register_type_strategy(
        timedelta, st.timedeltas(timedelta(days=-90_000), timedelta(days=90_000))
    )
    st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
    some = st.sampled_from(["*", "a.b", "a.*"])
    lists = st.lists(some, min_size=1, max_size=2).map(tuple)
    st.register_type_strategy(Limits, st.builds(Limits, actions=lists, datasets=lists))
    masks = ("null", "hash", "constant('x')", "constant(3)", "truncate(2)", "bucket(0.5)")
    st.register_type_strategy(Mask, st.sampled_from(masks).map(Mask.parse))
    filters = st.sampled_from(["a = 1", "a = 'x' or not b is null", "c in (date '2020-01-01')"])
    st.register_type_strategy(Filter, filters.map(Filter))
    details = st.dictionaries(st.text(max_size=3), JSON, max_size=2)
    st.register_type_strategy(
        AuditEvent, st.builds(AuditEvent, kind=st.sampled_from(EventKind), detail=details)
    )
    st.register_type_strategy(Remembered, st.builds(Remembered, value=st.none() | details))


register()
ANY = (Drift, Step, Listed)
"""These hold any value."""
PARSED = (And, Or, Not, Among, Compare, IsNull)
"""Of a filter, which goes as its text."""
KEPT_OTHERWISE = (Frontier, Start, Policy, Streamed, Sought)
"""Trees go as their peaks in hexadecimal digits, a policy as the objects that are declared, and
what is streamed as its bytes; what knows a subject holds the key, and goes nowhere."""
VALUES = [kind for kind in core_values() if kind not in (*ANY, *PARSED, *KEPT_OTHERWISE)]


def test_there_are_values_to_try() -> None:
    assert len(VALUES) >= 35


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
@settings(max_examples=times(12, calm=5), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_value_comes_back_from_json_as_it_went(kind: type[Any], data: st.DataObject) -> None:
    value = data.draw(st.from_type(kind))
    text = to_json(value)
    back = from_json(kind, text)
    assert back == value
    assert to_json(back) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "stored Manifest cannot be read"),
        ("{}", "stored Manifest cannot be read: format: Field required"),
        ("[1]", "stored Manifest cannot be read"),
        ('{"format": "xls"}', "stored Manifest cannot be read: format: Input should be"),
    ],
)
def test_what_is_no_such_value_is_corrupt_and_its_first_fault_named(text: str, words: str) -> None:
    with pytest.raises(Corrupt, match=words):
        from_json(Manifest, text)


def test_a_value_that_breaks_a_rule_of_the_core_is_corrupt_too() -> None:
    with pytest.raises(Corrupt, match="unknown type 'int7'"):
        from_json(Column, '{"name": "x", "type": "int7"}')
