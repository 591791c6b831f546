"""Rows as people read them: one table in the terminal, the same table in Markdown.

Works on the JSON of rows, so that what was measured on another day prints alike.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HEADINGS = (
    "case", "contender", "value", "unit", "x ours", "x floor", "CPU s", "peak MB", "cells unlike ours",
)  # fmt: skip
WORDS = 2


def show(records: list[dict[str, Any]], console: Console | None = None) -> None:
    """Print one table, and below it each claim with what was seen."""
    console = console or Console(width=150, highlight=False)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(HEADINGS):
        grid.add_column(
            heading, justify="left" if place < WORDS else "right", no_wrap=place < WORDS
        )
    for record in records:
        for line in lines(record):
            grid.add_row(*line)
    console.print(grid)
    for text in claims(records):
        console.print(text, markup=False)


def lines(record: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """Yield a row's lines, one per contender; the first names the case."""
    case = f"{record['bench']}: {record['case']}"
    for figure in record["contenders"]:
        differing = figure["differing"]
        yield (
            case,
            figure["name"],
            f"{figure['value']:g}" if figure["value"] is not None else figure["ended"],
            record["unit"] if figure["value"] is not None else "",
            _ratio(record, figure, record["ours_name"]),
            _ratio(record, figure, record["floor_name"]),
            f"{figure['cpu_seconds']:g}" if figure["cpu_seconds"] is not None else "",
            f"{figure['peak_mb']:,.0f}" if figure["peak_mb"] is not None else "",
            f"{differing:,}" if differing is not None else "",
        )
        case = ""


def claims(records: list[dict[str, Any]]) -> Iterable[str]:
    """Yield each claim, what was seen, and whether it was met."""
    for record in records:
        for claim in record["claims"]:
            verdict = {True: "met", False: "NOT MET", None: "not decided"}[claim["met"]]
            seen = "" if claim["seen"] is None else f", seen {claim['seen']:g}"
            yield f"claim of {record['bench']}, {record['case']}: {claim['says']}{seen}: {verdict}"
        for what, value in record["seen"].items():
            yield f"{record['bench']}, {record['case']}: {what}: {value}"


def markdown(documents: list[dict[str, Any]]) -> str:
    """Return the documents that ``--json`` wrote as one dated section of Markdown each."""
    return "\n".join(_section(document) for document in documents)


def read(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the documents of these files."""
    return [json.loads(path.read_text()) for path in paths]


def _section(document: dict[str, Any]) -> str:
    machine, records = document["machine"], document["rows"]
    packages = ", ".join(f"{name} {at}" for name, at in machine["packages"].items() if at)
    parts = [
        f"### {document['at'][:10]}{', --quick' if document['quick'] else ''}",
        "",
        f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['processor']}; "
        f"Python {machine['python']}, {packages}.",
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|" + "---|" * WORDS + "---:|" * (len(HEADINGS) - WORDS),
        *(f"| {' | '.join(line)} |" for record in records for line in lines(record)),
        "",
        *(f"* {text}" for text in claims(records)),
        "",
    ]
    return "\n".join(parts)


def _ratio(record: dict[str, Any], figure: dict[str, Any], name: str) -> str:
    other = next((one for one in record["contenders"] if one["name"] == name), None)
    value = figure["value"] if figure["value"] is not None else figure["at_least"]
    if other is None or other["value"] is None or value is None:
        return ""
    sign = "> " if figure["value"] is None else ""
    return f"{sign}{value / other['value']:.2f}"
