"""Whether a new description of an API breaks the clients of an old one.

``python -m tests.api.compatibility`` writes tests/api/openapi.json anew, if it breaks nobody, and
docs/reference/catalog-api.md. ``--break`` writes them whomever it breaks: before a release only.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provender.api.app import description
from provender.api.reference import markdown

SNAPSHOT = Path(__file__).with_name("openapi.json")
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "catalog-api.md"
Json = dict[str, Any]


def breaking(old: Json, new: Json) -> list[str]:
    """Return what a client of ``old`` can do that fails with ``new``, in words."""
    problems: list[str] = []
    for path, methods in old["paths"].items():
        for method, was in methods.items():
            where = f"{method.upper()} {path}"
            now = new["paths"].get(path, {}).get(method)
            if now is None:
                problems.append(f"{where} is gone")
            else:
                problems += Comparison(old, new).operation(where, was, now)
    return problems


class Comparison:
    """Compares schemas that refer to others, each pair once."""

    def __init__(self, old: Json, new: Json) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str, bool]] = set()

    def operation(self, where: str, was: Json, now: Json) -> Iterator[str]:
        yield from self._parameters(where, was, now)
        for media, content in was.get("requestBody", {}).get("content", {}).items():
            taken = now.get("requestBody", {}).get("content", {})
            if media not in taken:
                yield f"{where} takes no {media} any more"
            else:
                place = f"{where} body"
                yield from self.schema(place, content["schema"], taken[media]["schema"], sent=True)
        if "requestBody" in now and "requestBody" not in was:
            yield f"{where} needs a body now"
        for status, answer in was["responses"].items():
            if status.startswith("2"):
                yield from self._answer(f"{where} {status}", answer, now["responses"].get(status))

    def _parameters(self, where: str, was: Json, now: Json) -> Iterator[str]:
        had = {(one["in"], one["name"]): one for one in was.get("parameters", [])}
        has = {(one["in"], one["name"]): one for one in now.get("parameters", [])}
        for key, one in had.items():
            if key not in has:
                yield f"{where} has no parameter {key[1]} any more"
            else:
                place = f"{where} parameter {key[1]}"
                yield from self.schema(place, one["schema"], has[key]["schema"], sent=True)
        for key, one in has.items():
            was_needed = had.get(key, {}).get("required", False)
            if one.get("required", False) and not was_needed:
                yield f"{where} needs the parameter {key[1]} now"

    def _answer(self, where: str, was: Json, now: Json | None) -> Iterator[str]:
        if now is None:
            yield f"{where} is not answered any more"
            return
        for header in was.get("headers", {}).keys() - now.get("headers", {}).keys():
            yield f"{where} has no header {header} any more"
        for media, content in was.get("content", {}).items():
            given = now.get("content", {})
            if media not in given:
                yield f"{where} is not {media} any more"
            else:
                yield from self.schema(where, content["schema"], given[media]["schema"], sent=False)

    def schema(self, where: str, was: Json, now: Json, *, sent: bool) -> Iterator[str]:
        """What differs to the worse in what clients have ``sent``, else in what they get."""
        names = (was.get("$ref", ""), now.get("$ref", ""), sent)
        if any(names[:2]):
            if names in self._seen:
                return
            self._seen.add(names)
            was, now = self._resolved(self._old, was), self._resolved(self._new, now)
        yield from self._kind(where, was, now, sent=sent)
        had, has = was.get("properties", {}), now.get("properties", {})
        for name, part in had.items():
            if name not in has:
                yield f"{where}.{name} is gone"
            else:
                yield from self.schema(f"{where}.{name}", part, has[name], sent=sent)
        needed = set(now.get("required", ())) - set(was.get("required", ()))
        optional = set(was.get("required", ())) - set(now.get("required", ()))
        for name in sorted(needed if sent else optional & has.keys()):
            yield f"{where}.{name} is {'needed' if sent else 'not always there'} now"
        for part in ("items", "additionalProperties"):
            if isinstance(was.get(part), dict) and isinstance(now.get(part), dict):
                yield from self.schema(f"{where}[]", was[part], now[part], sent=sent)

    def _kind(self, where: str, was: Json, now: Json, *, sent: bool) -> Iterator[str]:
        lost = set(map(str, was.get("enum", ()))) - set(map(str, now.get("enum", ())))
        if was.get("enum") and now.get("enum") and lost:
            yield f"{where} has no value {', '.join(sorted(lost))} any more"
        kinds, others = _types(was), _types(now)
        wrong = kinds - others if sent else others - kinds
        if kinds and others and wrong:
            yield f"{where} is {' or '.join(sorted(others))} now, not {' or '.join(sorted(kinds))}"
        if sent and was.get("pattern") != now.get("pattern") and now.get("pattern"):
            yield f"{where} has another pattern"

    def _resolved(self, whole: Json, schema: Json) -> Json:
        while "$ref" in schema:
            schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema


def _types(schema: Json) -> set[str]:
    if "anyOf" in schema:
        return {kind for one in schema["anyOf"] for kind in _types(one) or {"object"}}
    return {schema["type"]} if "type" in schema else set()


def written(told: Json) -> str:
    """Return a description as it is kept."""
    return json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    found = description()
    problems = breaking(json.loads(SNAPSHOT.read_text()), found) if SNAPSHOT.exists() else []
    if problems and "--break" not in sys.argv:
        sys.exit("this breaks clients:\n" + "\n".join(problems))
    SNAPSHOT.write_text(written(found))
    REFERENCE.write_text(markdown(found))
