"""``python -m provender.cli.main``: the same as the command ``provender``."""

from provender.cli import main

if __name__ == "__main__":
    main()
