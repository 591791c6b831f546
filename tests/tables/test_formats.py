import os
import subprocess
import sys

import pytest

from provender.core.datasets import Format
from provender.tables import format_for

WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from provender.core.datasets import Format
from provender.core.errors import Unavailable
from provender.tables import format_for
try:
    format_for(Format(sys.argv[2]))
except Unavailable as error:
    print(error)
"""


@pytest.mark.parametrize("fmt", Format)
def test_every_format_has_a_reader_and_writer(fmt: Format) -> None:
    assert type(format_for(fmt)).__name__.lower() == f"{fmt}format"


@pytest.mark.parametrize(
    ("package", "fmt"),
    [("duckdb", "parquet"), ("pyarrow", "csv"), ("deltalake", "delta"), ("pyarrow", "delta")],
)
def test_a_missing_package_is_named_with_what_to_install(package: str, fmt: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, package, fmt],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert done.stdout.splitlines() == [
        f"{fmt} tables need the package {package}, which is not installed",
        " hint: pip install 'provender[tables]'",
    ]


def test_the_formats_are_imported_only_when_asked_for() -> None:
    code = (
        "import sys, provender.tables; print({'duckdb', 'pyarrow', 'deltalake'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "set()"
