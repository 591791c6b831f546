"""What the repository promises beside its code: locks, containers, documents that are true."""

import json
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provender.cli import main
from provender.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
GENERATED = {".git", ".venv", ".data", ".provender", "__pycache__", "dist", "node_modules"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("web", "online")
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("deb", "debian", "org"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
    )
]


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    return [p for p in ROOT.rglob("*") if p.is_file() and GENERATED.isdisjoint(p.parts)]


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Return version and number of hashes of every package of a lock."""
    text = (ROOT / "requirements" / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pins = (re.match(r"([\w.-]+)==([\w.]+)", line) for line in lines)
    return {
        canonicalize_name(pin[1]): (pin[2], line.count("--hash=sha256:"))
        for pin, line in zip(pins, lines, strict=True)
        if pin
    }


def group(name: str) -> list[Requirement]:
    found: list[Requirement] = []
    for entry in PROJECT["dependency-groups"][name]:
        found += [Requirement(entry)] if isinstance(entry, str) else group(entry["include-group"])
    return found


def runtime() -> list[Requirement]:
    extras = chain(*PROJECT["project"]["optional-dependencies"].values())
    texts = [*PROJECT["project"]["dependencies"], *extras]
    return [r for r in map(Requirement, texts) if r.name != "provender"]


@pytest.mark.parametrize("name", ["dev.lock", "runtime.lock", "build.lock", "data.lock"])
def test_a_lock_pins_every_package_with_a_hash_and_names_no_place(name):
    text = (ROOT / "requirements" / name).read_text()
    assert locked(name)
    assert all(hashes for _, hashes in locked(name).values())
    assert not re.search(r"https?:|file:|git\+|--index|--find-links|--trusted", text)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("dev.lock", [*runtime(), *group("dev"), *group("bench")]),
        ("runtime.lock", runtime()),
        ("build.lock", group("build")),
    ],
    ids=["dev", "runtime", "build"],
)
def test_a_lock_satisfies_pyproject(name, wanted):
    pins = locked(name)
    wrong = [str(r) for r in wanted if not satisfied(r, pins)]
    assert not wrong, "run: make lock"


def satisfied(requirement: Requirement, pins: dict[str, tuple[str, int]]) -> bool:
    pin = pins.get(canonicalize_name(requirement.name))
    return pin is not None and requirement.specifier.contains(pin[0])


def test_the_locks_agree_with_each_other():
    everything = locked("dev.lock")
    for name in ("runtime.lock", "build.lock"):
        assert {p: v for p, (v, _) in locked(name).items()}.items() <= {
            p: v for p, (v, _) in everything.items()
        }.items()


def test_no_file_names_the_host_of_a_package_registry():
    named = []
    for path in tracked():
        text = path.read_bytes()
        named += [(str(path.relative_to(ROOT)), h) for h in REGISTRY_HOSTS if h.encode() in text]
    assert not named


def test_the_makefile_is_short_and_says_what_each_target_does():
    lines = (ROOT / "Makefile").read_text().splitlines()
    assert len(lines) <= 60
    targets = [line for line in lines if re.match(r"[a-z]+:", line)]
    assert all("##" in line for line in targets)
    phony = next(line for line in lines if line.startswith(".PHONY"))
    assert {line.split(":")[0] for line in targets} == set(phony.split()[1:])


def test_compose_opens_ports_on_this_machine_only():
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_sets_only_settings_that_there_are():
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    used = {
        name
        for service in SERVICES.values()
        for name in service.get("environment", {})
        if name.startswith(PREFIX)
    }
    assert used <= known
    assert set(re.findall(r"PROVENDER_\w+", (ROOT / "Dockerfile").read_text())) <= known
    assert set(re.findall(r"PROVENDER_\w+", (ROOT / ".env.example").read_text())) <= known


def test_compose_settings_can_be_read_once_the_passwords_are_filled_in():
    from provender.settings import read_settings

    for name in OURS:
        environment = SERVICES[name]["environment"]
        filled = {k: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", v) for k, v in environment.items()}
        filled = {k: re.sub(r"\$\{\w+:\?[^}]*\}", "secret", v) for k, v in filled.items()}
        settings = read_settings(filled)
        assert settings.redis_url == "redis://:secret@redis:6379/0"


def test_compose_holds_no_password():
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "AUTH" in name:
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value), name
    assert "password=" not in json.dumps(COMPOSE).lower()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_has_a_health_check_and_a_pinned_image(name):
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert re.search(r":\d+\.\d+", service["image"])


@pytest.mark.parametrize("name", OURS)
def test_our_containers_run_a_command_that_there_is_without_more_rights_than_needed(name):
    service = SERVICES[name]
    command = find_command(service["command"])
    parameters = {option for p in command.params for option in p.opts}
    assert {word for word in service["command"] if word.startswith("--")} <= parameters
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    waits_for = service["depends_on"].values()
    assert all(other["condition"] == "service_healthy" for other in waits_for)


def test_a_health_check_asks_the_port_that_the_command_listens_on():
    for name in OURS:
        port = SERVICES[name]["command"][-1]
        assert f":{port}/" in SERVICES[name]["healthcheck"]["test"][-1]
        assert SERVICES[name]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_the_image_is_not_run_by_root_and_installs_by_hash():
    text = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001"]
    images = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert all(re.search(r":\d+\.\d+\.\d+", image) for image in images)
    installs = re.findall(r"pip install (.+?)(?: \\|$)", text, re.MULTILINE)
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


def test_the_image_gets_every_file_that_it_copies():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    copied = re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sources = [source for line in copied for source in line.split()[:-1]]
    assert {source.split("/")[0] for source in sources} == allowed
    assert all((ROOT / source).exists() for source in sources)


def find_command(words: list[str]) -> click.Command:
    """Return the command that ``words`` name; the rest are its arguments."""
    command: click.Command = main
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break  # arguments, or options of a group itself
        assert word in command.commands, f"provender {' '.join(words)}: there is no {word}"
        command = command.commands[word]
    return command


PAGES = [path for path in tracked() if path.suffix == ".md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    inside = [target for target in targets if not target.startswith(("http://", "https://"))]
    assert not [target for target in inside if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_pages_exist_with_their_options(page):
    for line in re.findall(r"(?:^|[`$ /])provender ((?:[a-z]+ ?)+[^`\n|]*)", page.read_text()):
        words = line.split("#")[0].rstrip(" .…").split()
        if words[0] not in main.commands:
            continue
        command = find_command([word for word in words if re.fullmatch(r"[a-z-]+", word)])
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_in_pages_exist(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = set(re.findall(r"(?:`|\$ )make ([a-z]+)", page.read_text()))
    assert used <= targets


def test_every_page_is_found_from_the_readme_and_every_how_to_from_their_index():
    readme, index = ROOT / "README.md", ROOT / "docs/how-to/README.md"
    there = {readme: ("tutorial", "explanation", "reference"), index: ("how-to",)}
    for start, folders in there.items():
        linked = {
            (start.parent / target).resolve()
            for target in re.findall(r"\]\(([^)#\s]+)", start.read_text())
        }
        pages = {page for name in folders for page in (ROOT / "docs" / name).glob("*.md")}
        assert pages - {index} <= linked
    assert "(docs/how-to/README.md)" in readme.read_text()


def test_decisions_are_numbered_without_gaps_and_fit_a_page():
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    headings = ["## Context", "## Decision", "## Consequences", "## What would change our mind"]
    for page in pages:
        lines = page.read_text().splitlines()
        assert lines[0].startswith(f"# {page.name[:4]} ")
        assert [line for line in lines if line.startswith("## ")] == headings
        assert len(lines) <= 60
