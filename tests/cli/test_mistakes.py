"""What goes wrong at the terminal in the first hour, and what is said then."""


def test_whoever_is_in_the_wrong_folder_is_told_which_catalog_was_asked(run, home):
    asked = f"in the catalog, SQLite in {home / '.provender'}"
    for words in (("dataset", "list"), ("training", "list")):
        done = run(*words)
        assert done.code == 0
        assert asked in done.out
    missed = run("dataset", "show", "shop.orders")
    assert missed.code == 3
    assert "PROVENDER_HOME or PROVENDER_CATALOG_URL" in missed.err


def test_whoever_did_not_say_who_they_are_is_told_how(published):
    nobody = published("dataset", "edit", "shop.orders", "--description", "x", actor="person:me")
    assert nobody.code == 4
    assert "hint: say who you are: PROVENDER_ACTOR, or connect(actor=…); else ask" in nobody.err
    known = published("dataset", "edit", "shop.orders", "--description", "x", actor="person:ana")
    assert known.code == 4
    assert "PROVENDER_ACTOR" not in known.err
