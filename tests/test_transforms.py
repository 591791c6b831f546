"""On-demand functions: what was not applied is not run, and what fails tells no value and no place."""

import inspect
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from provender.core.digest import digest_bytes
from provender.core.errors import Conflict, InvalidInput, NotFound, ProvenderError
from provender.core.features import EntitySpec, FieldSpec, OnDemandSpec, RepoSpec, ViewSpec
from provender.core.names import DatasetRef, FeatureRef
from provender.core.training import TrainingSetSpec
from provender.offline.answer import Answer
from provender.sdk.on_demand import with_on_demand
from provender.transforms import code_digest, load_transform
from tests.serving import transforms

CANARY = "CANARY-7f3a"
DOUBLE = "def double(columns):\n    return {'y': [2 * x for x in columns['x']]}\n"


def digest(text: str) -> str:
    return digest_bytes(text.encode())


def placed(folder: Path, text: str, function: str = DOUBLE, kind: str = "int64") -> OnDemandSpec:
    """Put ``text`` there, and return the definition with the ``function`` that was applied."""
    (folder / "functions.py").write_text(text)
    return OnDemandSpec(
        name="calc",
        inputs=(FeatureRef("notes", "x"),),
        request=(),
        features=(FieldSpec(name="y", type=kind),),
        module="functions",
        function="double",
        code_digest=digest(function),
    )


def refused(folder: Path, spec: OnDemandSpec, kind: type[ProvenderError]) -> str:
    with pytest.raises(kind) as caught:
        load_transform(spec, folder)
    told = f"{caught.value.message} {caught.value.hint}"
    assert str(folder) not in told
    return told


def test_a_module_is_run_only_if_it_has_the_text_that_was_applied(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    head = f"open({str(ran)!r}, 'w').close()\nraise RuntimeError({CANARY!r})\n"
    inside = "if True:\n" + textwrap.indent(DOUBLE, "    ")
    others = ("def go(columns):\n    pass\n", DOUBLE.replace("2 *", "3 *"), inside)
    for other in others:
        told = refused(tmp_path, placed(tmp_path, head + other), Conflict)
        assert "functions.double in the feature repository is not the text" in told
        assert not ran.exists()
    told = refused(tmp_path, placed(tmp_path, head + DOUBLE), InvalidInput)
    assert ran.exists()
    assert "module functions cannot be imported: RuntimeError" in told
    assert CANARY not in told


def test_a_module_that_gives_the_name_to_another_is_refused(tmp_path: Path) -> None:
    spec = placed(tmp_path, f"{DOUBLE}\n\ndouble = len\n")
    assert "is not the text" in refused(tmp_path, spec, Conflict)


@pytest.mark.parametrize("text", ["def (\n", "\0", "(" * 500, "# coding: nonsense\n"])
def test_what_is_no_python_cannot_be_imported(tmp_path: Path, text: str) -> None:
    assert "cannot be imported" in refused(tmp_path, placed(tmp_path, text), InvalidInput)


def test_what_is_missing_is_told_by_its_name_and_not_by_its_place(tmp_path: Path) -> None:
    spec = placed(tmp_path, f"import nosuchlib\n{DOUBLE}")
    assert "there is no module nosuchlib" in refused(tmp_path, spec, InvalidInput)
    (tmp_path / "functions.py").unlink()
    assert "functions is not in the feature repository" in refused(tmp_path, spec, NotFound)


@pytest.mark.parametrize("end", ["", "\n", "\n\n# the end\n", "\n    # still inside\n\nz = 1\n"])
def test_the_text_is_the_one_of_the_function_that_is_run(tmp_path: Path, end: str) -> None:
    text = f'"""Words."""\n\n\n{DOUBLE}    \n    # a remark\n{end}'
    spec = placed(tmp_path, text)
    names: dict[str, Any] = {}
    exec(compile(text, tmp_path / "functions.py", "exec"), names)
    spec = replace(spec, code_digest=code_digest(names["double"]))
    assert load_transform(spec, tmp_path)({"x": [1, 2]}) == {"y": [2, 4]}


def test_the_functions_of_a_real_module_are_found_by_their_text() -> None:
    folder = Path(transforms.__file__).parent
    for name, function in inspect.getmembers(transforms, inspect.isfunction):
        spec = OnDemandSpec(
            name=name,
            inputs=(),
            request=(),
            features=(FieldSpec(name="y", type="int64"),),
            module="transforms",
            function=name,
            code_digest=digest(textwrap.dedent(inspect.getsource(function))),
        )
        assert load_transform(spec, folder)


FAILING = {
    "int(columns['x'][0])": "failed with ValueError",
    "{'y': (int(x) for x in columns['x'])}": "failed with ValueError",
    "{'y': {x: 1 for x in columns['x']}[0]}": "failed with KeyError",
    "exit(columns['x'][0])": "failed with SystemExit",
    "{'y': columns['x']}": "y is declared int64, and a value is not",
    "{'y': [[x] for x in columns['x']]}": "y is declared int64, and a value is not",
    "columns['x']": "did not return 1 values of y, but a list without y",
    "{'y': columns['x'] * 2}": "did not return 1 values of y, but a list of 2",
}


@pytest.mark.parametrize(("body", "told"), FAILING.items())
def test_what_fails_in_a_training_set_tells_no_value(tmp_path: Path, body: str, told: str) -> None:
    function = f"def double(columns):\n    return {body}\n"
    spec = placed(tmp_path, function, function)
    repo = RepoSpec(
        project="notes",
        entities=(EntitySpec(name="driver", join_key="driver_id", type="int64"),),
        views=(
            ViewSpec(
                name="notes",
                entities=("driver",),
                join_keys=(FieldSpec(name="driver_id", type="int64"),),
                features=(FieldSpec(name="x", type="string"),),
                dataset=DatasetRef("shop", "notes"),
                event_timestamp="at",
            ),
        ),
        on_demand=(spec,),
    )
    rows = pa.table({"driver_id": [1], "x": [CANARY]})
    asked = TrainingSetSpec(
        project="notes", features=(FeatureRef("calc", "y"),), purpose="research"
    )
    answer = Answer(rows.schema, iter(rows.to_batches()))
    with pytest.raises(InvalidInput) as caught:
        list(with_on_demand(answer, ["driver_id"], repo, asked, folder=tmp_path).batches)
    assert told in caught.value.message
    assert CANARY not in f"{caught.value.message} {caught.value.hint}"
