"""T18: texts of anybody's that come near DuckDB open no file, run no statement and change nothing.

Files that DuckDB opens are none of Python's, so its own lock tells of them: a session without access to
anything outside raises where one is tried. Python's opens are counted by an audit hook.
"""

import sys
from contextlib import contextmanager
from dataclasses import replace

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provender.core.effects import Mask
from provender.core.errors import InvalidInput, NotFound, ProvenderError
from provender.core.filters import Filter
from provender.core.filtertext import Compare, write
from provender.offline.answer import Answer
from provender.offline.duck import DuckEngine
from provender.offline.scan import scan
from provender.offline.shield import kept, masked_answer
from provender.offline.spine import Spine
from provender.tables.arrow import schema_of
from tests.offline.configurations import NOW
from tests.offline.questions import at, join, together
from tests.offline.shielding import cards, permit
from tests.oracle import shield as oracle
from tests.stress import times

PAYLOADS = (
    "' OR '1'='1", "' OR 1=1 --", "'; DROP TABLE secrets; --", "\"; DROP TABLE secrets; --",
    "x'; COPY secrets TO '/tmp/out.csv'; --", "'||(SELECT content FROM read_text('/etc/passwd'))||'",
    "read_csv('/etc/passwd')", "(SELECT * FROM read_csv('/etc/passwd'))", "s = (SELECT max(secret) FROM secrets)",
    "s in (SELECT secret FROM secrets)", "exists(SELECT 1 FROM secrets)", "1=1", "true", "s = s", "1 = 1 or s = 'a'",
    "s = 'a' UNION SELECT secret FROM secrets", "s = 'a'; ATTACH '/tmp/other.db'", "s = 'a' /* */ or true",
    "s = 'a' -- or", "s = 'a'#", "s = E'\\x41'", "s = U&'\\0041'", "s = $$a$$", "s = $1", "s = ?", "s = :name",
    "getenv('HOME') = 'x'", "s = getenv('HOME')", "s = current_setting('home_directory')", "s ilike '%'", "s like '%'",
    "s ~ '.*'", "s similar to '.*'", "glob('/etc/*') is not null", "s = version()", "s = pg_read_file('/etc/passwd')",
    "COPY secrets TO '/tmp/out.csv'", "INSTALL httpfs", "LOAD httpfs", "PRAGMA database_list", "SET threads=1",
    "EXPORT DATABASE '/tmp/out'", "CALL pragma_version()", "s = 'a' LIMIT 0", "s::blob = 'a'", "CAST(s AS BLOB) = 'a'",
    "[x for x in s] is null", "{'a': s} is null", "s.a.b = 'a'", "main.secrets.secret = 'a'", "\"secrets\".\"secret\" = 'a'",
    "s = 'a' and (", "((((((((((s = 'a'", ")) or ((", "s\0 = 'a'", "s = 'a\0'", "s = '\ud7ff'", "\u202es = 'a'",
    "s = ’a’", "ｓ = 'a'", "s = 'a'; SELECT 1", "s = ''''' or ''1''=''1'",
)  # fmt: skip
ROWS = pa.table({"s": ["a", "b", None, *PAYLOADS], "n": [1, 2, 3, *range(len(PAYLOADS))]})
WORDS = (
    "s", "n", "secrets", "secret", "=", "!=", "<", "in", "is", "not", "null", "and", "or", "(", ")", ",", "'a'",
    "1", "1.5", "true", "date '2020-01-01'", "--", ";", "SELECT", "FROM", "read_csv('x')", "COPY", '"s"', "actor.x",
)  # fmt: skip
LEAVES = (
    "s = 'a'",
    "n in (1, 2)",
    "not s is null",
    "(n < 3)",
    "s >= 'it''s'",
    "n != 2",
    "s not in ('b')",
)
PARTS = st.sampled_from(LEAVES) | st.sampled_from(PAYLOADS).map(
    lambda text: write(Compare("s", "<=", text))
)
TEXTS = (
    st.text(max_size=40)
    | st.lists(st.sampled_from(WORDS + PAYLOADS), max_size=9).map(" ".join)
    | st.lists(PARTS, min_size=1, max_size=4).map(" and ".join)
    | st.tuples(PARTS, st.sampled_from(WORDS + PAYLOADS), PARTS).map(" ".join)
)
OPENED: list[str] = []
WATCHED = [False]


def _hook(event, arguments):
    if WATCHED[0] and event in ("open", "os.listdir", "subprocess.Popen", "socket.connect"):
        OPENED.append(f"{event} {arguments[0]}")


@pytest.fixture(scope="module", autouse=True)
def hook():
    sys.addaudithook(_hook)  # there is no way to take it off; it does nothing unless WATCHED
    yield
    WATCHED[0] = False


@contextmanager
def watched():
    """Count what Python opens meanwhile."""
    OPENED.clear()
    WATCHED[0] = True
    try:
        yield OPENED
    finally:
        WATCHED[0] = False


@pytest.fixture(scope="module")
def session():
    """A session with a secret in it, which can open nothing and be set to nothing else."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE secrets AS SELECT 'canary' AS secret")
        connection.register("given", ROWS)
        connection.execute("CREATE TABLE given_rows AS SELECT * FROM given")
        connection.execute("SET python_enable_replacements=false; SET enable_external_access=false")
        connection.execute("SET lock_configuration=true")
        yield connection


def state(session):
    """What a statement other than SELECT would change."""
    tables = session.execute(
        "SELECT table_name, estimated_size FROM duckdb_tables() ORDER BY 1"
    ).fetchall()
    views = session.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    databases = session.execute(
        "SELECT database_name FROM duckdb_databases() ORDER BY 1"
    ).fetchall()
    secret = session.execute("SELECT secret FROM secrets").fetchall()
    return tables, views, databases, secret


def filtered(session, text):
    """The rows that a filter leaves, or None where the text is no filter of these rows."""
    try:
        rows = Filter(text)
    except InvalidInput:
        return None
    if rows.attributes or rows.problems(schema_of(ROWS.schema)):
        return None
    found = kept(session.table("given_rows"), rows).to_arrow_table()
    assert found.to_pylist() == oracle.kept(ROWS, rows).to_pylist()
    return found


def test_no_text_is_more_than_a_filter(session):
    before = state(session)

    filters = []

    @settings(max_examples=times(1_000), deadline=None, suppress_health_check=list(HealthCheck))
    @given(TEXTS)
    def asks(text):
        with watched() as opened:
            found = filtered(session, text)
        assert opened == []
        filters.append(found is not None)

    filtered(session, "s = 'a'")  # what is imported first is
    asks()
    assert len(filters) >= times(1_000)
    assert 10 < sum(filters) < len(filters)
    assert state(session) == before


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_is_refused_or_only_a_value(session, payload):
    before = state(session)
    with watched() as opened:
        told = filtered(session, payload)
        as_value = kept(session.table("given_rows"), Filter(write(Compare("s", "=", payload))))
        assert as_value.to_arrow_table().column("s").to_pylist() == [payload]
        column = pa.table({"s": ["a"]})
        constant = masked_answer(
            Answer(column.schema, iter(column.to_batches())),
            {"s": Mask.parse(f"constant({payload})")}, lambda: b"",
        ).table()  # fmt: skip
        assert constant.column("s").to_pylist() == [payload]
    assert opened == []
    assert told is None or "canary" not in str(told.to_pylist())
    assert state(session) == before


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_for_a_name_names_nothing(tmp_path, payload):
    engine, table = DuckEngine(tmp_path), cards(tmp_path)
    whole = permit()
    whole = replace(whole, columns=whole.columns | table.columns([payload]))
    with pytest.raises((NotFound, InvalidInput)):
        engine.read(table, [payload], whole, now=NOW)
    with pytest.raises(ProvenderError):
        scan(engine, table, [payload], whole, now=NOW)


def test_payloads_for_names_that_are_there_are_names(tmp_path):
    names = [name for name in PAYLOADS if "\0" not in name][:12]
    spine = pa.table({"t": pa.array([at(5)]), "p": ["a"], **{name: [name] for name in names}})
    asked = together(
        *(
            replace(join(cards(tmp_path), "x", view=name), features=(("x", f"{name} x"),))
            for name in names
        )
    )
    found = DuckEngine(tmp_path).run(asked, Spine(spine), permit(), now=NOW).table()
    assert found.select(names).to_pylist() == [{name: name for name in names}]
    assert {found.column(f"{name} x").to_pylist()[0] for name in names} == {"three"}
