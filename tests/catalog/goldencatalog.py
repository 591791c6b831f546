"""The golden assets, and padding, as a catalog: what the sealed queries are asked of."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cache

from benchmarks.catalog_data import NOW, Made, load
from provender.catalog.db import open_database
from provender.catalog.findable import Known, Standing
from provender.catalog.local import LocalCatalog
from provender.core.datasets import Dataset, Format
from provender.core.documents import Document, Field
from provender.core.finding import Hit, Question
from provender.core.glossary import Term
from provender.core.governance import Domain, Governance
from provender.core.lineage import Node, NodeKind
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from tests.golden.corpus import Asset, load_assets
from tests.golden.generator import padding

OPEN = Governance(
    domains=(Domain(name="all"),),
    people=(Person(id="person:gov"),),
    rules=(
        Rule(id="govern", actors=("person:gov",), actions=(Action.GOVERN,)),
        Rule(id="known", actors=("anyone",), actions=(Action.DISCOVER,)),
    ),
)
"""Everybody may discover everything."""


@cache
def padded_with(count: int) -> tuple[Asset, ...]:
    """The padding, which takes longer to make up than to write down."""
    return tuple(padding(count))


def fill(url: str, *, padded: int) -> None:
    """Write the golden assets and so many others into an empty catalog."""
    golden = load_assets()
    assets = [*golden, *padded_with(padded)]
    terms = {
        term.name: Term(name=term.name, definition=term.definition, synonyms=term.synonyms)
        for asset in golden
        for term in asset.terms
    }
    people = {i: name for a in golden for i, name in _people(a)}
    with LocalCatalog(url, actor="person:gov", clock=lambda: NOW) as catalog:
        catalog.desk.apply(OPEN)
    engine = open_database(url)
    try:
        load(
            engine,
            map(made, (a for a in assets if a.kind == "dataset")),
            others=defined((a for a in assets if a.kind != "dataset"), people),
            known=Known(terms, people),
        )
    finally:
        engine.dispose()


def made(asset: Asset) -> Made:
    """Return a golden dataset as one to load."""
    owners = asset.owners
    dataset = Dataset(
        ref=DatasetRef.parse(asset.name),
        description=asset.description,
        owner=owners["accountable"],
        stewards=(owners["steward"],) if "steward" in owners else (),
        deputies=(owners["deputy"],) if "deputy" in owners else (),
        format=Format(asset.format),
        tags=asset.tags,
        column_tags={c.name: c.tags for c in asset.columns if c.tags},
        column_descriptions={c.name: c.description for c in asset.columns},
        terms=tuple(term.name for term in asset.terms),
        documentation=asset.documentation,
        fresh_within=None if asset.state == "draft" else timedelta(days=1),
    )
    return Made(
        dataset=dataset,
        columns=tuple(column.name for column in asset.columns),
        standing=Standing(state=asset.state),
    )


def defined(assets: Iterable[Asset], people: dict[str, str]) -> Iterator[Document]:
    """Return golden views and services as documents, with what no definition says of them yet."""
    for asset in assets:
        project, _, name = asset.name.partition("/")
        labels = [word for term in asset.terms for word in (term.name, *term.synonyms)]
        owners = list(asset.owners.values())
        yield Document(
            kind=asset.kind.replace("_", "-"),
            name=name,
            node=Node(NodeKind(asset.kind.replace("_", "-")), asset.name),
            project=project,
            owner=owners[0],
            tags=asset.tags,
            fields=tuple(Field(column.name, column.description) for column in asset.columns),
            labels=(*asset.all_tags, *labels),
            description=asset.description,
            documentation=asset.documentation,
            owners=(*owners, *asset.people),
            around=(asset.domain,),
        )


def named(hit: Hit) -> str:
    """Return what the golden set calls a hit."""
    return f"{hit.project}/{hit.name}" if hit.project else hit.name


def asked(catalog: LocalCatalog, text: str, *, limit: int = 10) -> list[str]:
    """Return the names that ``text`` finds."""
    return [named(hit) for hit in catalog.finder.search(Question(text=text), limit=limit).hits]


def _people(asset: Asset) -> list[tuple[str, str]]:
    persons = [who for who in asset.owners.values() if who.startswith("person:")]
    return list(zip(persons, asset.people, strict=False))
