import re
from itertools import combinations, product

import pytest

from provender.catalog.queries import at_least

NAMES = "abcde"


@pytest.mark.parametrize(
    ("number", "of"), [(n, of) for of in range(1, len(NAMES) + 1) for n in range(1, of + 1)]
)
def test_so_many_parts_hold_whichever_they_are(number: int, of: int):
    parts = list(NAMES[:of])
    written = at_least(number, parts, " and ", " or ")
    for held in product((False, True), repeat=of):
        assert eval(written, dict(zip(parts, held, strict=True))) is (sum(held) >= number)


def test_no_part_is_said_as_often_as_there_are_choices():
    written = at_least(3, list(NAMES), " and ", " or ")
    choices = 3 * len(list(combinations(NAMES, 3)))
    assert len(re.findall(r"\b[a-e]\b", written)) <= choices * 2 / 3
