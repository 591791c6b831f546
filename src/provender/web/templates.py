"""Jinja templates, with everything escaped and every unknown name an error."""

import re
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from provender.core.differences import told_mean
from provender.core.digest import digest_bytes, short
from provender.core.wording import brief, rounded, told
from provender.web import wording
from provender.web.drawing import KIND_WORDS
from provender.web.forms import CSRF
from provender.web.guard import twin_of
from provender.web.page import Page, Visit

FORMS = re.compile(r'<form method="post"[^<>]*>')
"""Every form that changes something; what people wrote is escaped, and so never one."""
FOLDER = Path(__file__).parent / "pages"
PART_WORDS = {"column": "column", "feature": "feature"}
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
    "pair": lambda value, name: (name, value),
    "many": wording.many,
    "told_mean": told_mean,
    "told": told,
    "rounded": rounded,
    "brief": brief,
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
        self._environment.globals.update(
            static={path.name: _address(path) for path in static.iterdir()},
            provender=version("provender"),
            kind_words={kind.value: words for kind, words in KIND_WORDS.items()} | PART_WORDS,
            state_looks=wording.STATE_LOOKS,
        )

    def render(self, page: Page, visit: Visit) -> str:
        """Return the HTML of ``page`` as ``visit`` sees it, or of the part that is asked for."""
        url = visit.request.url
        content = {**page.facts, **page.shown, "now": visit.now, "path": url.path}
        if page.fragment and visit.wants_fragment:
            shown = self._environment.get_template(page.fragment).render(content)
        else:
            shown = self._environment.get_template(page.template).render(
                content,
                page_title=page.title,
                twin=twin_of(url.path, url.query),
                who=visit.who,
                mode=visit.mode,
                how=visit.visitor.identity.how if visit.visitor else "",
            )
        csrf = page.csrf or (visit.visitor.csrf if visit.visitor else "")
        return FORMS.sub(rf'\g<0><input type="hidden" name="{CSRF}" value="{csrf}">', shown)


def _address(path: Path) -> str:
    return f"/static/{path.name}?{short(digest_bytes(path.read_bytes()))}"
