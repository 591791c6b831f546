"""Mutation tests of the policy: each small change of it makes a test fail, or is no change.

``make mutants``: mutmut changes core/policy.py in hundreds of ways, one at a time, and runs its
tests. What none of them notices has to be in tests/core/mutants.txt, with the reason why nobody
could; whatever is there and is noticed has to go.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
WORK = ROOT / ".mutants"
KNOWN = ROOT / "tests" / "core" / "mutants.txt"
COPIED = ("src", "tests", "pyproject.toml")
SETTINGS = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/provender/core/policy.py"]
pytest_add_cli_args_test_selection = [
  "tests/core/test_policy.py", "tests/core/test_effects_of_rules.py", "tests/core/test_verdicts.py",
]
pytest_add_cli_args = ["-n", "0", "-p", "no:cacheprovider", "-q", "-x", "--hypothesis-profile=ci"]
"""


def main() -> int:
    """Return 0 if every mutant that survived is known, and every one that is known survived."""
    prepare()
    mutmut("run")
    survived = {change(name) for name in survivors(mutmut("results", quiet=True))}
    known = dict(read(KNOWN.read_text()))
    for text in sorted(survived - known.keys()):
        print(f"nobody notices:\n{text}\n")
    for text in sorted(known.keys() - survived):
        print(f"no survivor any more, take it out of {KNOWN.name}:\n{text}\n")
    print(f"{len(survived)} survived, {len(survived & known.keys())} of them with a reason")
    return int(survived != known.keys())


def prepare() -> None:
    """Copy what is tested to where it may be changed."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, WORK / name)
    with (WORK / "pyproject.toml").open("a") as file:
        file.write(SETTINGS)


def mutmut(*words: str, quiet: bool = False) -> str:
    """Run mutmut in the copy; return what it says, if it is ``quiet``.

    Raises:
        CalledProcessError: it cannot run the tests.
    """
    command = [sys.executable, "-m", "mutmut", *words]
    done = subprocess.run(
        command, cwd=WORK, check=True, text=True, stdout=subprocess.PIPE if quiet else None
    )
    return done.stdout or ""


def survivors(results: str) -> list[str]:
    """Return the names of the mutants that no test noticed."""
    told = (line.strip().partition(": ") for line in results.splitlines())
    return [name for name, _, state in told if name and state not in ("killed", "timeout")]


def change(name: str) -> str:
    """Return what a mutant takes away and puts in its place, line by line."""
    lines = mutmut("show", name, quiet=True).splitlines()
    changed = (line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))
    return "\n".join(f"{line[:1]} {line[1:].strip()}" for line in changed)


def read(text: str) -> list[tuple[str, str]]:
    """Return each change that is written in ``text``, and why nobody can notice it."""
    found = []
    for block in text.split("\n\n"):
        lines = block.strip().splitlines()
        changed = [line for line in lines if line[:2] in ("- ", "+ ")]
        if changed:
            found.append(
                ("\n".join(changed), " ".join(line for line in lines if line not in changed))
            )
    return found


if __name__ == "__main__":
    sys.exit(main())
