"""T30: the sealed queries are answered well among thousands of near misses, alike on both databases.

Padded to 2,000 assets; to 50,000 with STRESS=10. What is measured is never tuned on.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from provender.catalog.local import LocalCatalog
from provender.core.finding import Question
from provender.core.words import words
from tests.catalog import goldencatalog
from tests.golden.corpus import Asset, load_assets
from tests.golden.queries import load_queries
from tests.golden.scorer import Report, evaluate
from tests.golden.typos import with_one_typo
from tests.postgres import database
from tests.stress import times

ASSETS = 2_000 if times(1) == 1 else 50_000
SLIPS = 100
RANDOM = 60
SHOWN = 10


@pytest.fixture(scope="module")
def sqlite_golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("golden") / "catalog.db"
    goldencatalog.fill(f"sqlite:///{path}", padded=ASSETS - len(load_assets()))
    return path


@pytest.fixture(scope="module")
def ours(sqlite_golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCatalog]:
    copy = shutil.copy(sqlite_golden, tmp_path_factory.mktemp("copy") / "catalog.db")
    with LocalCatalog(f"sqlite:///{copy}", actor="person:ana", clock=at_noon) as catalog:
        yield catalog


@pytest.fixture(scope="module")
def theirs(postgres: str) -> Iterator[LocalCatalog]:
    with ExitStack() as opened:
        url = opened.enter_context(database(postgres))
        goldencatalog.fill(url, padded=ASSETS - len(load_assets()))
        yield opened.enter_context(LocalCatalog(url, actor="person:ana", clock=at_noon))


def at_noon():
    return goldencatalog.NOW


def measured(catalog: LocalCatalog) -> Report:
    return evaluate(load_queries(), lambda text: goldencatalog.asked(catalog, text))


def test_sealed_queries_find_what_they_should(ours: LocalCatalog):
    report = measured(ours)
    assert report.total.mrr >= 0.9, report
    assert report.exact_first == 1, report
    assert report.nothing_found == 1, report


def test_a_slip_of_the_finger_hides_nothing(ours: LocalCatalog):
    slipped = with_one_typo(load_queries(), spelt(load_assets()), count=times(SLIPS))
    report = evaluate(slipped, lambda text: goldencatalog.asked(ours, text))
    assert report.total.recall_at_5 >= 0.95, report


def test_both_databases_answer_alike(ours: LocalCatalog, theirs: LocalCatalog):
    for question in questions(load_assets()):
        one, other = (catalog.finder.search(question, limit=SHOWN) for catalog in (ours, theirs))
        assert one == other, question
        assert ours.finder.facets(question) == theirs.finder.facets(question), question


def questions(assets: list[Asset]) -> Iterator[Question]:
    """Sealed ones, each once; then words at random, narrowed or half typed now and then."""
    for query in load_queries()[:: 200 // min(200, times(40))]:
        yield Question(text=query.text, explain=True)
    random = Random(3)
    known = sorted(spelt(assets))
    for _ in range(times(RANDOM)):
        text = " ".join(random.choices(known, k=random.randint(1, 4)))
        filters = {"state": ("published", "draft")} if random.random() < 0.2 else {}
        if random.random() < 0.2:
            filters |= {"domain": (random.choice(assets).domain,)}
        is_typing = random.random() < 0.3
        cut = random.randint(1, 3) if is_typing else 0
        yield Question(
            text=text[: len(text) - cut], filters=filters, explain=True, typing=is_typing
        )


def spelt(assets: list[Asset]) -> set[str]:
    """Every word of the assets."""
    found: set[str] = set()
    for asset in assets:
        columns = (said for column in asset.columns for said in (column.name, column.description))
        terms = (said for term in asset.terms for said in (term.name, *term.synonyms))
        owners = (*asset.owners.values(), *asset.people)
        own = (asset.name, asset.description, asset.documentation, *asset.all_tags)
        for said in (*own, *columns, *terms, *owners):
            found.update(words(said))
    return found
