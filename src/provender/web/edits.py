"""A steward's forms on a dataset: what is said of it, its name, and where its versions stand."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from provender.core.datasets import Dataset, Entry
from provender.core.digest import canonical
from provender.core.errors import InvalidInput, PreconditionFailed, Problems
from provender.core.lifecycle import Severity, Step
from provender.core.names import DatasetRef, unknown
from provender.core.policy import Action, ColumnRef
from provender.values import from_json
from provender.web import drafts
from provender.web.columns import Portion, portion
from provender.web.drafts import Clash, Draft
from provender.web.forms import Form
from provender.web.page import Elsewhere, Page, Visit, whole_number
from provender.web.versions import version_number
from provender.web.wording import dataset_address

CLOSE = 50
"""States of the past that are looked through for the one that a form was made of."""
HINTS = {"owners": ("owner", "stewards", "deputies"), "link": ("links",)}
"""Which fields the first word of a problem is about, where it is not the field's name."""


def form(visit: Visit) -> Page:
    """What is said of a dataset, to be changed."""
    entry = _entry(visit)
    asked = ColumnRef(entry.dataset.ref.dataset)
    visit.catalog.records.decide(Action.STEWARD, [asked]).require()
    part = _portion(visit, entry)
    names = [str(one["name"]) for one in part.columns]
    return _page(visit, entry, drafts.draft(entry.dataset, names), part=part)


def save(visit: Visit, sent: Form) -> Page | Elsewhere:
    """Change what is said; where others did so meanwhile, show both."""
    entry = _entry(visit)
    yours = _sent(sent)
    reason = sent.text("reason")
    try:
        visit.catalog.desk.edit(
            entry.dataset.ref,
            drafts.edit(entry.dataset, yours),
            expected=sent.revision,
            reason=reason,
        )
    except Problems as problems:
        return _page(visit, entry, yours, wrong=problems.problems, reason=reason, status=422)
    except PreconditionFailed as moved:
        now = _entry(visit)
        base = _base(visit, now, sent.text("changed_at"))
        theirs = drafts.draft(now.dataset, drafts.columns_of(yours))
        was = drafts.draft(base, drafts.columns_of(yours)) if base else theirs
        texts, clashes = drafts.merged(was, theirs, yours)
        return _page(
            visit, now, texts, clashes=clashes, moved=moved.message, reason=reason, status=412
        )
    return Elsewhere(dataset_address(entry.dataset.ref))


def rename(visit: Visit, sent: Form) -> Page | Elsewhere:
    """Give a dataset another name; the old one leads there."""
    entry = _entry(visit)
    renamed = visit.catalog.desk.rename(entry.dataset.ref, sent.text("to"), expected=sent.revision)
    return Elsewhere(dataset_address(renamed.dataset.ref))


def state(visit: Visit, sent: Form) -> Page | Elsewhere:
    """Take a version to another state."""
    number = version_number(visit.part("number"))
    ref = DatasetRef.parse(visit.part("name")).at(number)
    replacement = sent.text("replacement")
    visit.catalog.desk.step(
        ref,
        _one_of(Step, sent.text("step"), what="step"),
        reason=sent.text("reason"),
        severity=_one_of(Severity, sent.text("severity") or Severity.WARN, what="severity"),
        replacement=whole_number(replacement, what="replacement") if replacement else None,
        expected=sent.revision,
    )
    return Elsewhere(dataset_address(ref))


def _entry(visit: Visit) -> Entry:
    return visit.catalog.finder.entry(DatasetRef.parse(visit.part("name")).at(None))


def _portion(visit: Visit, entry: Entry) -> Portion:
    """Return the columns that the form is to have fields for."""
    latest = visit.catalog.resolve(entry.dataset.ref.at(entry.latest)) if entry.latest else None
    return portion(visit, entry.dataset, latest)


def _sent(sent: Form) -> dict[str, str]:
    """Return the fields that were sent.

    Raises:
        InvalidInput: it is not the form of a dataset.
    """
    missing = [field for field in drafts.FIELDS if field not in sent.fields]
    if missing:
        raise InvalidInput(
            f"the form lacks {', '.join(missing)}", hint="send it from the page that shows it"
        )
    of_columns = [f for f in sent.fields if f.startswith((drafts.DESCRIBES, drafts.TAGS))]
    return {field: sent.text(field) for field in (*drafts.FIELDS, *of_columns)}


def _base(visit: Visit, entry: Entry, changed_at: str) -> Dataset | None:
    """Return the dataset as the form had shown it; None where the catalog cannot tell."""
    try:
        shown_at = datetime.fromisoformat(changed_at)
    except ValueError:
        return None
    for state in visit.catalog.desk.history("dataset", entry.urn, limit=CLOSE).items:
        if state.since <= shown_at and state.value is not None:
            return from_json(Dataset, canonical(state.value))
    return None


def _page(
    visit: Visit,
    entry: Entry,
    texts: Draft,
    *,
    part: Portion | None = None,
    wrong: list[str] | None = None,
    clashes: list[Clash] | None = None,
    moved: str = "",
    reason: str = "",
    status: int = 200,
) -> Page:
    governance = visit.catalog.governance(datasets=False)
    return Page(
        template="edit.html",
        title=f"Edit {entry.dataset.ref}",
        facts={
            "dataset": entry.dataset.ref.dataset,
            "revision": entry.revision,
            "changed_at": entry.changed_at,
            "fields": dict(texts),
            "problems": wrong or [],
            "clashes": clashes or [],
        },
        shown={
            "ref": entry.dataset.ref,
            "moved": moved,
            "reason": reason,
            "titles": drafts.FIELDS,
            "wrong": _by_field(wrong or []),
            "columns": drafts.columns_of(texts),
            "part": part,
            "tags": [tag.name for tag in governance.tags],
            "terms": [term.name for term in governance.terms],
        },
        status=status,
    )


def _by_field(problems: list[str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in problems:
        first = problem.partition(":")[0].partition(" ")[0]
        for field in HINTS.get(first, (first,)):
            found.setdefault(field, []).append(problem)
    return found


def _one_of(kind: Any, text: str, *, what: str) -> Any:
    if text not in list(kind):
        raise unknown(what, text, list(kind))
    return kind(text)
