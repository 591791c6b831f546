"""How the terminal is spoken to: tables or JSON on stdout, errors with their hint on stderr."""

import json
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from provender.core.cautions import CautionWarning, TokenUnused
from provender.core.digest import plain
from provender.core.errors import ProvenderError, Unavailable

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


class ErrorsInWords(click.Group):
    """A group whose commands end with ``error:`` and ``hint:`` lines, and an exit code by kind."""

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            with warnings.catch_warnings():
                for kind in (CautionWarning, TokenUnused):
                    warnings.simplefilter("always", kind)
                warnings.showwarning = _say
                return super().main(*args, **options)
        except ProvenderError as error:
            sys.exit(report(error, machine="--json" in sys.argv))
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(0)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            failed = Unavailable(
                f"{place}{error.strerror or error}",
                hint="check that the folder is there and may be written, and that the disk is not full",
            )
            sys.exit(report(failed, machine="--json" in sys.argv))


def report(error: ProvenderError, *, machine: bool = False) -> int:
    """Print ``error`` to stderr, as words or as JSON, and return the exit code."""
    if machine:
        body = {"error": error.code, "message": error.message, "hint": error.hint}
        click.echo(json.dumps(body, ensure_ascii=False), err=True)
    else:
        click.echo(click.style("error: ", fg="red", bold=True) + error.message, err=True)
        if error.hint:
            click.echo(click.style(" hint: ", fg="cyan") + error.hint, err=True)
    return error.exit_code


def _say(message: Warning | str, *_where: Any, **_more: Any) -> None:
    """Print a warning to stderr: what it says, and not which line of ours said it."""
    click.echo(click.style("warning: ", fg="yellow", bold=True) + str(message), err=True)


def show(value: Any, *, machine: bool, human: Callable[[], None]) -> None:
    """Print ``value`` as JSON, or call ``human`` to print it for people."""
    if machine:
        click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))
    else:
        human()


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print a table, numbers to the right; ``empty`` where there are no rows."""
    from rich.console import Console
    from rich.table import Table

    listed = [[_cell(value) for value in row] for row in rows]
    if not listed:
        click.echo(empty)
        return
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for position, heading in enumerate(headings):
        numeric = all(row[position].replace(",", "").lstrip("-").isdigit() for row in listed)
        grid.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        grid.add_row(*row)
    width = None if sys.stdout.isatty() else 160
    Console(width=width, markup=False, highlight=False, emoji=False).print(grid)


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Print labelled values, one a line; empty ones are left out."""
    listed = [(name, _cell(value)) for name, value in pairs]
    listed = [(name, text) for name, text in listed if text]
    width = max((len(name) for name, _ in listed), default=0)
    for name, text in listed:
        indented = text.replace("\n", "\n" + " " * (width + 2))
        click.echo(click.style(name.ljust(width), bold=True) + "  " + indented)


def size(count: int) -> str:
    """Return a number of bytes for people, in powers of 1,000."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if hasattr(value, "isoformat"):
        return str(value.isoformat(sep=" ", timespec="seconds")).replace("+00:00", "Z")
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(item) for item in value)
    return str(value)
