import os
from pathlib import Path

import pytest

from provender.core.features import FieldSpec
from provender.core.lookuplog import LoggedFeature, LogShape
from provender.online.spool import Segment, SpoolFolder, framed, read_segment

SHAPE = LogShape(
    project="a/b",
    service="..",
    manifest="sha256:0",
    given=(FieldSpec(name="k", type="int64"),),
    features=(LoggedFeature(view="v", feature="x", type="string"),),
)
LINES = [b'{"id":1}', b'{"id":2}', '{"id":"ü"}'.encode()]


@pytest.fixture
def spool(tmp_path: Path) -> SpoolFolder:
    return SpoolFolder(tmp_path, SHAPE.project)


def written(spool: SpoolFolder, lines: list[bytes], service: str = SHAPE.service) -> Path:
    slot = spool.take_slot()
    segment = Segment(spool.of(service), slot.number, SHAPE)
    segment.append(lines)
    before = set(spool.segments())
    segment.close()
    slot.close()
    [path] = set(spool.segments()) - before
    return path


def test_a_closed_segment_is_read_as_it_was_written(spool: SpoolFolder) -> None:
    path = written(spool, LINES)
    assert read_segment(path) == (SHAPE, [{"id": 1}, {"id": 2}, {"id": "ü"}])
    assert spool.services() == [".."]
    assert path.is_relative_to(spool.path)


def test_a_segment_cut_off_anywhere_gives_the_lines_before_the_cut(spool: SpoolFolder) -> None:
    path = written(spool, LINES)
    data = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(data) if byte == ord("\n")]
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends)
        found = read_segment(path)
        assert (found is None) == (whole == 0)
        assert found is None or len(found[1]) == whole - 1


def test_a_damaged_line_ends_a_segment(spool: SpoolFolder) -> None:
    path = written(spool, LINES)
    data = bytearray(path.read_bytes())
    start = data.index(framed(LINES[1]))
    data[start + len(framed(LINES[1])) - 3] ^= 1
    path.write_bytes(data)
    assert read_segment(path) == (SHAPE, [{"id": 1}])


def test_what_another_process_has_open_is_left_alone_until_it_is_gone(spool: SpoolFolder) -> None:
    slot = spool.take_slot()
    segment = Segment(spool.of(SHAPE.service), slot.number, SHAPE)
    segment.append(LINES[:1])
    other = spool.take_slot()
    assert other.number != slot.number
    assert spool.adopt() == 0
    assert spool.segments() == []
    slot.close()  # as the kernel does when a process ends
    assert spool.adopt() == 1
    [path] = spool.segments()
    assert read_segment(path) == (SHAPE, [{"id": 1}])
    other.close()


def test_whoever_gets_the_slot_of_a_killed_process_closes_what_that_left(
    spool: SpoolFolder,
) -> None:
    slot = spool.take_slot()
    Segment(spool.of(SHAPE.service), slot.number, SHAPE).append(LINES[:1])
    slot.close()
    again = spool.take_slot()
    assert again.number == slot.number
    Segment(spool.of(SHAPE.service), again.number, SHAPE).append(LINES[1:])
    [path] = spool.segments()
    assert read_segment(path) == (SHAPE, [{"id": 1}])
    again.close()


def test_the_oldest_segments_go_first_and_their_records_are_counted(spool: SpoolFolder) -> None:
    paths = []
    for age in (30, 20, 10):
        path = written(spool, LINES * 100)
        moment = 1_700_000_000 - age
        os.utime(path, (moment, moment))
        paths.append(path.rename(path.with_name(f"{moment * 1000:014d}-{age}.seg")))
    size = spool.size_bytes()
    assert spool.drop_oldest(size) == 0
    assert spool.drop_oldest(size - 1) == 300
    assert spool.segments() == paths[1:]


def aged(path: Path, age: int) -> Path:
    """Return the segment under the name that it has if it was written ``age`` seconds ago."""
    return path.rename(path.with_name(f"{(1_700_000_000 - age) * 1000:014d}-{age}.seg"))


def begun(path: Path) -> Path:
    """Return the segment where it is while its batch is published, or waits for that."""
    folder = path.parent / f"batch-{path.stem}"
    folder.mkdir()
    return path.rename(folder / path.name)


def test_what_waits_in_batches_goes_before_what_is_newer(spool: SpoolFolder) -> None:
    old = begun(aged(written(spool, LINES * 100), 30))
    new = aged(written(spool, LINES), 10)
    assert spool.drop_oldest(spool.size_bytes() - 1) == 300
    assert (old.exists(), new.exists()) == (False, True)


def test_what_is_being_published_is_not_dropped(spool: SpoolFolder) -> None:
    old = begun(aged(written(spool, LINES * 100), 30))
    new = aged(written(spool, LINES), 10)
    with spool.shipping() as alone:
        assert alone
        assert spool.drop_oldest(0) == 3
    assert (old.exists(), new.exists()) == (True, False)


def test_who_takes_most_makes_room_and_not_who_is_older(spool: SpoolFolder) -> None:
    quiet = aged(written(spool, LINES * 10, "quiet"), 90)
    loud = [aged(written(spool, LINES * 20, "loud"), age) for age in (50, 40, 30)]
    assert spool.drop_oldest(spool.size_bytes() - 1) == 60
    assert [path.exists() for path in (quiet, *loud)] == [True, False, True, True]
    assert spool.drop_oldest(0) == 150
    assert spool.size_bytes() == 0


def test_a_service_may_be_called_as_the_shell_writes_any(spool: SpoolFolder) -> None:
    own = written(spool, LINES, "*")
    other = written(spool, LINES, "totals")
    assert spool.segments("*") == [own]
    assert spool.waiting("*")[0] == 1
    assert set(spool.segments()) == {own, other}


def test_pipes_and_links_are_not_taken_for_segments(spool: SpoolFolder, tmp_path: Path) -> None:
    path = written(spool, LINES)
    os.mkfifo(path.with_name("1-pipe.seg"))
    path.with_name("2-link.seg").symlink_to(tmp_path / "elsewhere")
    path.with_name("0.open").symlink_to(tmp_path / "elsewhere")
    assert spool.segments() == [path]
    assert spool.adopt() == 0
    slot = spool.take_slot()
    with pytest.raises(OSError, match="symbolic links"):
        Segment(path.parent, slot.number, SHAPE)
    slot.close()
    assert not (tmp_path / "elsewhere").exists()


def test_what_could_not_be_published_is_told_to_servers(spool: SpoolFolder) -> None:
    assert spool.told() == {}
    written(spool, LINES)
    spool.tell({"..": "not declared"})
    assert spool.told() == {"..": "not declared"}
