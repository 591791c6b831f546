"""How values read on a page: numbers, sizes, instants, ages, Markdown that people wrote."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import unescape
from urllib.parse import quote, urlencode

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from provender.core.clock import to_utc
from provender.core.digest import short
from provender.core.lineage import Consumer, Node, NodeKind
from provender.core.models import parse_name, parts
from provender.core.names import DatasetRef
from provender.core.wording import lasting, shortened

NOTHING = "–"
FOLDERS = {
    NodeKind.SERVICE: "services",
    NodeKind.ENTITY: "entities",
    NodeKind.SAVED_DATASET: "saved-datasets",
}
"""Where the pages are of what projects define, if not among the features."""
STATE_LOOKS = {
    "published": ("on", "●"),
    "deprecated": ("warn", "○"),
    "recalled": ("off", "✕"),
    "draft": ("", "◌"),
    "quarantined": ("warn", "◆"),
}
"""How the states of a version look: a colour, and a sign that says the same without one."""
DIGEST = "sha256:"
MOST_ENTRIES = 8
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
ALLOWED_TAGS = {
    "p", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote", "a", "br", "hr",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
MARKED = re.compile(r"[*_`\[\]<>&#!|~\\]|^\s*(?:[-+>=]|\d+[.)])|\n\s*[-+=\d]|^ {4}|\t", re.ASCII)
"""What Markdown may read as more than text."""
AGES = (
    (timedelta(days=365.25), "year"),
    (timedelta(days=30.44), "month"),
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
)
SIZES = ("bytes", "kB", "MB", "GB", "TB", "PB")


def number(value: int | None) -> str:
    """Return ``value`` with thousands apart: ``336,776``."""
    return NOTHING if value is None else f"{value:,}"


def size(size_bytes: int | None) -> str:
    """Return a size in decimal units: ``21.4 MB``."""
    if size_bytes is None:
        return NOTHING
    amount, unit = float(size_bytes), 0
    while amount >= 1000 and unit < len(SIZES) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:,.0f} {SIZES[unit]}" if unit == 0 else f"{amount:,.1f} {SIZES[unit]}"


def instant(value: datetime | None) -> Markup:
    """Return an instant in UTC, to the minute, exact in its ``datetime`` attribute."""
    if value is None:
        return escape(NOTHING)
    utc = to_utc(value)
    text = f"{utc:%Y-%m-%d %H:%M}"
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        utc.isoformat(), f"{utc:%Y-%m-%d %H:%M:%S}", text
    )


def day(value: datetime | None) -> Markup:
    """Return the day of an instant, in UTC."""
    if value is None:
        return escape(NOTHING)
    utc = to_utc(value)
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(), f"{utc:%Y-%m-%d}")


def age(value: datetime | None, now: datetime) -> str:
    """Return how long before ``now`` it was: ``3 days ago``."""
    if value is None:
        return NOTHING
    passed = now - to_utc(value)
    for length, unit in AGES:
        count = int(passed / length)
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def duration(value: timedelta | None) -> str:
    """Return a duration in its largest whole unit: ``3 h``."""
    return "unbounded" if value is None else lasting(value)


def plural(count: int, word: str) -> str:
    """Return ``3 files`` or ``1 file``."""
    return f"{count:,} {many(count, word)}"


def many(count: int, word: str) -> str:
    """Return ``files`` or ``file``, ``entities`` or ``entity``."""
    if count == 1:
        return word
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def fingerprint(identity: str) -> Markup:
    """Return the beginning of a digest, whole in its tooltip."""
    return Markup('<code class="still" title="{}">{}</code>').format(identity, short(identity))


def in_short(value: object) -> str:
    """Return a value of an audit event in words: digests cut, long lists counted."""
    if isinstance(value, str):
        return short(value) if value.startswith(DIGEST) else value
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {in_short(item)}" for key, item in value.items())
    if isinstance(value, Sequence):
        shown = [_entry(item) for item in value[:MOST_ENTRIES]]
        rest = len(value) - len(shown)
        return ", ".join(shown) + (f" and {rest:,} more" if rest else "")
    return f"{value:,}" if isinstance(value, int) else str(value)


def _entry(item: object) -> str:
    if isinstance(item, Mapping):
        return " ".join(str(v) for v in item.values() if not str(v).startswith(DIGEST))
    return in_short(item)


def markdown(text: str) -> Markup:
    """Return the HTML of Markdown, without anything that could run, load or mislead."""
    clean = nh3.clean(
        MARKDOWN.render(text),
        tags=ALLOWED_TAGS,
        attributes={"a": {"href", "title"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(clean)  # noqa: S704 - sanitised in the line above


def first_sentence(text: str, *, most: int = 160) -> str:
    """Return the first sentence of Markdown as text, cut at a word if it is longer than ``most``.

    Text without a sign that means something in Markdown is what it says: lists have many of them.
    """
    plain = MARKED.search(text) is None
    told = text if plain else unescape(nh3.clean(MARKDOWN.render(text), tags=set()))
    line = " ".join(told.split())
    sentence = line.split(". ", 1)[0].rstrip(".")
    return shortened(sentence, most=most)


def dataset_address(ref: DatasetRef | str) -> str:
    """Return the address of a dataset's page, or of the page of the version that ``ref`` names."""
    name, _, version = str(ref).partition("@")
    return f"/datasets/{quote(name)}" + (f"/versions/{version}" if version else "")


def address(node: Node) -> str:
    """Return the address of the page of a node of the lineage."""
    match node.kind:
        case NodeKind.DATASET:
            return dataset_address(node.name)
        case NodeKind.TRAINING_SET:
            return f"/training-sets/{quote(node.name)}"
        case NodeKind.MODEL:
            return model_address(*parse_name(node.name))
    project, _, name = node.name.rpartition("/")
    folder = FOLDERS.get(node.kind, "features")
    return f"/{folder}/{quote(name)}" + (f"?project={quote(project)}" if project else "")


def model_address(name: str, number: int | None = None) -> str:
    """Return the address of the page of the model ``project/name``, or of a version of it."""
    project, own = parts(name)
    asked = {"project": project, "version": number}
    return f"/models/{quote(own)}?" + urlencode({key: said for key, said in asked.items() if said})


def reader_address(consumer: Consumer) -> str:
    """Return the address of the page of who or what reads a dataset."""
    if consumer.kind in list(NodeKind):
        return address(Node(NodeKind(consumer.kind), consumer.name))
    return f"/people/{quote(consumer.name)}"


def outside_link(url: str) -> Markup:
    """Return a link to an address that people wrote; only text if it is not of the web."""
    if not url.startswith(("https://", "http://")):
        return escape(url)
    return Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>').format(url, url)
