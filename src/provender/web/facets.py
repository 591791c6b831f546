"""Facets beside a list: how much there is of each value, and the address that narrows to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from provender.core.finding import FacetValue
from provender.web.page import Visit

TITLES = {
    "type": "Type",
    "domain": "Domain",
    "tag": "Tag",
    "owner": "Owner",
    "project": "Project",
    "freshness": "Freshness",
    "state": "State",
    "format": "Format",
}
"""The facets that pages know, in their order."""
SHOWN = 6
"""Values that are shown at once; the others fold out."""
MOST = 48
"""Values that are shown in all; of more it is said how many there are."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A value: how many have it, whether it is chosen, and where a click leads."""

    value: str
    count: int | None
    approximate: bool
    chosen: bool
    address: str


@dataclass(frozen=True, slots=True)
class Facet:
    """One facet with its values, the chosen ones first."""

    name: str
    title: str
    choices: tuple[Choice, ...]
    beyond: int = 0

    @property
    def first(self) -> tuple[Choice, ...]:
        """The values that are always shown."""
        return self.choices[: max(SHOWN, sum(choice.chosen for choice in self.choices))]

    @property
    def rest(self) -> tuple[Choice, ...]:
        """The values behind a fold."""
        return self.choices[len(self.first) :]


def filters(visit: Visit, *, among: Iterable[str] = TITLES) -> dict[str, tuple[str, ...]]:
    """Return the values that the address asks for, by facet."""
    asked = {name: visit.every(name) for name in among}
    return {name: values for name, values in asked.items() if values}


def facets(
    path: str,
    counted: Mapping[str, Sequence[FacetValue]],
    chosen: Mapping[str, tuple[str, ...]],
    *,
    kept: Mapping[str, str],
) -> list[Facet]:
    """Return the facets of a list at ``path``; ``kept`` are parameters that are not of facets."""
    found = []
    for name, title in TITLES.items():
        mine = chosen.get(name, ())
        counts = {value.value: value for value in counted.get(name, ())}
        values = [*mine, *(value for value in counts if value not in mine)]
        if not mine and len(values) < 2:
            continue
        found.append(
            Facet(
                name,
                title,
                tuple(
                    Choice(
                        value=value,
                        count=counts[value].documents if value in counts else None,
                        approximate=value in counts and counts[value].approximate,
                        chosen=value in mine,
                        address=narrowed(path, kept, chosen, name, value),
                    )
                    for value in values[: len(mine) + MOST]
                ),
                beyond=max(0, len(values) - len(mine) - MOST),
            )
        )
    return found


def narrowed(
    path: str,
    kept: Mapping[str, str],
    chosen: Mapping[str, tuple[str, ...]],
    name: str,
    value: str,
) -> str:
    """Return the address with ``value`` chosen too, or not any more if it is."""
    mine = chosen.get(name, ())
    others = tuple(one for one in mine if one != value) if value in mine else (*mine, value)
    return address(path, kept, {**chosen, name: others})


def address(
    path: str, kept: Mapping[str, str], chosen: Mapping[str, tuple[str, ...]], **more: str
) -> str:
    """Return ``path`` with its parameters in an order of their own, so that equal is equal."""
    pairs = [(name, value) for name, value in {**kept, **more}.items() if value]
    pairs += [(name, value) for name in TITLES for value in chosen.get(name, ())]
    return f"{path}?{urlencode(pairs)}" if pairs else path
