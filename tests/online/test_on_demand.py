"""What on-demand functions give back: values of the declared types, or a clear refusal."""

import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest

from provender.core.errors import InvalidInput
from provender.core.features import OnDemandSpec
from provender.core.names import FeatureRef
from provender.online.lookup import Question, compile_plan
from provender.transforms import code_digest, load_transform
from tests.online.views import T0, field, manifest


def computed(folder: Path, body: str, kind: str, hours: tuple[int, int] = (1, 2)) -> list[Any]:
    """Return what a function that returns ``body`` makes the feature ``y`` of two rows."""
    path = folder / "functions.py"
    head = "import math\n\nimport numpy as np\nimport pandas as pd\n\n\n"
    path.write_text(f"{head}def compute(columns):\n    {body}\n")
    found = importlib.util.spec_from_file_location("functions", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    spec = OnDemandSpec(
        name="calc",
        inputs=(),
        request=(field("hour", "int64"),),
        features=(field("y", kind),),
        module="functions",
        function="compute",
        code_digest=code_digest(module.compute),
    )
    plan = compile_plan(
        manifest(on_demand=(spec,)),
        [FeatureRef("calc", "y")],
        transforms={"calc": load_transform(spec, folder)},
    )
    return Question(plan, {"hour": list(hours)}, T0).answer([]).values[0]


@pytest.mark.parametrize(
    ("body", "kind", "values"),
    [
        ("return {'y': [1.5, None]}", "float64", [1.5, None]),
        ("return {'y': [1, math.inf]}", "float64", [1.0, math.inf]),
        ("return {'y': np.array([1, 2])}", "int64", [1, 2]),
        ("return {'y': [1.0, 2]}", "int64", [1, 2]),
        ("return {'y': np.array([True, False])}", "bool", [True, False]),
        ("return {'y': pd.Series([0.5, 1.5])}", "float32", [0.5, 1.5]),
        ("return pd.DataFrame({'y': ['a', 'b']})", "string", ["a", "b"]),
        ("return {'y': pd.to_datetime(['2013-01-01T05:00Z', None])}", "timestamp", [T0, None]),
        ("return {'y': [[1], []]}", "list<int64>", [[1], []]),
    ],
)
def test_what_is_of_the_declared_type_is_served_as_such(
    tmp_path: Path, body: str, kind: str, values: list[Any]
) -> None:
    found = computed(tmp_path, body, kind)
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        ("return None", "float64", "a NoneType without y"),
        ("return [1, 2]", "float64", "a list without y"),
        ("return 7", "float64", "a int without y"),
        ("return {}", "float64", "a dict without y"),
        ("return {'y': 3}", "float64", "a int"),
        ("return {'y': None}", "float64", "a NoneType"),
        ("return {'y': 'ab'}", "string", "a str of 2"),
        ("return {'y': [1.0]}", "float64", "a list of 1"),
        (
            "return {'y': ['abc', 'b']}",
            "float64",
            "y, which compute returned, is float64, and a value is not",
        ),
        ("return {'y': [math.nan, 1]}", "int64", "is int64, and a value is not"),
        ("return {'y': [1, 2.7]}", "int64", "is int64, and a value is not"),
        ("return {'y': [2**63, 1]}", "int64", "is int64, and a value is not"),
        ("return {'y': [True, 1]}", "int64", "is int64, and a value is not"),
        ("return {'y': [object(), 'a']}", "string", "is string, and a value is not"),
        ("return {'y': ['yes', True]}", "bool", "is bool, and a value is not"),
        ("return {'y': [[object()], []]}", "list<int64>", "y, which compute returned, is list"),
        ("raise SystemExit(3)", "float64", "compute failed with SystemExit"),
    ],
)
def test_what_is_not_is_refused_with_the_function_and_the_feature(
    tmp_path: Path, body: str, kind: str, told: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        computed(tmp_path, body, kind)
    message = caught.value.message
    assert message.startswith("on-demand view calc: ")
    assert ("compute" in message, told in message) == (True, True), message


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("raise ValueError(columns['hour'])", "int64"),
        ("return {'y': (int(str(hour) * 3 + 'x') for hour in columns['hour'])}", "int64"),
        ("return {'y': [str(hour) + 'x' for hour in columns['hour']]}", "float64"),
        ("return {'y': [hour + 0.5 for hour in columns['hour']]}", "int64"),
        ("return {'y': columns['hour']}", "string"),
    ],
)
def test_no_refusal_tells_a_value(tmp_path: Path, body: str, kind: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        computed(tmp_path, body, kind, hours=(8675309, 8675309))
    assert "8675309" not in f"{caught.value.message} {caught.value.hint}"
