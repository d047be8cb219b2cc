# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree against the definition of RFC 6962 written down word for word."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.security.merkle import (
    EMPTY_ROOT,
    Frontier,
    Tree,
    leaf_hash,
    leaf_hashes,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from heptad.standards.errors import ContractError

# The eight leaves of the Certificate Transparency test suite and the roots over the first n.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(records: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1."""
    n = len(records)
    if n == 0:
        return sha256(b"").digest()
    if n == 1:
        return sha256(b"\x00" + records[0]).digest()
    k = 1
    while k * 2 < n:
        k *= 2
    return sha256(b"\x01" + naive_root(records[:k]) + naive_root(records[k:])).digest()


def naive_path(m: int, records: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    n = len(records)
    if n == 1:
        return []
    k = 1
    while k * 2 < n:
        k *= 2
    if m < k:
        return [*naive_path(m, records[:k]), naive_root(records[k:])]
    return [*naive_path(m - k, records[k:]), naive_root(records[:k])]


def naive_subproof(m: int, records: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2."""
    n = len(records)
    if m == n:
        return [] if whole else [naive_root(records)]
    k = 1
    while k * 2 < n:
        k *= 2
    if m <= k:
        return [*naive_subproof(m, records[:k], whole), naive_root(records[k:])]
    return [*naive_subproof(m - k, records[k:], False), naive_root(records[:k])]


def test_the_eight_published_leaves_give_the_published_roots() -> None:
    tree = Tree(leaf_hashes(LEAVES))
    for size, root in enumerate(ROOTS, start=1):
        assert naive_root(LEAVES[:size]).hex() == root
        assert tree.root(size).hex() == root
        frontier = Frontier()
        frontier.extend(leaf_hashes(LEAVES[:size]))
        assert frontier.root().hex() == root
    assert tree.root(0) == EMPTY_ROOT == naive_root([])


records_lists = st.lists(st.binary(max_size=4), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(records=records_lists, data=st.data())
def test_roots_and_proofs_equal_the_definition(records: list[bytes], data: st.DataObject) -> None:
    tree = Tree()
    cut = data.draw(st.integers(0, len(records)))
    tree.extend(leaf_hashes(records[:cut]))
    tree.extend(leaf_hashes(records[cut:]))
    size = data.draw(st.integers(1, len(records)))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    assert tree.root(size) == naive_root(records[:size])
    assert tree.inclusion(index, size) == naive_path(index, records[:size])
    assert tree.consistency(old, size) == naive_subproof(old, records[:size], whole=True)


@settings(max_examples=60, deadline=None)
@given(records=records_lists, data=st.data())
def test_an_edge_resumed_anywhere_ends_in_the_same_root(
    records: list[bytes], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(records)))
    first = Frontier()
    first.extend(leaf_hashes(records[:cut]))
    second = Frontier(first.size, first.peaks)
    second.extend(leaf_hashes(records[cut:]))
    assert second.root() == naive_root(records)
    assert second.size == len(records)
    assert first.root() == naive_root(records[:cut])


def test_every_proof_up_to_24_leaves_verifies_and_no_other_statement_does() -> None:
    records = [bytes([n]) for n in range(24)]
    tree = Tree(leaf_hashes(records))
    for size in range(1, 25):
        root = tree.root(size)
        for index in range(size):
            proof = tree.inclusion(index, size)
            leaf = leaf_hash(records[index])
            assert verify_inclusion(leaf, index, size, proof, root)
            assert not verify_inclusion(leaf, (index + 1) % size, size, proof, root) or size == 1
            assert not verify_inclusion(leaf_hash(b"other"), index, size, proof, root)
            assert not verify_inclusion(leaf, index, size, [*proof, root], root)
            assert not verify_inclusion(leaf, index, size, proof[:-1], root) or not proof
            above = node_hash(root, root)
            assert not verify_inclusion(leaf, index, size, [*proof, root], above)
        for old in range(size + 1):
            proof = tree.consistency(old, size)
            assert verify_consistency(old, size, proof, tree.root(old), root)
            assert not verify_consistency(old, size, proof, EMPTY_ROOT, root) or old == 0
            assert not verify_consistency(old, size, [*proof, root], tree.root(old), root)
            if 0 < old < size:
                assert not verify_consistency(old, size, proof, tree.root(old), EMPTY_ROOT)
                assert not verify_consistency(old, size, proof[:-1], tree.root(old), root)
                assert not verify_consistency(old, size, [], tree.root(old), root)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_proof_with_one_bit_changed_proves_nothing(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    records = [bytes([n]) for n in range(size)]
    tree = Tree(leaf_hashes(records))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size - 1))
    for proof, check in (
        (
            tree.inclusion(index),
            lambda path: verify_inclusion(
                leaf_hash(records[index]), index, size, path, tree.root()
            ),
        ),
        (
            tree.consistency(old),
            lambda path: verify_consistency(old, size, path, tree.root(old), tree.root()),
        ),
    ):
        assert check(proof)
        if proof:
            at = data.draw(st.integers(0, len(proof) - 1))
            bit = data.draw(st.integers(0, 255))
            node = int.from_bytes(proof[at]) ^ (1 << bit)
            assert not check([*proof[:at], node.to_bytes(32), *proof[at + 1 :]])
            assert not check([*proof[:at], proof[at][:-1], *proof[at + 1 :]])


@pytest.mark.parametrize(
    "ask",
    [
        lambda tree: tree.root(6),
        lambda tree: tree.root(-1),
        lambda tree: tree.inclusion(5),
        lambda tree: tree.inclusion(-1),
        lambda tree: tree.inclusion(0, 6),
        lambda tree: tree.inclusion(0, 0),
        lambda tree: tree.consistency(4, 3),
        lambda tree: tree.consistency(1, 6),
        lambda tree: tree.consistency(-1),
        lambda tree: tree.extend([b"short"]),
        lambda _: Frontier(3, [EMPTY_ROOT]),
        lambda _: Frontier(1, [b"short"]),
    ],
)
def test_questions_outside_the_tree_are_refused(ask) -> None:
    with pytest.raises(ContractError):
        ask(Tree(leaf_hashes([b"a", b"b", b"c", b"d", b"e"])))


def test_verifiers_refuse_sizes_that_make_no_sense() -> None:
    leaf = leaf_hash(b"a")
    assert not verify_inclusion(leaf, 0, 0, [], leaf)
    assert not verify_inclusion(leaf, -1, 1, [], leaf)
    assert not verify_consistency(2, 1, [], leaf, leaf)
    assert not verify_consistency(-1, 1, [], leaf, leaf)
    assert not verify_consistency(1, 1, [], leaf, EMPTY_ROOT)
