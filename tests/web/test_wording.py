import re
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import nh3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provender.core.lineage import Node, NodeKind
from provender.web import app, wording

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (None, "–"),
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (21_370_368, "21.4 MB"),
        (5 * 10**18, "5,000.0 PB"),
    ],
)
def test_sizes_are_decimal(size_bytes, words):
    assert wording.size(size_bytes) == words


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=47), "1 day ago"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(days=400), "1 year ago"),
        (timedelta(seconds=-5), "just now"),
    ],
)
def test_ages_are_in_their_largest_unit(passed, words):
    assert wording.age(NOW - passed, NOW) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "unbounded"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=1), "1 d"),
        (timedelta(minutes=90), "90 min"),
        (timedelta(seconds=1.5), "1.5 s"),
    ],
)
def test_durations_are_exact(value, words):
    assert wording.duration(value) == words


@pytest.mark.parametrize(
    "text",
    [
        "<script>x</script>",
        "[a](javascript:alert(1))",
        "[a](data:text/html,x)",
        '<img src=x onerror="x">',
        "![a](https://example.com/x.png)",
        '<a href="https://e.com" onclick="x">a</a>',
        '[a](https://e.com "t\\" onmouseover=x ")',
    ],
)
def test_markdown_can_neither_run_nor_load_anything(text):
    found: list[tuple[str, dict[str, str | None]]] = []
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, attrs: found.append((tag, dict(attrs)))  # type: ignore[method-assign]
    reader.feed(wording.markdown(text))
    for tag, attrs in found:
        assert tag in wording.ALLOWED_TAGS
        assert set(attrs) <= {"href", "title", "rel"}
        assert (attrs.get("href") or "https:").startswith(("https:", "http:", "mailto:"))


@pytest.mark.parametrize(
    ("count", "word", "words"),
    [(1, "file", "1 file"), (0, "file", "0 files"), (2_000, "entity", "2,000 entities")],
)
def test_things_are_counted_in_words(count, word, words):
    assert wording.plural(count, word) == words


def test_a_first_sentence_is_text_and_short():
    assert wording.first_sentence("Flights of **New York**. More.") == "Flights of New York"
    assert len(wording.first_sentence("word " * 100)) <= 162
    assert wording.first_sentence("a < b & c") == "a < b & c"


def test_audit_details_are_told_in_short():
    assert wording.in_short("sha256:" + "a" * 64) == "a" * 12
    assert wording.in_short(list(range(11))) == "0, 1, 2, 3, 4, 5, 6, 7 and 3 more"
    steps = [{"change": "add", "name": "x", "becomes": "sha256:0"}]
    assert wording.in_short(steps) == "add x"


@pytest.mark.parametrize(
    ("node", "address"),
    [
        (Node(NodeKind.DATASET, "a.b"), "/datasets/a.b"),
        (Node(NodeKind.DATASET, "a.b@3"), "/datasets/a.b/versions/3"),
        (Node(NodeKind.VIEW, "p/v"), "/features/v?project=p"),
        (Node(NodeKind.SERVICE, "p q/s"), "/services/s?project=p%20q"),
        (Node(NodeKind.TRAINING_SET, "ts_1"), "/training-sets/ts_1"),
    ],
)
def test_every_kind_of_node_has_an_address(node, address):
    assert wording.address(node) == address


PAIRS = [
    ("ink", "paper"), ("ink", "card"), ("ink", "code"), ("ink", "soft"),
    ("quiet", "paper"), ("quiet", "card"), ("quiet", "code"), ("quiet", "soft"),
    ("accent", "paper"), ("accent", "card"), ("accent", "soft"), ("accent", "code"), ("accent-ink", "accent"),
    ("good", "good-soft"), ("warn", "warn-soft"), ("bad", "bad-soft"), ("bad", "card"),
    *((f"k-{kind}", "card") for kind in ("dataset", "view", "demand", "service", "training", "other")),
    *((f"k-{kind}", "paper") for kind in ("dataset", "view", "demand", "service", "training", "other")),
]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_every_text_colour_has_contrast_aa(scheme, text, ground):
    style = (Path(app.STATIC) / "provender.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", light if scheme == "light" else dark))
    lighter, darker = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def luminance(colour: str) -> float:
    """Relative luminance; source: WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


SIGNS = st.text(alphabet="ab1 .-+*_`[]()<>&#!|~\\=\n\t:/\"'", max_size=40)


@given(text=SIGNS)
@example(text="- a")
@example(text="1. a")
@example(text="a\n===")
@example(text="a\n---\nb")
@example(text="    a")
def test_a_first_sentence_is_the_same_whether_or_not_markdown_was_asked(text):
    told = unescape(nh3.clean(wording.MARKDOWN.render(text), tags=set()))
    line = " ".join(told.split())
    assert wording.first_sentence(text, most=1_000) == line.split(". ", 1)[0].rstrip(".")
