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

MANY = 1_000
"""Things in one list of a request."""
DATASETS = 200
"""Datasets that are decided about at once, and versions that are read at once: each is looked at."""
WORD = 200
"""Characters of a name."""
LONG = 10_000
"""Characters of a text."""
COLUMNS = 20_000
"""Columns of a dataset, as of a Parquet file that is opened."""
CHECKS = 10_000
"""Checks of a version that its publisher made: each is written down while others wait."""
DEFINITIONS = 1_000
"""Entities, views, services and saved datasets of one project: each is written down while others wait."""
FEATURES = 20_000
"""Features of all views of one project together."""
HUGE = 200_000
"""Things in one list of a manifest, of definitions, or of all of the governance."""
VAST = 1 << 20
"""Characters of a text in these."""
BODY = 1 << 20
"""Bytes of a request's body."""
LARGE_BODY = 16 << 20
"""Bytes of one with a manifest of some hundred thousand files, definitions or the governance."""
ASIDE = 64 << 10
"""Bytes of a body above which others are not kept waiting while it is read."""
VALUES = 500_000
"""Values in one body: what is wrong with each takes half a kilobyte until it is told."""
BODY_SECONDS, STILL_SECONDS = 60.0, 10.0
"""How long a body may take to come, and how long nothing of it may: it has its actor's turn."""
OPEN = 100
"""Requests for access of one person that nobody answered yet: stewards look at each."""
TOKENS = 100
"""Tokens of one actor in force: servers are told of each what it may be served."""
PATTERNS = 50
"""Patterns of datasets that one token is for."""
LOOKS_AT_ONCE = 8
"""Questions of one actor: each may have to be written down as refused."""
AT_ONCE = 2
"""Changes of one actor: one is at work while what the other sent is read."""
PROBLEMS = 20
"""Faults of a request that are told; of more, how many there are."""
COUNTED = 1_000
"""Faults above which none is told one by one: each takes its time to be put into words."""
