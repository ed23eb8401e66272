"""Every random number has an address (trap 47)."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmsim.rng import seed_for, stream

ADDRESSES = st.tuples(
    st.integers(0, 2**40),
    st.text(max_size=6),
    st.lists(st.integers(0, 50) | st.text(max_size=3), max_size=4).map(tuple),
)


@given(st.lists(ADDRESSES, unique_by=repr, min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_two_addresses_never_share_a_seed(addresses):
    seeds = {seed_for(seed, purpose, *rest) for seed, purpose, rest in addresses}
    assert len(seeds) == len(addresses)


def test_seed_and_round_do_not_add_up():
    seeds = {seed_for(seed, "batches", t, i) for seed in range(12) for t in range(12) for i in range(12)}
    assert len(seeds) == 12**3


def test_where_an_address_ends_matters():
    assert (
        len(
            {
                seed_for(1, "a", 2, 3),
                seed_for(1, "a", 23),
                seed_for(12, "a", 3),
                seed_for(1, "a2", 3),
                seed_for(1, "a", "2", 3),
            }
        )
        == 5
    )


@given(ADDRESSES)
@settings(max_examples=40, deadline=None)
def test_an_address_has_one_stream_whatever_was_drawn_before(address):
    seed, purpose, rest = address
    first = stream(seed, purpose, *rest).integers(2**60, size=4).tolist()
    stream(seed + 1, purpose, *rest).integers(9, size=100)
    assert stream(seed, purpose, *rest).integers(2**60, size=4).tolist() == first
    assert 0 <= seed_for(seed, purpose, *rest) < 2**63


def test_streams_of_neighbouring_addresses_are_unrelated():
    rows = np.stack([stream(0, "batches", t, i).normal(size=4000) for t in range(3) for i in range(3)])
    correlations = np.corrcoef(rows) - np.eye(9)
    assert np.abs(correlations).max() < 0.08


def test_a_numpy_integer_in_an_address_is_the_same_address():
    """A permutation or np.arange gives numpy integers, whose repr is another."""
    assert seed_for(0, "batches", 1, np.int64(2)) == seed_for(0, "batches", 1, 2)


def test_another_process_draws_the_same_numbers():
    """No salted hash."""
    program = "from swarmsim.rng import seed_for; print(seed_for(3, 'batches', 1, 2))"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert int(printed) == seed_for(3, "batches", 1, 2)
