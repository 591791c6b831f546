"""What is told of a training set does not say whether a guess of its rows is right.

Who may know that it was made, but not read all of its rows, tries the right guess at everything told.
"""

from dataclasses import replace

import httpx

from provender.bootstrap import mask_key, project_secret
from provender.core.effects import Mask, masked
from provender.core.training import TrainingSetManifest, digest_key, keyed_digest
from provender.tables.rows import logical_digest
from tests.exits.world import ANA, GOV, SAM, World, spine

WHOLE = ("visits:fare", "visits:address")
"""Of one row, which Ana may read in part only."""


def told(world: World, actor: str, identity: str) -> str:
    """All that the service tells ``actor`` of a training set."""
    paths = (
        f"training-sets/{identity}",
        "training-sets",
        f"lineage?node=training-set:{identity}",
        "audit",
    )
    answers = [
        httpx.get(f"{world.address}/api/v1/{path}", headers=world.bearer(actor)) for path in paths
    ]
    assert answers[0].json()["row_count"] == 1
    assert identity in answers[2].text
    return "\n".join(answer.text for answer in answers)


def guesses(manifest: TrainingSetManifest, digests: tuple[str, str]) -> set[str]:
    """What somebody can compute who knows the question, and guesses the rows."""
    rows, content = digests
    guessed = replace(manifest, spine_digest=rows, content_digest=content)
    return {*(one.removeprefix("sha256:") for one in digests), guessed.id}


def test_the_right_guess_is_not_told_from_a_wrong_one(world: World):
    one = spine().slice(7, 1)
    sams = world.inside(SAM).training_set(one, features=WHOLE)
    right = logical_digest(one.to_reader()), logical_digest(sams.arrow().to_reader())
    for actor in (ANA, GOV):
        said = told(world, actor, sams.id)
        assert not {guess for guess in guesses(sams.manifest, right) if guess in said}


def test_what_is_masked_by_hash_is_hashed_with_another_key(world: World):
    """Who may choose a text that is masked for him would else be told the digest of a guess."""
    secret = project_secret(world.settings, "visits")
    said = f"{SAM}\nsha256:{'a' * 64}"
    hashed = masked(Mask.parse("hash"), said, "string", key=mask_key(world.settings, "visits"))
    key = digest_key(secret, "visits")
    told = keyed_digest(f"sha256:{'a' * 64}", key=key, maker=SAM)
    assert told.removeprefix("hmac-sha256:") != hashed


def test_what_somebody_makes_of_a_guess_tells_of_nobody_elses(world: World):
    one = spine().slice(7, 1)
    sams = world.inside(SAM).training_set(one, service="open_v1").manifest
    assert world.inside(SAM).training_set(one, service="open_v1").id == sams.id
    anas = world.inside(ANA).training_set(one, service="open_v1").manifest
    assert {anas.spine_digest, anas.content_digest, anas.id}.isdisjoint(
        {sams.spine_digest, sams.content_digest, sams.id}
    )


def test_no_manifest_tells_the_hash_of_a_row_that_comes_or_goes(world: World):
    """Sums of two versions differ by the hash of what was added: one row of few values is guessed."""
    workspace = world.outside(ANA)
    assert workspace.version("shop.visits").manifest.sums == ()
    with httpx.Client(base_url=f"{world.address}/api/v1/", headers=world.bearer(ANA)) as client:
        for path in ("versions", "versions/1"):
            assert '"sums":[]' in client.get(f"datasets/shop.visits/{path}").text
    assert len(world.inside(SAM).version("shop.visits").manifest.sums) == 4  # he publishes
