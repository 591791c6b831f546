"""A subject is gone from every version and file, and what held it is refused with the certificate."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from provender.core.audit import EventKind
from provender.core.datasets import Format
from provender.core.erasure import Erased, Erasure, State
from provender.core.errors import Conflict, Denied, Gone, InvalidInput
from provender.core.retention import Retention
from provender.sdk.publishing import Quarantined
from tests.erasure.bytes import holding
from tests.erasure.conftest import (
    FORMATS,
    NUMBER,
    PAY,
    SECRET,
    SUBJECT,
    TOTALS,
    TRIPS,
    Connect,
    made,
    people,
    trips,
)

CONTRACT = b"""
apiVersion: v3.1.0
kind: DataContract
id: pay
version: 1.0.0
status: active
schema:
  - name: pay
    properties:
      - {name: payee, logicalType: string}
    quality:
      - {metric: rowCount, mustBeGreaterThan: 7}
"""
"""More rows than there are without the subject's."""


@dataclass
class After:
    """A home after the subject was erased, and what was there before."""

    home: Path
    acting: Connect
    foreseen: list[Erased]
    held: list[str]
    rows: dict[Format, pa.Table]
    done: Erasure


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Iterator[After]:
    home = made(tmp_path_factory.mktemp("erased"))
    with people(home) as acting:
        foreseen = acting("gov").foresee_erasure(SUBJECT)
        assert acting("gov").catalog.erasures.erasures().items == ()
        held = holding(home, SECRET)
        rows = {fmt: acting("ana").read(str(ref)) for fmt, ref in TRIPS.items()}
        done = erased(acting)
        yield After(home, acting, foreseen, held, rows, done)


def erased(acting: Connect, subject: str = SUBJECT) -> Erasure:
    return acting("gov").erase(subject, reason="request 2026-17")


def test_a_subject_is_in_no_file_any_more(after: After):
    assert len(after.held) >= 2 * len(FORMATS)
    assert holding(after.home, SECRET) == []
    assert after.done.state is State.DONE
    assert {one.dataset: (one.erased, one.before, one.after) for one in after.done.erased} == {
        **{str(ref): ((2, 3), 3, 4) for ref in TRIPS.values()},
        str(PAY): ((1,), 1, 2),
    }
    assert {one.rows for one in after.done.erased} == {2}
    assert after.done.scope.unkeyed == (str(TOTALS),)


def test_what_was_foreseen_is_what_was_done(after: After):
    foreseen = {one.dataset: (one.erased, one.files, one.size_bytes) for one in after.foreseen}
    assert foreseen == {
        one.dataset: (one.erased, one.files, one.size_bytes) for one in after.done.erased
    }


@pytest.mark.parametrize("fmt", FORMATS)
def test_readers_get_all_other_rows(after: After, fmt: Format):
    ana, name, before = after.acting("ana"), str(TRIPS[fmt]), after.rows[fmt]
    left = before.filter(pc.not_equal(before["driver"], SECRET))
    order = [("driver", "ascending"), ("at", "ascending")]
    assert ana.read(name).sort_by(order).equals(left.sort_by(order))
    assert ana.read(f"{name}@1").num_rows == 10


def test_what_went_is_refused_with_the_certificate(after: After):
    for one in after.done.erased:
        for number in one.erased:
            with pytest.raises(Gone, match=rf"certificate {after.done.id}") as refused:
                after.acting("ana").read(f"{one.dataset}@{number}")
            assert (refused.value.status, refused.value.code) == (410, "gone")


def test_nothing_that_was_measured_of_what_went_stays(after: After):
    name, finder = TRIPS[Format.PARQUET], after.acting("gov").catalog.finder
    assert finder.evidence(name.at(1)).profile is not None
    assert finder.evidence(name.at(3)).profile is None
    now = finder.evidence(name.at(4)).profile
    assert now is not None
    assert now.row_count == 12


def test_the_catalog_and_the_lake_are_well_after_it(after: After):
    report = after.acting("gov").fsck()
    assert (report.findings, report.faults) == ((), ())


def test_the_trail_tells_what_went_and_of_whom_it_does_not(after: After):
    records = after.acting("gov").catalog.records
    went = records.audit_events(kind=EventKind.VERSION_ERASE)
    assert len(went) == sum(len(one.erased) for one in after.done.erased)
    (begun,) = records.audit_events(kind=EventKind.ERASURE_BEGIN)
    assert begun.detail["subject"] == f"driver=keyed:{after.done.sought[0]}"
    (ended,) = records.audit_events(kind=EventKind.ERASURE_FINISH)
    assert ended.detail["certificate"] == after.done.digest


def test_who_does_not_govern_erases_nobody(after: After):
    with pytest.raises(Denied):
        after.acting("ops").erase(SUBJECT, reason="x")
    with pytest.raises(Denied):
        after.acting("ops").foresee_erasure(SUBJECT)


@pytest.mark.parametrize(
    ("subject", "reason", "says"),
    [
        ("driver", "x", "a join key and its value"),
        (SUBJECT, "", "has a reason"),
        (SUBJECT, f"{SECRET} asked", "names the subject"),
        ("nothing=1", "x", "no dataset has a column 'nothing'"),
    ],
)
def test_what_cannot_be_is_refused(after: After, subject: str, reason: str, says: str):
    with pytest.raises(InvalidInput, match=says):
        after.acting("gov").erase(subject, reason=reason)


def test_again_there_is_nothing_to_erase(after: After):
    second = erased(after.acting)
    assert second.id != after.done.id
    assert [one for one in second.erased if one.erased] == []
    assert after.acting("gov").erase(resume=after.done.id) == after.done


def test_a_number_one_dataset_a_hold_and_one_of_which_nothing_is_left(tmp_path: Path):
    made(tmp_path, [Format.DELTA])
    with people(tmp_path) as acting:
        ops, gov, delta = acting("ops"), acting("gov"), TRIPS[Format.DELTA]
        ops.publish(str(delta), trips(0))
        ops.catalog.desk.rename(PAY, "fleet.wages", expected=None)
        ops.catalog.desk.attach(PAY, CONTRACT, expected=0)
        with pytest.warns(Quarantined, match=r"fleet\.wages@2 is quarantined"):
            (paid,) = gov.erase(SUBJECT, reason="x", datasets=["fleet.pay"]).erased
        assert (paid.dataset, paid.erased, paid.after) == ("fleet.wages", (1,), 2)
        assert len(holding(tmp_path / "lake", SECRET)) >= 3
        (went,) = gov.erase(f"license={NUMBER}", reason="x").erased
        assert (went.erased, went.before, went.after) == ((2, 3, 4), 4, None)
        assert acting("ana").read(str(delta)).num_rows == 10  # readers get the first again
        assert holding(tmp_path, NUMBER, SECRET) == []
        held = Retention(hold="case 7")
        ops.catalog.desk.retention(delta, held, expected=None, dry_run=False)
        with pytest.raises(Conflict, match=r"fleet\.trips_delta is on hold: case 7"):
            erased(acting)
