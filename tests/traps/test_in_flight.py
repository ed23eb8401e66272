"""Several batches on their way, and who steps when (traps 7, 8, 20)."""

from __future__ import annotations

import numpy as np
import pytest

from swarmsim.algorithms.split import _steps, horizontal
from swarmsim.algorithms.split._flights import Flights
from tests.comparing import digest
from tests.jobs import blobs, job, run
from tests.methods import method, small_job

ORDER = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2), (2, 2)]  # 3, 2 and 3 batches, one each in turn


@pytest.fixture
def flights(monkeypatch):
    """[who is in flight, after every event]; who landed, in order; what each carried up and had when it came down."""
    seen = {"flying": [], "landed": [], "kept": {}}

    class Watched(Flights):
        def begin(self, route, state, batches):
            state = super().begin(route, state, batches)
            seen["flying"].append([(flight.route.who[0], flight.route.k) for flight, _ in self._flying])
            seen["kept"] |= {
                (flight.route.who[0], flight.route.k): digest(flight.values.values) for flight, _ in self._flying
            }
            return state

        def _down(self, state):
            flight, _ = self._flying[0]
            address = (flight.route.who[0], flight.route.k)
            assert seen["kept"].get(address, digest(flight.values.values)) == digest(flight.values.values)
            seen["landed"].append(address)
            return super()._down(state)

        def land(self, state):
            state = super().land(state)
            seen["flying"].append([(flight.route.who[0], flight.route.k) for flight, _ in self._flying])
            return state

    monkeypatch.setattr(horizontal, "Flights", Watched)
    return seen


@pytest.mark.parametrize("most", [1, 2, 4, 64])
def test_every_batch_in_flight_has_a_place_of_its_own(flights, most):
    """Trap 7: institutions alternate; each batch lands once, in order, as it went up; nothing is left at the end."""
    run(small_job("split/private", {"cut": 1, "serving": "interleaved", "in_flight": most}, rounds=1))
    assert flights["landed"] == ORDER
    assert max(map(len, flights["flying"])) == min(most - 1, len(ORDER))
    assert flights["flying"][-1] == []
    assert len(set(flights["kept"].values())) == len(flights["kept"])
    if most > 2:
        assert max(len({who for who, _ in flying}) for flying in flights["flying"]) == 3  # of three institutions


def test_nothing_is_in_flight_when_a_turn_ends(flights):
    run(small_job("split/vanilla", {"cut": 1, "in_flight": 8}, rounds=2))
    assert flights["landed"] == [(i, k) for _ in range(2) for i in range(3) for k in range((3, 2, 3)[i])]
    assert all(len({who for who, _ in flying}) <= 1 for flying in flights["flying"])


def test_nobody_steps_between_the_way_up_and_the_way_down_of_another(monkeypatch):
    """Trap 8: with one batch in flight, weights at the loss are those of the way up, at the server and everywhere."""
    seen, up, down = [], _steps.ascend, _steps.descend

    def parameters(state) -> list[str]:
        """Of every part there is; statistics move on the way up."""
        parts = [part for held in (state.members, state.server_parts) for part in held.values.values()]
        return [digest(link["weights"]["params"]) for part in parts for link in part.values()]

    def watched_up(route, state, batches):
        seen.append(("up", parameters(state)))
        return up(route, state, batches)

    def watched_down(flight, state):
        seen.append(("down", parameters(state)))
        return down(flight, state)

    monkeypatch.setattr(_steps, "ascend", watched_up)
    monkeypatch.setattr(_steps, "descend", watched_down)
    run(small_job("split/private", {"cut": 1, "serving": "interleaved"}, rounds=1))
    assert [way for way, _ in seen] == ["up", "down"] * len(ORDER)
    for k in range(0, len(seen), 2):
        assert seen[k][1] == seen[k + 1][1]


ONE_STEP = {"batch": None, "local_steps": 1, "momentum": 0.0, "weight_decay": 0.0, "cut": 1}


@pytest.mark.parametrize(
    ("axes", "waits"),
    [
        ({"serving": "concatenated", "cut_gradient": "own"}, False),
        ({"serving": "interleaved"}, True),
        ({"serving": "interleaved", "copies": "per_institution"}, False),
    ],
)
def test_institutions_served_at_once_do_not_wait_for_each_others_steps(axes, waits):
    """Trap 20: what bottom 0 learns in a step depends on its place in the order only where it is served in an order."""
    shards = blobs((24, 24, 24))
    algorithm = method("split/horizontal", **ONE_STEP, institution_weights="private", **axes)
    here, turned = (run(job(algorithm, order, rounds=1)).state for order in (shards, shards[::-1]))
    rows = [state[f"members/{i}"]["bottom"]["weights"]["params"].numpy() for state, i in ((here, 0), (turned, 2))]
    assert np.allclose(*rows, rtol=0, atol=1e-14) is not waits
