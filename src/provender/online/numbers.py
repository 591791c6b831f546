"""Which columns of which sheets stand where in a matrix of features. Compiled once for a plan."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from provender.core.errors import InvalidInput
from provender.core.names import unknown
from provender.online.decoder import NUMBERS
from provender.online.plan import LookupPlan, Output

Places = slice | list[int]
ASKED_KEPT = 64
"""So many lists of names are remembered: a model asks for one."""


@dataclass(frozen=True, slots=True)
class Run:
    """A column of a sheet, of some ``views``, and the ``places`` where those stand in the matrix."""

    sheet: int
    column: int
    views: Places
    places: Places


@dataclass(slots=True)
class Chosen:
    """What a matrix of so many columns is made of: stored runs, and computed outputs by place."""

    width: int
    runs: list[Run] = field(default_factory=list)
    computed: list[tuple[int, Output]] = field(default_factory=list)


class Numbers:
    """The outputs of a plan that are numbers or truth values; ``places`` as `folio.Folios` has them."""

    def __init__(self, plan: LookupPlan, places: Sequence[tuple[int, int]]) -> None:
        self._outputs = {output.name: output for output in plan.outputs}
        self._places = places
        self.names = tuple(output.name for output in plan.outputs if output.type in NUMBERS)
        self._kept: dict[tuple[str, ...], Chosen] = {}

    def chosen(self, names: Sequence[str] | None) -> Chosen:
        """Return what a matrix of these features is made of; None: of all that are numbers.

        Raises:
            InvalidInput: a name is none of a feature with numbers or truth values.
        """
        if isinstance(names, str):
            raise InvalidInput(f"names is {names!r}, and no list of names", hint=f"[{names!r}]")
        asked = self.names if names is None else tuple(names)
        if asked not in self._kept:
            if len(self._kept) >= ASKED_KEPT:
                self._kept.clear()
            self._kept[asked] = self._choose(asked)
        return self._kept[asked]

    def _choose(self, names: tuple[str, ...]) -> Chosen:
        chosen = Chosen(len(names))
        runs: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for place, name in enumerate(names):
            output = self._number(name)
            if output.source is None:
                chosen.computed.append((place, output))
                continue
            sheet, view = self._places[output.source.read]
            runs.setdefault((sheet, output.source.column), []).append((view, place))
        for (sheet, column), found in runs.items():
            views, places = ([pair[side] for pair in found] for side in (0, 1))
            chosen.runs.append(Run(sheet, column, _evenly(views), _evenly(places)))
        return chosen

    def _number(self, name: str) -> Output:
        output = self._outputs.get(name)
        if output is None:
            raise unknown("feature", name, self._outputs)
        if output.type not in NUMBERS:
            raise InvalidInput(
                f"feature {name} is {output.type}, and a matrix holds numbers",
                hint="take it from numpy() or dicts(), and encode it as the model wants it",
            )
        return output


def _evenly(places: list[int]) -> Places:
    """Return a slice where the places rise by the same step: it is not copied."""
    step = places[1] - places[0] if len(places) > 1 else 1
    even = slice(places[0], places[-1] + 1, step) if step > 0 else None
    return even if even and list(range(places[0], places[-1] + 1, step)) == places else places
