from provender.core.tags import Tag, Taxonomy

TAXONOMY = Taxonomy((Tag(name="personal.quasi", protected=True), Tag(name="quality.raw")))


def test_a_taxonomy_tells_which_tags_there_are_and_which_protect() -> None:
    assert TAXONOMY.names == {"personal.quasi", "quality.raw"}
    assert TAXONOMY.protected == {"personal.quasi"}


def test_every_unknown_tag_is_a_problem_with_a_near_one() -> None:
    used = ["quality.raw", "quality.row", "zzz", "zzz"]
    assert TAXONOMY.problems(used, where="dataset a.b") == [
        "dataset a.b: tag 'quality.row' is not in the taxonomy (did you mean quality.raw?)",
        "dataset a.b: tag 'zzz' is not in the taxonomy (there are: personal.quasi, quality.raw)",
    ]
