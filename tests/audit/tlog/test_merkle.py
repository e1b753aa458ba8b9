"""The tree of RFC 6962, against public vectors, against itself, and against each changed bit."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.tlog import merkle
from audit.tlog.errors import BadProof
from audit.tlog.merkle import Frontier, leaf_hash, node_hash
from audit.tlog.tiles import TileReader
from tests.every import every

VECTORS = Path(__file__).parents[2] / "vectors" / "public" / "merkle" / "testdata"
# transparency-dev/merkle testonly/constants.go: leaves and roots of trees of 1 to 8.
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
MOST = 1_500
HASHES = [leaf_hash(str(number).encode()) for number in range(MOST)]


def vectors(kind: str) -> list[Any]:
    return [
        pytest.param(json.loads(path.read_text()), id=str(path.relative_to(VECTORS)))
        for path in sorted((VECTORS / kind).rglob("*.json"))
    ]


def raw(text: str | None) -> bytes:
    """Decode a hash of a vector; the vectors write unused hashes as texts of another length."""
    value = base64.b64decode(text or "")
    return value if len(value) in (0, 32) else sha256(value).digest()


def naive(hashes: list[bytes]) -> bytes:
    """RFC 6962 2.1, as it is written there."""
    if len(hashes) < 2:
        return hashes[0] if hashes else merkle.EMPTY_ROOT
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(naive(hashes[:split]), naive(hashes[split:]))


def reader(size: int) -> TileReader:
    """Serve tiles from a list, as the database and a directory do."""

    def fetch(row: int, number: int, width: int) -> list[bytes]:
        span = 256**row
        first = number * 256
        return [
            merkle.root_of(HASHES[(first + at) * span : (first + at + 1) * span])
            for at in range(width)
        ]

    return TileReader(fetch, size)


@every("vector", vectors("inclusion"))
def test_public_inclusion_vectors(vector: dict[str, Any]) -> None:
    def check() -> None:
        merkle.verify_inclusion(
            leaf=raw(vector["leafHash"]),
            index=vector["leafIdx"],
            size=vector["treeSize"],
            proof=[raw(one) for one in vector["proof"] or []],
            root=raw(vector["root"]),
        )

    if vector["wantErr"]:
        with pytest.raises(BadProof):
            check()
    else:
        check()


@every("vector", vectors("consistency"))
def test_public_consistency_vectors(vector: dict[str, Any]) -> None:
    if vector["desc"] == "size1 is zero and size2 is not zero":
        # There the caller handles the empty tree; here every tree goes on from the empty one.
        vector = {**vector, "wantErr": False}

    def check() -> None:
        merkle.verify_consistency(
            old_size=vector["size1"],
            old_root=raw(vector["root1"]),
            new_size=vector["size2"],
            new_root=raw(vector["root2"]),
            proof=[raw(one) for one in vector["proof"] or []],
        )

    if vector["wantErr"]:
        with pytest.raises(BadProof):
            check()
    else:
        check()


def test_the_vectors_are_all_there() -> None:
    assert len(vectors("inclusion")) + len(vectors("consistency")) == 196


def test_the_known_roots_of_eight_leaves() -> None:
    for size, root in enumerate(ROOTS, 1):
        assert naive([leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == root


def test_frontier_list_and_tiles_give_one_root_for_all_sizes() -> None:
    """Up to 1,500: beyond five full tiles and across every boundary within them."""
    frontier = Frontier()
    assert frontier.root() == merkle.root_of([]) == merkle.EMPTY_ROOT
    for size in range(1, MOST + 1):
        frontier.append(HASHES[size - 1])
        root = frontier.root()
        assert merkle.root_of(HASHES[:size]) == root
        reloaded = merkle.frontier_at(reader(size), size)
        assert (reloaded.root(), reloaded.hashes) == (root, frontier.hashes)
        if size < 70 or size % 97 == 0:
            assert naive(HASHES[:size]) == root


def test_every_proof_between_small_sizes_verifies() -> None:
    roots = [naive(HASHES[:size]) for size in range(41)]
    for new in range(41):
        read = reader(new)
        for old in range(new + 1):
            proof = merkle.consistency_proof(read, old, new)
            merkle.verify_consistency(
                old_size=old, old_root=roots[old], new_size=new, new_root=roots[new], proof=proof
            )
        for index in range(new):
            proof = merkle.inclusion_proof(read, index, new)
            merkle.verify_inclusion(
                leaf=HASHES[index], index=index, size=new, proof=proof, root=roots[new]
            )


@settings(deadline=None, max_examples=60)
@given(st.integers(2, MOST), st.data())
def test_proofs_of_any_size_verify_and_for_nothing_else(size: int, data: st.DataObject) -> None:
    read, root = reader(size), merkle.root_of(HASHES[:size])
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(read, index, size)
    leaf = HASHES[index]
    merkle.verify_inclusion(leaf=leaf, index=index, size=size, proof=proof, root=root)
    for wrong in (index + 1, index - 1, index ^ 1, size, -1):
        with pytest.raises(BadProof):
            merkle.verify_inclusion(leaf=leaf, index=wrong, size=size, proof=proof, root=root)
    for longer in ([*proof, root], proof[:-1], [root, *proof]):
        with pytest.raises(BadProof):
            merkle.verify_inclusion(leaf=leaf, index=index, size=size, proof=longer, root=root)
    old = data.draw(st.integers(1, size - 1))
    way = merkle.consistency_proof(read, old, size)
    old_root = merkle.root_of(HASHES[:old])
    merkle.verify_consistency(
        old_size=old, old_root=old_root, new_size=size, new_root=root, proof=way
    )
    for other in ([*way, root], way[:-1]):
        with pytest.raises(BadProof):
            merkle.verify_consistency(
                old_size=old, old_root=old_root, new_size=size, new_root=root, proof=other
            )


def flips(value: bytes) -> list[bytes]:
    return [
        value[:at] + bytes([value[at] ^ 1 << bit]) + value[at + 1 :]
        for at in range(len(value))
        for bit in range(8)
    ]


def test_every_changed_bit_of_a_proof_is_found() -> None:
    size, index, old = 11, 6, 7
    read, root = reader(size), merkle.root_of(HASHES[:size])
    proof = merkle.inclusion_proof(read, index, size)
    for at, one in enumerate(proof):
        for flipped in flips(one):
            with pytest.raises(BadProof):
                merkle.verify_inclusion(
                    leaf=HASHES[index],
                    index=index,
                    size=size,
                    proof=[*proof[:at], flipped, *proof[at + 1 :]],
                    root=root,
                )
    way, old_root = merkle.consistency_proof(read, old, size), merkle.root_of(HASHES[:old])
    for at, one in enumerate(way):
        for flipped in flips(one):
            with pytest.raises(BadProof):
                merkle.verify_consistency(
                    old_size=old,
                    old_root=old_root,
                    new_size=size,
                    new_root=root,
                    proof=[*way[:at], flipped, *way[at + 1 :]],
                )


def test_sizes_that_no_log_has_are_refused() -> None:
    zero = bytes(32)
    for size in (0, -1, 2**62 + 1, 2**80):
        with pytest.raises(BadProof):
            merkle.verify_inclusion(leaf=zero, index=0, size=size, proof=[], root=zero)
    with pytest.raises(BadProof):
        merkle.verify_consistency(old_size=0, old_root=zero, new_size=1, new_root=zero, proof=[])
    with pytest.raises(BadProof):
        merkle.verify_inclusion(leaf=zero, index=0, size=1, proof=[], root=b"short")
