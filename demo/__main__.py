"""``python -m demo``: the whole story in the terminal."""

import sys

from demo.story import tell

if __name__ == "__main__":
    sys.exit(tell())
