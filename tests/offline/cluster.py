"""A real Spark cluster on this machine: a standalone master and two workers, one core and 1 GB each."""

import os
import re
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

START_SECONDS = 60
MASTER = re.compile(r"Starting Spark master at (spark://127\.0\.0\.1:\d+)")
WORKERS = 2
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote -XX:-UsePerfData"
OPTIONS = {
    "spark.driver.extraJavaOptions": QUICK,
    "spark.executor.extraJavaOptions": QUICK,
    "spark.driver.memory": "768m",
    "spark.executor.memory": "512m",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""What keeps drivers and executors small here, and jobs of few rows fast: less is compiled."""


@pytest.fixture(scope="session")
def spark_master(tmp_path_factory):
    """The URL of a cluster that all tests of this process share; its driver ends with it."""
    with standalone(tmp_path_factory.mktemp("cluster")) as url:
        yield url
        from provender.offline import sparksession

        sparksession.stop()


@contextmanager
def standalone(folder: Path):
    """The URL of a master with two workers; all of them end with the block."""
    with ExitStack() as processes:
        master = processes.enter_context(_java(folder, "master", "deploy.master.Master"))
        url = _awaited(master, MASTER)
        for number in range(WORKERS):
            arguments = ["-c", "1", "-m", "1g", "-d", str(folder / f"worker{number}"), url]
            worker = processes.enter_context(
                _java(folder, f"worker{number}", "deploy.worker.Worker", *arguments)
            )
            _awaited(worker, re.compile("(Successfully registered)"))
        yield url


@contextmanager
def _java(folder, name, main, *arguments):
    import pyspark

    from provender.offline.java import find_java

    said = folder / f"{name}.log"
    home = Path(pyspark.__file__).parent
    environment = os.environ | {
        "JAVA_HOME": str(find_java(os.environ)),
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": QUICK,
    }
    command = [home / "bin" / "spark-class", f"org.apache.spark.{main}"]
    command += ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0", *arguments]
    with said.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        yield process, said
    finally:
        process.terminate()
        process.wait(20)


def _awaited(started, pattern):
    process, said = started
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if match := pattern.search(said.read_text()):
            return match[1]
        time.sleep(0.1)
    raise AssertionError(f"{said.name} did not start: {said.read_text()[-2000:]}")
