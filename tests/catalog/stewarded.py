"""The small catalog with a taxonomy of values and assigners, and a glossary."""

from dataclasses import replace

from provender.core.glossary import Term
from provender.core.governance import Governance
from provender.core.tags import Tag
from tests.catalog.world import FLIGHTS, GOVERNANCE, declared, governing

TAGS = (
    *GOVERNANCE.tags,
    Tag(name="quality", values=("good", "bad"), description="What was found."),
    Tag(name="legal.hold", on=("dataset",), assigners=("person:max",)),
)
TERMS = (
    Term(name="delay", definition="Minutes after plan.", synonyms=("lateness",)),
    Term(name="tail number", definition="What is painted on an aircraft.", owner="team:ops"),
)
STEWARDED: Governance = replace(
    governing(replace(declared(FLIGHTS), deputies=("person:max",))), tags=TAGS, terms=TERMS
)
