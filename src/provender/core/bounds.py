"""How much is taken at once: the limits of the catalog, each told in the reference of its API.

They are far beyond what people make, and near enough that nobody keeps others waiting with them.
"""

NESTED = 4
"""Lists and maps within one another: DuckDB's memory for one grows threefold with each more."""
LEVELS = 64
"""Levels of a type, structs among them, as of a Parquet file that is opened."""
SPINE_COLUMNS = 1_000
"""Columns of rows that somebody sends."""
SPINE_LISTS = 50
"""Lists and maps in the types of rows that somebody sends: each takes its time to be planned."""
