import re
from fnmatch import fnmatchcase

from hypothesis import given, settings
from hypothesis import strategies as st

from provender.catalog.patterns import name_pattern

PATTERNS = st.text(alphabet="ab._*?[]!-^\\", max_size=8)
NAMES = st.text(alphabet="ab_.", min_size=1, max_size=6)


@given(pattern=PATTERNS, name=NAMES)
@settings(max_examples=500, deadline=None)
def test_a_pattern_means_the_same_in_sql_as_in_the_core(pattern: str, name: str):
    translated = name_pattern(pattern)
    assert bool(re.search(translated, name)) == fnmatchcase(name, pattern)
