"""The golden set is what it says: sealed, whole, without contradictions, and hard in a fair way."""

import hashlib
from collections import Counter
from dataclasses import astuple, replace
from random import Random

import pytest

from provender.core.names import PART
from tests.golden.corpus import ASSETS, ROLES, load_assets, load_tags, load_terms
from tests.golden.evidence import WORD, Evidence, Where, places, stems
from tests.golden.generator import AFFIXES, Gate, padding
from tests.golden.queries import EXACT_CLASSES, PRACTICE, Query, load_queries
from tests.golden.scorer import evaluate
from tests.golden.seal import SEAL, seal
from tests.golden.typos import SHORTEST, UNTOUCHED, with_one_typo

ASSETS_BY_NAME = {asset.name: asset for asset in load_assets()}
GOLDEN = load_queries()
PRACTISED = load_queries(PRACTICE)
KNOWN_WORDS = frozenset(
    word.lower() for file in ASSETS.glob("*.yml") for word in WORD.findall(file.read_text("utf-8"))
) | {affix.lower() for affix in AFFIXES}
PADDING_DIGEST = "a8599e95058bacfe070465b9a2622585cd00aa0217b8eb800d8b9d8cd35bc310"
CLASSES = {
    "exact_name": 26,
    "qualified_name": 12,
    "partial_name": 16,
    "prefix": 8,
    "abbreviation": 8,
    "plural": 7,
    "case": 8,
    "word_order": 6,
    "description": 28,
    "column": 20,
    "synonym": 15,
    "tag": 6,
    "owner": 9,
    "typo_1": 8,
    "typo_2": 4,
    "across_fields": 11,
    "zero_result": 8,
}


def test_the_seal_is_unbroken():
    assert SEAL.read_text("utf-8") == seal(), (
        "queries or assets have changed since they were sealed"
    )


class TestAssets:
    def test_there_are_four_hundred_in_eight_domains(self):
        domains = Counter(asset.domain for asset in ASSETS_BY_NAME.values())
        assert len(domains) == 8
        assert min(domains.values()) >= 45
        assert sum(domains.values()) == len(load_assets()) >= 400

    def test_each_is_described_and_owned(self):
        people = {name for asset in ASSETS_BY_NAME.values() for name in asset.people}
        assert len(people) >= 15
        for asset in ASSETS_BY_NAME.values():
            assert len(asset.description.split()) >= 3, asset.name
            assert asset.owners.keys() <= set(ROLES), asset.name
            assert asset.owners["accountable"].startswith("team:"), asset.name
            assert asset.people, asset.name

    def test_each_column_is_described(self):
        for asset in ASSETS_BY_NAME.values():
            assert asset.columns or asset.kind == "feature_service", asset.name
            assert all(column.description for column in asset.columns), asset.name

    def test_each_tag_is_in_the_taxonomy_and_used(self):
        used = {tag for asset in ASSETS_BY_NAME.values() for tag in asset.all_tags}
        assert used == load_tags().keys()

    def test_each_glossary_term_has_synonyms_and_is_used(self):
        used = {term.name for asset in ASSETS_BY_NAME.values() for term in asset.terms}
        assert all(term.synonyms for term in load_terms())
        assert used == {term.name for term in load_terms()}


class TestQueries:
    def test_there_are_two_hundred_in_the_classes_fixed_in_advance(self):
        assert Counter(query.intent for query in GOLDEN) == CLASSES
        assert sum(CLASSES.values()) == 200

    def test_there_are_sixty_to_practise_on_and_they_are_others(self):
        assert len(PRACTISED) == 60
        assert {query.intent for query in PRACTISED} == CLASSES.keys()
        assert not _texts(GOLDEN) & _texts(PRACTISED)

    @pytest.mark.parametrize("queries", [GOLDEN, PRACTISED], ids=["golden", "practice"])
    def test_none_is_asked_twice(self, queries):
        assert len({query.text for query in queries}) == len(queries)

    @pytest.mark.parametrize("query", [*GOLDEN, *PRACTISED], ids=lambda query: query.text)
    def test_answers_exist_are_graded_and_justified(self, query):
        assert query.relevant.keys() <= ASSETS_BY_NAME.keys()
        assert set(query.relevant.values()) <= {1, 2, 3}
        assert bool(query.best) is (query.intent != "zero_result")
        assert query.why

    @pytest.mark.parametrize(
        "query", [q for q in GOLDEN if q.intent in EXACT_CLASSES], ids=lambda query: query.text
    )
    def test_an_exact_name_is_answered_by_all_that_have_it(self, query):
        asked = query.text.partition("@")[0]
        named = {a.name for a in ASSETS_BY_NAME.values() if asked in (a.name, a.bare_name)}
        assert query.best == named

    @pytest.mark.parametrize(
        "query", [q for q in GOLDEN if q.intent == "tag"], ids=lambda query: query.text
    )
    def test_a_tag_is_answered_by_all_that_carry_it(self, query):
        tag = next(tag for tag in load_tags() if stems(tag) == stems(query.text))
        assert query.best == {a.name for a in ASSETS_BY_NAME.values() if tag in a.all_tags}

    @pytest.mark.parametrize("text", ["fleet team", "noor", "team:trading", "delay-models"])
    def test_an_owner_is_answered_by_all_they_own(self, text):
        query = next(query for query in GOLDEN if query.text == text)
        owner = next(word for word in ("fleet", "noor", "trading", "delay-models") if word in text)
        owned = {
            asset.name
            for asset in ASSETS_BY_NAME.values()
            if {f"team:{owner}", f"person:{owner}"} & set(asset.owners.values())
        }
        assert query.best == owned

    def test_three_in_ten_share_no_word_with_the_names_of_their_answers(self):
        nameless = [query for query in GOLDEN if query.best and not _shares_a_name_word(query)]
        assert len(nameless) >= 60

    @pytest.mark.parametrize("query", [*GOLDEN, *PRACTISED], ids=lambda query: query.text)
    def test_each_best_answer_says_something_of_what_is_meant(self, query):
        gate = Gate(list(ASSETS_BY_NAME.values()), [query])
        for name in query.best:
            assert gate.evidence(query.text, ASSETS_BY_NAME[name]).covered, name

    @pytest.mark.parametrize(
        "word",
        sorted({w for q in GOLDEN if q.intent == "zero_result" for w in q.text.split()}),
    )
    def test_what_is_nowhere_is_not_nearly_somewhere_either(self, word):
        nearest = min(KNOWN_WORDS, key=lambda known: _slips(word, known))
        assert _slips(word, nearest) > 2, nearest
        alike = max(KNOWN_WORDS, key=lambda known: _likeness(word, known))
        assert _likeness(word, alike) < 0.3, alike


class TestTypos:
    def test_a_thousand_are_one_slip_from_what_was_meant(self):
        made = with_one_typo(GOLDEN, KNOWN_WORDS, count=1000)
        originals = {query.meant: query for query in GOLDEN if query.intent not in UNTOUCHED}
        assert len({query.text for query in made}) == 1000
        for query in made:
            assert query.relevant == originals[query.meant].relevant
            assert _slips(query.text.lower(), query.meant.lower()) == 1, query.text

    def test_capitals_stay_where_they_were(self):
        shouted = with_one_typo([_query("MERCHANT_PAYOUTS", {})], (), count=30)
        assert all(query.text.isupper() for query in shouted)
        humps = with_one_typo([_query("PageSpeed", {})], (), count=30)
        assert all(len(WORD.findall(query.text)) == 2 for query in humps)

    def test_they_are_the_same_every_time(self):
        once, again = (with_one_typo(GOLDEN, KNOWN_WORDS, count=300) for _ in range(2))
        assert once == again

    def test_no_slip_makes_a_known_word(self):
        made = with_one_typo([_query("ordersx", {})], KNOWN_WORDS, count=20)
        assert "orders" not in _texts(made)

    def test_short_words_are_left_alone(self):
        with pytest.raises(ValueError, match="no query"):
            with_one_typo([_query("x" * (SHORTEST - 1), {})], KNOWN_WORDS, count=1)

    @pytest.mark.parametrize(("intent", "at_most"), [("typo_1", 1), ("typo_2", 2)])
    def test_slips_made_by_hand_are_as_many_as_their_class_says(self, intent, at_most):
        for query in GOLDEN:
            if query.intent == intent:
                assert 1 <= _slips(query.text, query.meant) <= at_most


@pytest.fixture(scope="module")
def padded():
    return list(padding(3000))


class TestPadding:
    def test_it_is_the_same_on_every_machine_and_every_day(self, padded):
        """What was measured on it can be compared only while it stays the same."""
        first = repr([astuple(asset) for asset in padded[:200]])
        assert hashlib.sha256(first.encode()).hexdigest() == PADDING_DIGEST

    def test_fewer_are_the_beginning_of_more(self, padded):
        assert list(padding(200)) == padded[:200]

    def test_another_seed_makes_others(self, padded):
        names = {asset.name for asset in padding(200, seed=7)}
        assert len(names - {asset.name for asset in padded}) > 150

    def test_every_name_is_one_the_catalog_takes(self, padded):
        for asset in (*padded, *ASSETS_BY_NAME.values()):
            assert PART.match(asset.bare_name), asset.name
            assert PART.match(asset.name.removesuffix(asset.bare_name)[:-1]), asset.name

    def test_no_name_is_taken(self, padded):
        names = {asset.name for asset in padded}
        assert len(names) == 3000
        assert not names & ASSETS_BY_NAME.keys()

    def test_it_has_no_words_of_its_own(self, padded):
        """Numbers apart: what is nowhere in the golden assets stays nowhere."""
        words = {word for asset in padded for word in places(asset) if not word.isdigit()}
        own = {stem for asset in ASSETS_BY_NAME.values() for stem in places(asset)}
        sayings = stems("As variant copy ask before you use it made project ended experiment on")
        states = {word for state in ("draft", "deprecated", "published") for word in stems(state)}
        assert words <= own | stems(" ".join(AFFIXES)) | sayings | states

    def test_near_misses_stand_beside_the_names_that_are_asked_for(self, padded):
        names = [asset.name for asset in padded]
        for asked in ("flights", "orders", "customers", "shipments", "sessions"):
            assert sum(asked in name for name in names) >= 5, asked

    def test_it_answers_no_query_as_well_as_the_best_do(self, padded):
        """Checked again from the words of each query, without the gate's shortcuts."""
        chosen = Random(1).sample(padded, 60)
        for query in GOLDEN:
            words = sorted(stems(query.meant))
            best = [_evidence(words, name) for name in query.best]
            for asset in chosen:
                mine = _evidence_of(words, places(asset), len(WORD.findall(asset.bare_name)))
                if query.best:
                    assert all(mine.is_worse_than(one) for one in best), (query.text, asset.name)
                else:
                    assert not mine.covered, (query.text, asset.name)

    @pytest.mark.parametrize(
        ("text", "change"),
        [
            ("orders", {"name": "sandbox.orders"}),
            ("wind_gust", {}),
            ("gustavo rules", {"name": "sandbox.odd_rules"}),
        ],
    )
    def test_the_gate_turns_an_equal_answer_away(self, text, change):
        query = next(query for query in GOLDEN if query.text == text)
        (answer,) = query.best
        twin = _renamed(answer, **change)
        gate = Gate(list(ASSETS_BY_NAME.values()), [query])
        assert gate.rivalled(twin) == [text]

    def test_the_gate_lets_a_longer_name_through(self):
        query = next(query for query in GOLDEN if query.text == "orders")
        gate = Gate(list(ASSETS_BY_NAME.values()), [query])
        assert gate.lets_through(_renamed("retail.orders", name="retail.stg_orders_eu"))


class TestScorer:
    QUERIES = (
        Query("orders", "exact_name", "orders", {"a": 3, "b": 2}, "its name"),
        Query("money", "description", "money", {"c": 3, "d": 3}, "said"),
        Query("salmon", "zero_result", "salmon", {}, "nowhere"),
    )

    def test_a_perfect_search_scores_one(self):
        answers = {"orders": ["a", "b"], "money": ["d", "c"], "salmon": []}
        report = evaluate(self.QUERIES, answers.__getitem__)
        assert (report.total.mrr, report.total.recall_at_5, report.exact_first) == (1, 1, 1)
        assert report.nothing_found == 1
        assert report.misses == ()

    def test_rank_and_recall_are_those_of_the_right_grades(self):
        answers = {"orders": ["b", "x", "a"], "money": ["x", "c"], "salmon": ["x"]}
        report = evaluate(self.QUERIES, answers.__getitem__)
        assert report.by_class["exact_name"].mrr == 1  # acceptable is enough for the rank
        assert report.exact_first == 0  # but a name has to come first
        assert report.by_class["description"].mrr == 0.5
        assert report.by_class["description"].recall_at_5 == 0.5
        assert report.total.mrr == 0.75
        assert report.nothing_found == 0
        assert [miss.query.text for miss in report.misses] == ["orders", "money"]

    def test_more_answers_than_five_count_as_five(self):
        query = Query("team", "owner", "team", dict.fromkeys("abcdefg", 3), "all")
        report = evaluate([query], lambda _: list("gfedcba"))
        assert report.total.recall_at_5 == 1

    def test_an_answer_below_rank_ten_is_not_found(self):
        report = evaluate(self.QUERIES[:1], lambda _: [*"qrstuvwxyz", "a"])
        assert report.total.mrr == 0

    def test_the_report_reads_as_a_table(self):
        text = str(evaluate(self.QUERIES, lambda _: ["a"]))
        assert "exact_name" in text
        assert "exact name first 1.000" in text


def _texts(queries):
    return {query.text.lower() for query in queries}


def _query(text, relevant):
    return Query(text, "exact_name", text, relevant, "made up")


def _renamed(answer, *, name="sandbox.something_else"):
    return replace(ASSETS_BY_NAME[answer], name=name)


def _shares_a_name_word(query):
    names = stems(" ".join(name.replace("/", " ") for name in query.best))
    return any(word.startswith(asked) for word in names for asked in stems(query.meant))


def _evidence(words, name):
    asset = ASSETS_BY_NAME[name]
    return _evidence_of(words, places(asset), len(WORD.findall(asset.bare_name)))


def _evidence_of(words, found, name_words):
    def where(asked):
        begun = [at for word, at in found.items() if len(asked) > 2 and word.startswith(asked)]
        return max([found.get(asked, Where.NOWHERE), *begun])

    return Evidence(tuple(where(asked) for asked in words), name_words)


def _slips(left, right):
    """Return how many letters were left out, put in, replaced or swapped with the next."""
    before, row = [], list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        earlier, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(row[-1] + 1, before[j] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _likeness(left, right):
    """Return the share of three-letter pieces two words have in common, as pg_trgm counts it."""
    pieces = [
        {padded[at : at + 3] for at in range(len(padded) - 2)}
        for padded in (f"  {left} ", f"  {right} ")
    ]
    return len(pieces[0] & pieces[1]) / len(pieces[0] | pieces[1])
