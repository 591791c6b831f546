"""The API's description for people: one outline, as Markdown for docs/ and as a page of the server."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from provender.core import bounds
from provender.core.tally import WRITTEN

Json = dict[str, Any]
HEADING = "Catalog API"
INTRODUCTION = (
    "The catalog over HTTP, under `/api/v1` of the server that shows the pages: "
    "`provender serve web`, or `provender up`.",
    "Its machine-readable description is at `/api/v1/openapi.json` (OpenAPI 3.1). In Python, "
    "`provender.client.HttpCatalog` speaks it, with the same methods as the catalog in process; "
    "`PROVENDER_CATALOG_URL=http://…` makes every command use it.",
)
RULES = (
    "**Lists** come in pages: `{\"items\": […], \"next\": …}`. What `next` says is the `after` of the "
    "next page, for the same question; `null` is the end. `limit` is 1 to 200.",
    "**Reading again** is cheap: every answer to a GET has an `ETag`; sent as `If-None-Match`, "
    "the answer is 304 while nothing changed.",
    "**Changing** what others may change, too, needs `If-Match` with the ETag of what was looked at: 428 "
    "without one, 412 when somebody else was first, or when it is the tag of something else. What is new takes "
    "`If-None-Match: *`. `If-Match: *` changes whatever there is: an edit or a step then has to give a reason.",
    "**Sending again** is safe with an `Idempotency-Key`: within a week the same request with the same "
    "key is answered by the same bytes and done once; with another body it is refused (422). So is a key "
    "that a route does not take.",
    "**Errors** have one shape: `{\"error\": {status, title, code, message, hint, what, request_id, "
    "problems}}`, with the [codes](errors.md) of everywhere. Besides, a request may be refused as "
    "`cross-site` (403), `method-not-allowed` (405), `too-large` (413), `unsupported-media-type` (415) or "
    "`misdirected` (421).",
    "**Bodies** are read strictly: an unknown key, a number in quotes or an instant without its "
    "zone is refused, and every fault is named. So is a query parameter that the route does not have.",
    f"**Limits**: a body has at most {bounds.BODY >> 20} MiB, a list in it {bounds.MANY:,} parts ({bounds.COLUMNS:,} where "
    f"a dataset is declared, or lookups are told) and a text {bounds.LONG:,} characters, unless its description says less. Bodies with "
    f"manifests, definitions or all of the governance have {bounds.LARGE_BODY >> 20} MiB, {bounds.HUGE:,} parts and "
    f"{bounds.VAST:,} characters; a version has {bounds.COLUMNS:,} columns, {bounds.MANY:,} inputs "
    f"and {bounds.CHECKS:,} checks of its publisher; permits and decisions are of {bounds.DATASETS} datasets, with names of 1 to {bounds.WORD} "
    f"characters; training sets are of {bounds.DATASETS} versions; lookups are told of {bounds.DATASETS} datasets, {bounds.MANY:,} with each tally's, and written down in "
    f"{WRITTEN:,} characters; a project has {bounds.DEFINITIONS:,} definitions with {bounds.FEATURES:,} features; "
    f"no body has more than {bounds.VALUES:,} values. Of one actor {bounds.AT_ONCE} changes and "
    f"{bounds.LOOKS_AT_ONCE} questions are at work at once; more wait for these, but for revokes. A body comes within "
    f"{bounds.BODY_SECONDS:g} s, and each part of it within {bounds.STILL_SECONDS:g}. One actor has at most {bounds.TOKENS} tokens in force, "
    f"each for at most {bounds.PATTERNS} patterns of datasets. Of faults the first {bounds.PROBLEMS} are "
    f"told, and how many more there are; of more than {bounds.COUNTED:,} only that.",
    "**Who asks** is the actor of the server's settings (`PROVENDER_ACTOR`) in local mode, which listens on this "
    "machine only, and where no header names another. In governed mode every request but `GET /mode` needs "
    "`Authorization: Bearer` with a [token](../how-to/run-governed.md), else it is a 401; `GET /mode` says which it is.",
    "**What goes** is announced first: its answers carry `Deprecation` and `Sunset` headers for two "
    "minor releases at least. Keys may be added to answers at any time: ignore those you do not know.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation, as a line of the reference."""

    method: str
    path: str
    summary: str
    takes: tuple[str, ...]
    answers: tuple[str, ...]
    deprecated: bool


def outline(description: Json) -> dict[str, list[Entry]]:
    """Return the operations of an OpenAPI description by their tag, in its order."""
    found: dict[str, list[Entry]] = {}
    for path, methods in description["paths"].items():
        for method, told in methods.items():
            entry = Entry(
                method=method.upper(),
                path=path,
                summary=told["summary"],
                takes=(*_parameters(told), *_body(told)),
                answers=tuple(told["responses"]),
                deprecated=bool(told.get("deprecated")),
            )
            found.setdefault(told["tags"][0], []).append(entry)
    return found


def markdown(description: Json) -> str:
    """Return the reference as a page of docs/."""
    lines = [f"# {HEADING}", "", *_paragraphs(INTRODUCTION)]
    lines += ["", "## Rules", "", *(f"* {rule}" for rule in RULES)]
    for tag, entries in outline(description).items():
        lines += ["", f"## {tag.capitalize()}", "", "| route | takes | answers | |"]
        lines += ["|---|---|---|---|"]
        lines += [
            f"| `{one.method} {one.path}` | {_code(one.takes)} | {', '.join(one.answers)} "
            f"| {_deprecated(one)}{one.summary} |"
            for one in entries
        ]
    return "\n".join(lines) + "\n"


def page(description: Json, *, style: str) -> str:
    """Return the reference as an HTML page that needs nothing but the stylesheet at ``style``."""
    body = [f"<h1>{HEADING}</h1>", *(f"<p>{_html(text)}</p>" for text in INTRODUCTION)]
    body += ["<ul>", *(f"<li>{_html(rule)}</li>" for rule in RULES), "</ul>"]
    for tag, entries in outline(description).items():
        body.append(f"<h2>{escape(tag.capitalize())}</h2>")
        for one in entries:
            takes = " ".join(f"<code>{escape(name)}</code>" for name in one.takes)
            body.append(
                f"<section><h3><code>{one.method}</code> <code>{escape(one.path)}</code></h3>"
                f"<p>{_html(_deprecated(one) + one.summary)}</p>"
                f"<p>{takes}</p><p>{', '.join(one.answers)}</p></section>"
            )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{HEADING}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{escape(style)}"></head>'
        f"<body><main>{''.join(body)}</main></body></html>"
    )


STYLE = """\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; background: light-dark(#fff, #15181d); color: light-dark(#1b1f24, #e6e9ee); }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h3 { font-size: 1rem; margin: 0; }
code { font: 0.9em ui-monospace, monospace; background: light-dark(#f0f2f5, #22272e); padding: 0 0.25em; }
section { border-top: 1px solid light-dark(#d5d9df, #3a414b); padding: 0.75rem 0; }
section p { margin: 0.25rem 0 0; }
"""


def _parameters(told: Json) -> Iterator[str]:
    for one in told.get("parameters", []):
        if one["in"] == "query" or one["name"].lower() in ("if-match", "idempotency-key"):
            yield one["name"]


def _body(told: Json) -> Iterator[str]:
    for media, content in told.get("requestBody", {}).get("content", {}).items():
        yield content["schema"].get("$ref", media).rpartition("/")[2]


def _paragraphs(texts: tuple[str, ...]) -> Iterator[str]:
    for number, text in enumerate(texts):
        yield from ([""] if number else [])
        yield text


def _code(names: tuple[str, ...]) -> str:
    return " ".join(f"`{name}`" for name in names)


def _deprecated(entry: Entry) -> str:
    return "**Deprecated.** " if entry.deprecated else ""


def _html(text: str) -> str:
    shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    shown = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", shown)
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", shown)
