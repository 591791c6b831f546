"""How long a yes in process counts: `core.leases.Footing`."""

from datetime import timedelta

import pytest

from provender.core.leases import Footing

ASKED = Footing(state="s2", told="s1", asked=100.0)


@pytest.mark.parametrize(
    ("told", "ticks", "holds"),
    [
        ("s2", 100.0, True),
        ("s2", 1e9, True),  # the word is young, whenever the catalog was asked
        ("s1", 100.899, True),  # who carries the word is behind
        ("s1", 100.9, False),
        ("s3", 100.0, False),
        ("", 100.0, False),
    ],
)
def test_a_yes_counts_by_the_word_or_for_as_long_as_a_lease(
    told: str, ticks: float, *, holds: bool
) -> None:
    assert ASKED.holds(told, ticks) is holds


def test_where_nobody_carries_a_word_it_counts_for_as_long_as_it_lasts() -> None:
    alone = Footing(state="s2", told="", asked=100.0, lasts=timedelta(seconds=60))
    assert alone.holds("", 159.9)
    assert not alone.holds("", 160.0)
    assert not alone.holds("s3", 100.0)
