"""The seal on the golden set: the sha256 of its queries and assets, as ``sha256sum -c`` reads it.

``python -m tests.golden.seal`` writes a new one. A new seal needs a reason in the commit's
message, in a commit that touches nothing under src/.
"""

import hashlib

from tests.golden.corpus import ASSETS, HERE
from tests.golden.queries import GOLDEN

SEAL = HERE / "SEAL"


def seal() -> str:
    """Return one line per sealed file: its sha256 and its path from here."""
    files = [*sorted(ASSETS.glob("*.yml")), GOLDEN]
    return "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(HERE).as_posix()}\n"
        for file in files
    )


if __name__ == "__main__":
    SEAL.write_text(seal(), encoding="utf-8")
