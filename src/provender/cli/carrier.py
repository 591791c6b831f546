"""The process that carries the policy to the online store, beside the server that needs it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from threading import Event, Thread

import click

from provender.core.serving import SERVER
from provender.settings import Settings

STARTED = b"policy carried\n"
START_SECONDS = 20.0
STOP_SECONDS = 5.0


def carry_policy(settings: Settings, project: str, ended: Event) -> None:
    """Carry the policy of ``project`` until it ``ended``, and back what lookups were decided by it.

    Tell stdout when the policy arrived first.

    Out of a database, the server itself asks; of a service, who it takes us for.
    """
    from provender import bootstrap
    from provender.online.drain import Drain
    from provender.online.journal import journal_of_servers
    from provender.online.pump import carry

    arrived = Event()

    def renewed(_lease: object) -> None:
        if not arrived.is_set():
            arrived.set()
            click.echo(STARTED, nl=False)

    asking = settings if settings.is_remote else settings.model_copy(update={"actor": SERVER})
    with closing(bootstrap.catalog(asking)) as catalog, bootstrap.online(settings) as store:
        drain = Drain(journal_of_servers(settings.home), catalog.records.tell_lookups)
        telling = Thread(target=drain.go_on, args=(ended,), daemon=True)
        telling.start()
        carry(store, catalog.records, project, ended=ended, renewed=renewed)
        telling.join(STOP_SECONDS)
        drain.finish()


def end_of_input() -> Event:
    """Return what is set when stdin ends: when whoever started this process has ended."""
    ended = Event()

    def wait() -> None:
        with suppress(OSError):
            while sys.stdin.buffer.read(1):
                pass
        ended.set()

    Thread(target=wait, daemon=True).start()
    return ended


@contextmanager
def carrying(project: str) -> Iterator[None]:
    """Carry the policy of ``project`` in a process of its own while the block runs.

    The block begins when the policy arrived, or after a while without it: servers refuse then.
    """
    command = [sys.executable, "-m", "provender.cli.main", "serve", "policy"]
    with subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--project", project, "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            _await_start(process)
            yield
        finally:
            _end(process)


def _await_start(process: "subprocess.Popen[bytes]") -> None:
    arrived = Event()

    def wait() -> None:
        if process.stdout is not None:
            process.stdout.readline()
        arrived.set()

    Thread(target=wait, daemon=True).start()
    arrived.wait(START_SECONDS)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
