"""Trees of every size, proofs between all pairs; the vectors of certificate transparency."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core import merkle
from provender.core.digest import sha256
from provender.core.merkle import Frontier

CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the first one, two, … eight leaves: the vectors of the reference implementation of RFC 6962."""
MOST = 17
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(MOST)]


def slow_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, 2.1, read aloud."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return sha256(b"\x01" + slow_root(leaves[:middle]) + slow_root(leaves[middle:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    leaves = [merkle.leaf_hash(data) for data in CT_LEAVES[:size]]
    assert merkle.root_of(leaves).hex() == CT_ROOTS[size - 1]


@pytest.mark.parametrize("size", range(MOST + 1))
def test_a_tree_that_grew_leaf_by_leaf_has_the_root_of_the_definition(size: int) -> None:
    tree = Frontier()
    for leaf in LEAVES[:size]:
        tree = tree.with_leaf(leaf)
    assert (tree.size, tree.root) == (size, slow_root(LEAVES[:size]))
    assert len(tree.peaks) == size.bit_count()


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_every_leaf_is_proven_at_its_place_and_no_other(size: int) -> None:
    leaves, root = LEAVES[:size], slow_root(LEAVES[:size])
    for index, leaf in enumerate(leaves):
        proof = merkle.inclusion(index, leaves)
        for place in range(-1, size + 1):
            assert merkle.includes(leaf, place, size, proof, root) == (place == index)
        assert not merkle.includes(LEAVES[index - 1], index, size, proof, root) or size == 1
        assert not merkle.includes(leaf, index, size, (*proof, root), root)
        if proof:
            assert not merkle.includes(leaf, index, size, proof[:-1], root)


@pytest.mark.parametrize("larger", range(1, MOST + 1))
def test_every_tree_is_proven_to_be_the_start_of_every_larger_one(larger: int) -> None:
    leaves, whole = LEAVES[:larger], slow_root(LEAVES[:larger])
    for size in range(1, larger + 1):
        root, proof = slow_root(leaves[:size]), merkle.consistency(size, leaves)
        assert merkle.extends(size, root, larger, whole, proof)
        assert not merkle.extends(size, root, larger, whole, (*proof, whole))
        assert not merkle.extends(size, sha256(b"else"), larger, whole, proof)
        assert not merkle.extends(size, root, larger, sha256(b"else"), proof)
        for cut in range(len(proof)):
            assert not merkle.extends(size, root, larger, whole, proof[:cut])


def test_nothing_and_more_than_all_are_no_start() -> None:
    assert not merkle.extends(0, sha256(b""), 2, slow_root(LEAVES[:2]), ())
    assert not merkle.extends(3, slow_root(LEAVES[:3]), 2, slow_root(LEAVES[:2]), ())


@given(st.data())
def test_no_changed_proof_is_taken(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, MOST))
    index = data.draw(st.integers(0, size - 1))
    proof = list(merkle.inclusion(index, LEAVES[:size]))
    at = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    proof[at] = (int.from_bytes(proof[at], "big") ^ (1 << bit)).to_bytes(32, "big")
    assert not merkle.includes(LEAVES[index], index, size, proof, slow_root(LEAVES[:size]))
