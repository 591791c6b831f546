"""The one Spark of this process: started when first needed, shared by jobs, stopped for good.

A process can be the driver of one cluster at a time. Jobs of the same cluster share it, each in
a session of its own; a job for another cluster waits for nobody: it is refused while there are
some, else the old driver is stopped and a new one started. A driver that somebody else started in
this process, such as a notebook's, is used and never stopped.
"""

import atexit
import os
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from provender.core.errors import Conflict, ProvenderError, Unavailable
from provender.offline.java import find_java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOOPBACK = "127.0.0.1"
DRIVER = {
    "spark.app.name": "provender",
    "spark.driver.bindAddress": LOOPBACK,
    "spark.driver.host": LOOPBACK,
    "spark.sql.catalogImplementation": "in-memory",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
"""How the driver is started, unless the options say otherwise."""
MEANING = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.join.asofJoin.enabled": "true",
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Spark 4.3 fails on a nested column whose dictionary is empty, all its values being null.
    "spark.sql.parquet.enableNestedColumnVectorizedReader": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.variable.substitute": "false",
}
"""What our SQL means depends on these; every session has them, whatever the options say."""
PATIENCE_SECONDS = 20
COMPLAINT_LINES = 3


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where Spark runs, and the options it is started with."""

    master: str
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, master: str, options: Mapping[str, str]) -> "Cluster":
        """Return the cluster of a Spark URL; empty is every core of this machine."""
        return cls(master or "local[*]", tuple(sorted(options.items())))


@dataclass
class Driver:
    """A running driver; ``users`` counts the jobs that it has now."""

    cluster: Cluster
    session: "SparkSession"
    process: "subprocess.Popen[bytes] | None" = None
    users: int = field(default=0)


_LOCK = threading.RLock()
_DRIVER: list[Driver] = []
"""The driver of this process, if there is one."""


@contextmanager
def session(
    cluster: Cluster, environment: Mapping[str, str] | None = None
) -> Iterator["SparkSession"]:
    """A Spark session for one job on ``cluster``.

    Raises:
        Unavailable: pyspark or a fitting Java is missing, or the cluster does not answer.
        Conflict: this process is the driver of another cluster and has jobs there.
    """
    with _LOCK:
        driver = _driver(cluster, os.environ if environment is None else environment)
        driver.users += 1
    try:
        with explained():
            mine = driver.session.newSession()
            for name, value in MEANING.items():
                mine.conf.set(name, value)
        yield mine
    finally:
        with _LOCK:
            driver.users -= 1


def stop() -> None:
    """Stop the driver that was started here, and wait until its Java is gone."""
    with _LOCK:
        while _DRIVER:
            _end(_DRIVER.pop())


@contextmanager
def explained() -> Iterator[None]:
    """Say what Spark refuses in our words.

    Raises:
        Unavailable: Spark, its cluster or a file failed; Spark's own first words are in the message.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except ProvenderError:
        raise
    except (PySparkException, Py4JError, ConnectionError) as error:
        raise Unavailable(
            f"Spark could not answer: {_first_words(error)}",
            hint="check that the cluster is up, that its workers see the data and the temporary "
            "folder, and that the files are still there: provender dataset verify NAME",
        ) from error


def _driver(cluster: Cluster, environment: Mapping[str, str]) -> Driver:
    """Return the driver for ``cluster``, started if need be."""
    current = _DRIVER[0] if _DRIVER else None
    if current is not None and _is_stopped(current.session):
        stop()
        current = None
    if current is not None and current.cluster != cluster:
        if current.users:
            raise Conflict(
                f"this process runs {current.users} retrievals on the Spark cluster "
                f"{current.cluster.master} and cannot begin one on {cluster.master} meanwhile",
                hint="wait for them, give both the same master and options, or use another process",
            )
        stop()
        current = None
    if current is None:
        current = _borrowed(cluster) or _start(cluster, environment)
        _DRIVER.append(current)
    return current


def _borrowed(cluster: Cluster) -> Driver | None:
    """The driver that somebody else started in this process."""
    context = _pyspark().SparkContext._active_spark_context
    if context is None:
        return None
    from pyspark.sql import SparkSession

    if cluster.master not in ("local[*]", context.master):
        raise Conflict(
            f"this process already drives Spark at {context.master}, not at {cluster.master}",
            hint="stop that session, or leave the Spark master empty to use it",
        )
    return Driver(cluster, SparkSession(context))


def _start(cluster: Cluster, environment: Mapping[str, str]) -> Driver:
    pyspark = _pyspark()
    from pyspark.sql import SparkSession

    options = DRIVER | {"spark.master": cluster.master} | dict(cluster.options)
    configuration = pyspark.SparkConf(loadDefaults=False).setAll(list(options.items()))
    variables = {"JAVA_HOME": str(find_java(environment))}
    if options["spark.driver.host"] == LOOPBACK:
        variables["SPARK_LOCAL_IP"] = LOOPBACK
    with tempfile.TemporaryFile() as said:
        gateway = _launch(configuration, variables, said)
        try:
            context = pyspark.SparkContext(gateway=gateway, conf=configuration)
            context.setLogLevel("ERROR")
            return Driver(cluster, SparkSession(context), gateway.proc)
        except Exception as error:
            why = _last_error(said) or _first_words(error)
            _end_java(gateway)
            raise Unavailable(
                f"Spark did not start at {cluster.master}: {why}",
                hint="check the master's URL and the options, and that the master is up",
            ) from error


def _launch(configuration: Any, variables: Mapping[str, str], said: Any) -> Any:
    """Start the driver's Java and return the way to it; what it prints goes to ``said``."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    with warnings.catch_warnings():
        # pyspark 4.3 leaves the pipe to a Java that ended at once to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        with suppress(PySparkRuntimeError), _variables(variables):
            return launch_gateway(  # type: ignore[no-untyped-call]
                configuration, {"stdout": said, "stderr": said}
            )
    raise Unavailable(
        f"Spark's driver did not start: {_complaint(said)}",
        hint="check the master's URL and the Spark options, and that there is memory for it",
    )


def _pyspark() -> Any:
    try:
        import pyspark
    except ImportError as error:
        raise Unavailable(
            "Spark needs the package pyspark, which is not installed",
            hint="pip install 'provender[spark]'",
        ) from error
    return pyspark


@contextmanager
def _variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a process that is started meanwhile; pyspark passes on ours."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _is_stopped(session: "SparkSession") -> bool:
    context = session.sparkContext
    return context._jsc is None or bool(context._jsc.sc().isStopped())


def _end(driver: Driver) -> None:
    if driver.process is None:
        return
    gateway = driver.session.sparkContext._gateway
    with suppress(Exception):
        driver.session.stop()
    _end_java(gateway)


def _end_java(gateway: Any) -> None:
    """End the Java behind ``gateway``, and let pyspark forget it, so that it can start another."""
    context = _pyspark().SparkContext
    with suppress(Exception):
        if context._active_spark_context is not None:
            context._active_spark_context.stop()
    with suppress(Exception):
        gateway.shutdown()
    context._active_spark_context = context._gateway = context._jvm = None
    gateway.proc.stdin.close()
    try:
        gateway.proc.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        gateway.proc.kill()
        gateway.proc.wait()


def _first_words(error: BaseException) -> str:
    """The first line that says something; Java's stack traces do not."""
    from py4j.protocol import Py4JJavaError

    if isinstance(error, Py4JJavaError):
        cause = error.java_exception
        while cause.getCause() is not None:
            cause = cause.getCause()
        return str(cause.toString()).splitlines()[0]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _last_error(said: Any) -> str:
    """What the driver last called an error; it knows more than the exception that follows."""
    errors = [line for line in _text(said).splitlines() if " ERROR " in line]
    return errors[-1].partition(" ERROR ")[2] if errors else ""


def _complaint(said: Any) -> str:
    """What a Java that ended at once printed, without warnings and stack traces."""
    lines = [line.strip() for line in _text(said).splitlines()]
    telling = [line for line in lines if line and not line.startswith(("at ", "WARNING"))]
    return "; ".join(telling[:COMPLAINT_LINES]) or "it says nothing"


def _text(said: Any) -> str:
    said.seek(0)
    return str(said.read().decode("utf-8", "replace")).strip()


atexit.register(stop)
