"""One Spark cluster for all tests of this folder that need one, started by the first of them."""

import pytest

from provender.offline import sparksession
from tests.offline.cluster import standalone


@pytest.fixture(scope="session")
def spark_master(tmp_path_factory):
    with standalone(tmp_path_factory.mktemp("cluster")) as url:
        yield url
        sparksession.stop()
