"""One Spark cluster for all tests of this folder that need one, started by the first of them."""

import pytest

from provender.offline import sparksession
from provender.offline.spark import SparkEngine
from tests.offline.cluster import OPTIONS, standalone


@pytest.fixture(scope="session")
def spark_master(tmp_path_factory):
    with standalone(tmp_path_factory.mktemp("cluster")) as url:
        yield url
        sparksession.stop()


@pytest.fixture
def engine(spark_master, tmp_path):
    return SparkEngine(tmp_path, spark_master, OPTIONS, temp_directory=tmp_path / "temporary")
