from provender.core import errors
from provender.core.errors import Problems, ProvenderError


def every() -> list[type[ProvenderError]]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    return [kind for kind in kinds if issubclass(kind, ProvenderError)]


def test_every_error_has_a_code_of_its_own_and_fails_the_process() -> None:
    codes = [kind.code for kind in every()]
    assert len(set(codes)) == len(codes)
    assert all(kind.exit_code != 0 and 400 <= kind.status < 600 for kind in every())


def test_an_error_says_what_happened_and_then_what_to_do() -> None:
    assert str(ProvenderError("it broke", hint="mend it")) == "it broke\n hint: mend it"
    assert str(ProvenderError("it broke")) == "it broke"


def test_problems_are_all_listed() -> None:
    error = Problems("repo", ["a is wrong", "b is wrong"])
    assert str(error) == "repo: 2 problems\n  - a is wrong\n  - b is wrong"
    assert str(Problems("repo", ["a"])).startswith("repo: 1 problem\n")
