import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from provender.core.errors import Conflict, Corrupt, InvalidInput, Unavailable
from provender.tables import locks, storage

HOLD = """
import sys, time
from pathlib import Path
from provender.tables import storage
with storage.staging(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("written")
    print(folder, flush=True)
    time.sleep(60)
"""

STAGE = """
import os, sys
from pathlib import Path
from provender.core.errors import Unavailable
from provender.tables import storage
if os.geteuid() == 0:
    os.seteuid(65534)  # root may write everywhere
try:
    with storage.staging(Path(sys.argv[1])):
        pass
except Unavailable as error:
    print(error)
"""


@pytest.mark.parametrize("location", ["../x", "a/../../x", "/etc", "a/../b", ""])
def test_a_location_stays_inside_the_lake(tmp_path: Path, location: str) -> None:
    lake = tmp_path / "lake"
    if location == "":
        assert storage.resolve(lake, location) == lake
        return
    with pytest.raises(InvalidInput, match="is not a place in the lake"):
        storage.resolve(lake, location)


def test_a_symbolic_link_does_not_lead_out_of_the_lake(tmp_path: Path) -> None:
    lake, outside = tmp_path / "lake", tmp_path / "outside"
    (lake / "a").mkdir(parents=True)
    outside.mkdir()
    (lake / "a" / "out").symlink_to(outside)
    (lake / "a" / "in").symlink_to(lake)
    with pytest.raises(InvalidInput, match="is not a place in the lake"):
        storage.resolve(lake, "a/out/file")
    assert storage.resolve(lake, "a/in/b") == lake / "b"


def test_a_lake_may_itself_be_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "lake").symlink_to(tmp_path / "real")
    assert storage.resolve(tmp_path / "lake", "a") == tmp_path / "real" / "a"


def test_staging_is_gone_afterwards_even_after_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        with storage.staging(tmp_path) as folder:
            (folder / "x").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.name for path in (tmp_path / ".staging").iterdir()] == ["area.lock"]


def test_what_a_killed_process_left_is_collected_but_not_what_a_living_one_holds(
    tmp_path: Path,
) -> None:
    def start() -> tuple[subprocess.Popen[str], Path]:
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        return child, Path(child.stdout.readline().strip())

    (killed, left), (living, held) = start(), start()
    try:
        killed.kill()
        killed.wait()
        assert (left / "half").exists()
        with storage.staging(tmp_path) as folder:
            assert not left.exists()
            assert (held / "half").exists()
            with storage.staging(tmp_path):
                assert folder.exists()
    finally:
        for child in (killed, living):
            child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()
    with storage.staging(tmp_path):
        assert not held.exists()


def stage(lake: Path, location: str, text: str) -> tuple[str, ...]:
    with storage.staging(lake) as folder:
        staged = folder / "rows"
        staged.mkdir()
        (staged / "part").write_text(text)
        return tuple(entry.sha256 for entry in storage.keep(staged, lake, location))


def test_a_kept_folder_is_never_written_again(tmp_path: Path) -> None:
    first = stage(tmp_path, "a/b", "one")
    assert stage(tmp_path, "a/b", "two") == first
    assert (tmp_path / "a/b/part").read_text() == "one"


def test_a_damaged_file_is_healed_by_the_same_bytes_and_by_no_others(tmp_path: Path) -> None:
    first = stage(tmp_path, "a/b", "one")
    (tmp_path / "a/b/part").write_text("0ne")
    with pytest.raises(Corrupt, match="SHA-256 differs"):
        stage(tmp_path, "a/b", "two")
    assert stage(tmp_path, "a/b", "one") == first
    assert (tmp_path / "a/b/part").read_text() == "one"
    (tmp_path / "a/b/part").unlink()
    (tmp_path / "a/b/_files.json").write_text("{")
    assert stage(tmp_path, "a/b", "one") == first
    assert stage(tmp_path, "a/b", "two") == first


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "make room on the disk"),
        (errno.EROFS, "writable"),
        (errno.EACCES, "set PROVENDER_HOME"),
        (errno.EIO, "check the disk"),
    ],
)
def test_what_the_operating_system_refuses_is_said_with_what_to_do(
    tmp_path: Path, number: int, hint: str
) -> None:
    with pytest.raises(Unavailable) as caught, storage.explained(tmp_path):
        raise OSError(number, os.strerror(number))
    assert os.strerror(number) in caught.value.message
    assert hint in caught.value.hint


def test_a_read_only_lake_is_an_error_that_names_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = subprocess.run(
        [sys.executable, "-c", STAGE, str(tmp_path / "lake")],
        capture_output=True,
        text=True,
        check=False,
    )
    tmp_path.chmod(0o700)
    assert done.stdout.splitlines() == [
        f"the lake {tmp_path / 'lake'} cannot be written: Permission denied",
        f" hint: make {tmp_path / 'lake'} writable for this user, "
        "or set PROVENDER_HOME to a folder that is",
    ], done.stderr


def test_a_file_where_the_lake_should_be_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("not a folder")
    with pytest.raises(Unavailable, match="lake") as caught, storage.staging(tmp_path / "lake"):
        pass
    assert "PROVENDER_HOME" in caught.value.hint


def test_two_publishers_of_one_name_take_turns(tmp_path: Path) -> None:
    inside: list[str] = []

    def publish(who: str) -> None:
        with storage.locked(tmp_path, "a.b"):
            inside.append(who)
            time.sleep(0.05)
            inside.append(who)

    threads = [threading.Thread(target=publish, args=(who,)) for who in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside[0::2] == inside[1::2]


def test_a_publisher_that_hangs_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.1)
    with (
        storage.locked(tmp_path, "a.b"),
        pytest.raises(Conflict, match="another process has held"),
        storage.locked(tmp_path, "a.b"),
    ):
        pass
