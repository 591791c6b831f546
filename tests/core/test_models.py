"""What can be said of a model."""

import numpy as np
import pytest

from provender.core.errors import InvalidInput
from provender.core.models import MOST_METRICS, Trained, check, parse_name

DIGEST = f"sha256:{'a' * 64}"


def said(**changes: object) -> Trained:
    return Trained(**{"name": "fare-model", "training_set": "ts_1", "artifact": DIGEST, **changes})


def test_numbers_of_libraries_are_metrics():
    metrics = {"auc": np.float32(0.5), "rows": 7, "loss": np.float64(0.25)}
    kept = check(said(metrics=metrics)).metrics
    assert kept == {"auc": 0.5, "rows": 7.0, "loss": 0.25}
    assert {type(value) for value in kept.values()} == {float}


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 10**400, True, "0.8", None], ids=repr
)
def test_what_is_no_finite_number_is_no_metric(value: object):
    with pytest.raises(InvalidInput, match=r"the metric auc is .*, which is no finite number"):
        check(said(metrics={"auc": value}))


def test_all_that_is_wrong_is_said_at_once():
    many = {f"m{n}": 1.0 for n in range(MOST_METRICS + 1)}
    with pytest.raises(InvalidInput) as error:
        check(said(name="Fare", artifact="a" * 64, metrics=many, uri="x" * 10_001))
    for words in ("'Fare' is no name", "is no digest", "has 101 metrics", "has 10,001 characters"):
        assert words in error.value.message


@pytest.mark.parametrize(
    "text", ["fare@0", "fare@", "fare@x", "@1", "Fare", "/b", "a/", "a/b/c", "a" * 64, ""]
)
def test_what_is_no_name_of_a_model_is_told(text: str):
    with pytest.raises(InvalidInput, match="is not the name of a model"):
        parse_name(text)


def test_a_name_may_have_a_version():
    assert parse_name("fare-model") == ("fare-model", None)
    assert parse_name("fare_2@17") == ("fare_2", 17)
    assert parse_name("New York@home/fare@3") == ("New York@home/fare", 3)


@pytest.mark.parametrize(
    "uri",
    [
        "https://hf9Token@models.example/fare",
        "https://ana:abc@models.example/fare",
        "https://models.example/fare?token=x",
        "https://models.example/fare?a=1&X-Amz-Security-Token=x",
        "https://models.example/fare?AWSAccessKeyId=x",
        "https://models.example/fare?apiKey=x",
        "https://models.example/fare?sv=1&sig=x",
        "https://models.example/fare?apikey=x",
        "https://models.example/fare?accesstoken=x",
        "https://models.example/fare?api_key=x",
        "https://models.example/fare?jwt=x",
        "https://models.example/fare;token=x",
        "https://models.example/fare#access_token=x",
    ],
)
def test_an_address_lets_nobody_in_and_is_not_repeated(uri: str):
    with pytest.raises(InvalidInput, match=r"its address has a (user|parameter)") as error:
        check(said(uri=uri))
    assert "models.example" not in error.value.message


@pytest.mark.parametrize(
    "uri",
    [
        "s3://models/fare@2/model.bin?versionId=3HL4kqtJlcpXroDTDmJ",
        "gs://models/fare#1360887697105000",
        "file:///home/ana/models/fare.bin",
        "models:/fare/2",
        "https://models.example/keys/token?run=7&step=2",
    ],
)
def test_other_addresses_are_kept(uri: str):
    assert check(said(uri=uri)).uri == uri
