"""Names: parsed once at the edge, typed inside. ``aviation.flights@2``, ``weather:temp``."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from unicodedata import normalize

from provender.core.errors import InvalidInput, NotFound

PART = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
NEAR = 0.5
"""From this likeness on, of 1, a name is taken to be meant."""
NO_DATASETS = (
    "there are none yet that you may discover: declare them (provender governance apply), "
    "or name the catalog that you mean by PROVENDER_HOME or PROVENDER_CATALOG_URL"
)
"""What to say of a dataset to whoever sees none: most often they are in another folder."""
DATASET_REF = re.compile(r"(?P<domain>[^.@]+)\.(?P<name>[^.@]+)(?:@(?P<version>[^@]+))?\Z")
VERSION = re.compile(r"0*[1-9][0-9]{0,8}\Z")


@dataclass(frozen=True, slots=True, order=True)
class DatasetRef:
    """A dataset in its domain, and perhaps one version of it (counted from 1)."""

    domain: str
    name: str
    version: int | None = None

    @classmethod
    def parse(cls, text: str) -> "DatasetRef":
        """Return the reference written as ``domain.name`` or ``domain.name@version``.

        Raises:
            InvalidInput: ``text`` is not of that form.
        """
        match = DATASET_REF.match(text)
        if not match:
            raise InvalidInput(
                f"{text!r} is not a dataset name",
                hint="write domain.name or domain.name@version, for example aviation.flights@2",
            )
        version = match["version"]
        if version is not None and not VERSION.match(version):
            raise InvalidInput(
                f"{text!r} asks for version {version!r}; versions are whole numbers from 1",
                hint=f"for example {match['domain']}.{match['name']}@1",
            )
        for part in (match["domain"], match["name"]):
            check_name(part, what="dataset name part")
        return cls(match["domain"], match["name"], int(version) if version else None)

    @property
    def dataset(self) -> str:
        """The name without a version: ``domain.name``."""
        return f"{self.domain}.{self.name}"

    def at(self, version: int | None) -> "DatasetRef":
        """Return the same dataset at ``version``."""
        return replace(self, version=version)

    def __str__(self) -> str:
        return self.dataset if self.version is None else f"{self.dataset}@{self.version}"


@dataclass(frozen=True, slots=True, order=True)
class FeatureRef:
    """One feature of one feature view: ``view:feature``, as Feast writes it."""

    view: str
    feature: str

    @classmethod
    def parse(cls, text: str) -> "FeatureRef":
        """Return the reference written as ``view:feature``.

        Raises:
            InvalidInput: ``text`` is not of that form.
        """
        view, colon, feature = text.partition(":")
        if not (view and colon and feature) or ":" in feature:
            raise InvalidInput(
                f"{text!r} is not a feature name",
                hint="write view:feature, for example weather:temp",
            )
        return cls(view, feature)

    def __str__(self) -> str:
        return f"{self.view}:{self.feature}"


def is_dataset_name(text: str) -> bool:
    """Return whether a dataset may be called ``text``."""
    domain, _, name = text.partition(".")
    return bool(PART.match(domain) and PART.match(name))


def check_name(name: str, *, what: str) -> str:
    """Return ``name`` if it is a lower-case identifier of at most 63 characters.

    Raises:
        InvalidInput: it is not.
    """
    if not PART.match(name):
        raise InvalidInput(
            f"{name!r} is not a {what}",
            hint="start with a letter, then lower-case letters, digits and _; at most 63 characters",
        )
    return name


def check_project(name: str) -> str:
    """Return ``name`` if a project may be called so: what is read is what it is.

    Raises:
        InvalidInput: it has spaces at an end, letters that are not seen or are written in another
            way (not NFC), a slash, or a dot at its beginning.
    """
    seen = name.isprintable() and name == normalize("NFC", name)
    if not seen or not name or name != name.strip() or name.startswith(".") or "/" in name:
        raise InvalidInput(
            f"{name!r} is not a name for a project",
            hint="leave out spaces at its ends, what cannot be seen, slashes and a dot at its beginning",
        )
    return name


def is_legible(text: str) -> bool:
    """Return whether every database keeps ``text``: it has no NUL, nor half of a character."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def suggest(name: str, available: Iterable[str]) -> str:
    """Return the hint for an unknown ``name``: a near one, or the first of those there are."""
    known = sorted(set(available))
    if not known:
        return "there are none yet"
    near = _nearest(name, known)
    if near:
        return f"did you mean {near}?"
    more = ", …" if len(known) > 8 else ""
    return f"there are: {', '.join(known[:8])}{more}"


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return what `difflib.get_close_matches` finds first that is near, by less: empty if nothing is.

    What cannot be nearer than what was found is not compared letter by letter.
    """
    matcher = SequenceMatcher()
    matcher.set_seq2(name)
    possible: list[tuple[float, str]] = []
    for one in known:
        matcher.set_seq1(one)
        if matcher.real_quick_ratio() >= NEAR and (most := matcher.quick_ratio()) >= NEAR:
            possible.append((most, one))
    best = (NEAR, "")
    for most, one in sorted(possible, reverse=True):
        if most < best[0]:
            break
        matcher.set_seq1(one)
        found = (matcher.ratio(), one)
        if found > best and _is_near(name, one):
            best = found
    return best[1]


def _is_near(name: str, other: str) -> bool:
    """Return whether names are alike in what is not the same: a domain makes no names near."""
    begins = 0
    for at, (letter, against) in enumerate(zip(name, other, strict=False), 1):
        if letter != against:
            break
        begins = at if letter in ".:/" else begins
    return SequenceMatcher(None, other[begins:], name[begins:]).ratio() >= NEAR


def unknown(what: str, name: str, available: Iterable[str], *, none: str = "") -> NotFound:
    """Return the error for a ``name`` that is none of ``available``; ``none`` says what if there are none."""
    known = tuple(available)
    hint = suggest(name, known) if known else none or suggest(name, known)
    return NotFound(f"{what} {name!r} not found", hint=hint, what=what)
