"""Jinja templates, with everything escaped and every unknown name an error."""

from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from provender.core.digest import digest_bytes, short
from provender.web import wording
from provender.web.drawing import KIND_WORDS
from provender.web.guard import twin_of
from provender.web.page import Page, Visit

FOLDER = Path(__file__).parent / "pages"
FILTERS = {
    "number": wording.number,
    "size": wording.size,
    "instant": wording.instant,
    "day": wording.day,
    "age": wording.age,
    "duration": wording.duration,
    "fingerprint": wording.fingerprint,
    "markdown": wording.markdown,
    "first_sentence": wording.first_sentence,
    "dataset_address": wording.dataset_address,
    "outside_link": wording.outside_link,
    "in_short": wording.in_short,
    "plural": wording.plural,
}


class Templates:
    """Renders pages; ``static`` is the folder whose files they refer to."""

    def __init__(self, static: Path) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(FILTERS)
        style = digest_bytes((static / "provender.css").read_bytes())
        self._environment.globals.update(
            style=f"/static/provender.css?{short(style)}",
            release=version("provender"),
            kind_words={kind.value: words for kind, words in KIND_WORDS.items()}
            | {"column": "column", "feature": "feature"},
        )

    def render(self, page: Page, visit: Visit) -> str:
        """Return the HTML of ``page`` as ``visit`` sees it."""
        url = visit.request.url
        return self._environment.get_template(page.template).render(
            {**page.facts, **page.shown},
            page_title=page.title,
            path=url.path,
            twin=twin_of(url.path, url.query),
            who=visit.catalog.actor,
            now=visit.now,
        )
