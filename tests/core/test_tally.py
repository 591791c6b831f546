"""How much of lookups is told at once: split where they are told, refused where there is more."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from provender.core.bounds import COLUMNS, DATASETS, MANY
from provender.core.errors import InvalidInput
from provender.core.tally import WRITTEN, Matter, Tally, check, portions
from tests.core.repo import NOW
from tests.tallies import batch, tally

ONE = tally(
    Matter(actor="", purpose="report", project="shop"), NOW, lookups=2, entities=3, last="a.2"
)


def of(names: Iterable[str], views: Iterable[str] = (), *, columns: int = 1) -> Tally:
    """A tally of datasets with so many columns, by some views."""
    told = {name: {f"c{n}": "grant g1 of steward" for n in range(columns)} for name in names}
    tags = {name: {"c0": ("personal",)} for name in told}
    return replace(
        ONE,
        matter=replace(ONE.matter, reasons=told, tags=tags, views=dict.fromkeys(views, 1)),
    )


def datasets(number: int, of: str = "d") -> list[str]:
    return [f"shop.{of}{n}" for n in range(number)]


TOO_MUCH = {
    "datasets": [of(datasets(DATASETS)), of(["shop.other"])],
    "parts": [of(datasets(DATASETS))] * (MANY // DATASETS + 1),
    "views": [of(datasets(100), (f"v{n}" + "x" * 900 for n in range(400)))],
    "columns": [of([name], columns=2000) for name in datasets(10)],
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_more_than_is_written_down_at_once_is_refused_and_told_in_portions_that_are_not(
    what: str,
) -> None:
    tallies = TOO_MUCH[what]
    with pytest.raises(InvalidInput, match="tells more than is written down at once"):
        check(batch(*tallies))
    told = list(portions(tallies))
    assert len(told) > 1
    for portion in told:
        check(batch(*portion))
    assert parts(one for portion in told for one in portion) == parts(tallies)


def parts(tallies: Iterable[Tally]) -> Counter[str]:
    """All that becomes events, and how often."""
    return Counter(f"{name} {one.detail(name)}" for one in tallies for name in one.matter.reasons)


def test_of_one_dataset_all_is_told_however_long_it_is() -> None:
    wide = of(["shop.wide"], (f"v{n}" for n in range(MANY)), columns=COLUMNS)
    small = of(["shop.small"])
    assert list(portions([small, wide, small])) == [(small,), (wide,), (small,)]
    check(batch(wide))
    with pytest.raises(InvalidInput, match="is of more than 20000 columns of a dataset"):
        check(batch(of(["shop.wide"], columns=COLUMNS + 1)))


def test_what_is_not_too_much_stays_together_as_it_is() -> None:
    tallies = [of(datasets(DATASETS))] * (MANY // DATASETS)
    [told] = portions(tallies)
    assert all(one is other for one, other in zip(told, tallies, strict=True))
    check(batch(*told))
    assert not list(portions([]))
    assert sum(len(str(one.detail(name))) for one in told for name in one.matter.reasons) < WRITTEN
