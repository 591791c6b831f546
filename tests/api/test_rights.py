"""What nobody gets by a way around: definitions, tokens, names and notes that reach too far."""

import json
from dataclasses import replace

from provender.core.features import RepoSpec, SavedDatasetSpec
from provender.core.names import DatasetRef, FeatureRef
from provender.values import to_json
from tests.api.conftest import Ask
from tests.catalog.world import FLIGHTS, SALARIES, VISIBLE

FILES = replace(VISIBLE, project="mine", views=(replace(VISIBLE.views[0], dataset=None),))
FIRST = {"if-none-match": "*"}


def put(ask: Ask, name: str, repo: RepoSpec) -> tuple[int, str]:
    """The answer to definitions that somebody is the first to record."""
    where, sent = (
        f"/projects/{repo.project}/definitions",
        {"definitions": json.loads(to_json(repo))},
    )
    answered = ask(name).put(where, json=sent, headers=FIRST)
    return answered.status_code, answered.text


def test_nobody_keeps_what_was_saved_as_a_dataset_that_they_may_not_publish(ask: Ask):
    def saved(ref: DatasetRef) -> RepoSpec:
        kept = SavedDatasetSpec(name="s", features=(FeatureRef("weather", "temp"),), dataset=ref)
        return replace(FILES, saved=(kept,))

    absent = DatasetRef("people", "salariez")
    for ref in (SALARIES, absent):
        status, said = put(ask, "max", saved(ref))
        assert (status, f"dataset '{ref}' not found" in said) == (404, True), said
    assert put(ask, "max", saved(FLIGHTS))[0] == 403
    assert put(ask, "ops", saved(FLIGHTS))[0] == 204
