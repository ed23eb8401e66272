"""Compressors: what arrives, how far it is from what was sent, and how many bytes it took."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmsim.rng import stream
from swarmsim.trees import nbytes
from swarmsim.wire.compressor import Compressor
from swarmsim.wire.packing import pack, unpack

D = 1003
KINDS = {
    "identity": ({}, 8 * D),
    "top_k": ({"fraction": 0.01}, 10 * (8 + 4)),
    "random_k": ({"fraction": 0.01}, 10 * 8),
    "sign": ({}, 126 + 8),  # ceil(1003 / 8) bytes and a scale
    "quantised 8": ({"bits": 8}, 1003 + 8),
    "quantised 4": ({"bits": 4}, 502 + 8),
    "quantised 2": ({"bits": 2}, 251 + 8),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def compressor(kind: str, **more) -> Compressor:
    return Compressor(use=kind.split()[0], **KINDS[kind][0], **more)


def row(d: int = D, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.Generator(np.random.PCG64(seed)).normal(size=d))


def there(chosen: Compressor, x: torch.Tensor, *address: int) -> torch.Tensor:
    """Q(x), as the receiver has it."""
    sent = chosen.compress(x, stream(0, "wire", *address))
    return chosen.restore(sent, len(x), stream(0, "wire", *address))


@every_kind
def test_bytes_are_those_of_everything_that_crosses(kind):
    """Trap 15: places count, and so do scales."""
    assert nbytes(compressor(kind).compress(row(), stream(0, "wire"))) == KINDS[kind][1]


@every_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d", [1, 7, 8, 9])
def test_what_arrives_has_the_shape_and_dtype_of_the_row_which_is_left_alone(kind, dtype, d):
    x = row(d).to(dtype)
    before = x.clone()
    arrived = there(compressor(kind), x)
    assert (arrived.shape, arrived.dtype) == (x.shape, dtype)
    assert x.equal(before)
    assert there(compressor(kind), torch.zeros(d, dtype=dtype)).equal(torch.zeros(d, dtype=dtype))


def test_identity_is_the_row():
    assert there(compressor("identity"), row()).equal(row())


def test_top_k_keeps_the_largest_where_they_were():
    x = row()
    largest = np.argsort(-x.abs().numpy())[:10]
    expected = np.zeros(D)
    expected[largest] = x.numpy()[largest]
    assert there(compressor("top_k"), x).numpy().tobytes() == expected.tobytes()


def test_the_places_of_random_k_have_an_address():
    chosen = Compressor(use="random_k", fraction=0.1)
    first, second = there(chosen, row(), 0), there(chosen, row(), 1)
    assert first.equal(there(chosen, row(), 0))
    assert not first.equal(second)
    kept = first != 0
    assert kept.sum() == 100
    assert first[kept].equal(row()[kept])


@pytest.mark.parametrize(
    "chosen",
    [
        Compressor(use="random_k", fraction=0.25, scaled=True),
        Compressor(use="quantised", bits=2),
        Compressor(use="quantised", bits=4),
    ],
    ids=["random_k", "2 bits", "4 bits"],
)
def test_unbiased_compressors_are_right_on_average(chosen):
    x, draws = row(16), 8000
    found = torch.stack([there(chosen, x, k) for k in range(draws)])
    error = (found.mean(0) - x).abs() / (found.std(0) / draws**0.5 + 1e-12)
    assert error.max() < 4.5  # standard errors


@pytest.mark.parametrize(("scaled", "expected"), [(False, 1 - 0.25), (True, 1 / 0.25 - 1)])
def test_random_k_loses_the_share_that_it_leaves_out(scaled, expected):
    chosen, x = Compressor(use="random_k", fraction=0.25, scaled=scaled), row(16)
    lost = [float((there(chosen, x, k) - x).square().sum() / x.square().sum()) for k in range(4000)]
    assert np.mean(lost) == pytest.approx(expected, rel=0.03)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40), st.integers(0, 5))
def test_errors_keep_their_bounds(numbers, address):
    x = torch.tensor(numbers, dtype=torch.float64)
    d, norm = len(x), x.square().sum()
    k = max(1, round(0.3 * d))
    slack = 1e-9 * (1 + norm)
    assert (there(Compressor(use="top_k", fraction=0.3), x) - x).square().sum() <= (1 - k / d) * norm + slack
    signs = there(Compressor(use="sign"), x)
    assert torch.isclose((signs - x).square().sum(), norm - x.abs().sum() ** 2 / d, rtol=1e-9, atol=float(slack))
    for bits in (2, 4, 8):
        off = (there(Compressor(use="quantised", bits=bits), x, address) - x).abs().max()
        assert off <= x.abs().max() / (2 ** (bits - 1) - 1) * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([1, 2, 4, 8]))
def test_packed_numbers_come_back(data, bits):
    numbers = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=30))
    packed = pack(torch.tensor(numbers, dtype=torch.uint8), bits)
    assert len(packed) == -(-len(numbers) * bits // 8)
    assert unpack(packed, bits, len(numbers)).tolist() == numbers


def test_one_bit_numbers_are_packed_as_numpy_packs_them():
    bits = np.random.Generator(np.random.PCG64(1)).integers(0, 2, 21).astype(np.uint8)
    assert pack(torch.from_numpy(bits), 1).tolist() == np.packbits(bits, bitorder="little").tolist()


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"use": "top_k"}, "needs fraction"),
        ({"use": "sign", "fraction": 0.1}, "does not read fraction"),
        ({"use": "top_k", "fraction": 0.1, "scaled": True}, "does not read scaled"),
        ({"use": "identity", "bits": 4}, "does not read bits"),
        ({"use": "top_k", "fraction": 0.0}, "greater than 0"),
        ({"use": "quantised", "bits": 3}, "2, 4 or 8"),
        ({"use": "top"}, "'identity', 'top_k'"),
    ],
)
def test_what_would_be_ignored_or_is_missing_is_refused(written, words):
    with pytest.raises(ValueError, match=words):
        Compressor(**written)
