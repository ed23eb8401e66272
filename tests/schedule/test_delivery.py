"""What happens to single messages: how often, how late, and that every number belongs to its address."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from swarmsim.schedule.delivery import Delivery
from swarmsim.types import InputError
from tests.schedule.graphs import faults

MANY = 4000


def delivery(resends: bool = True, seed: int = 0, **written) -> Delivery | None:
    return Delivery.of(faults(**written), seed, resends)


def independent(p: float, **more) -> dict:
    return {"link_loss": {"use": "independent", "probability": p, **more}}


def bursts(**more) -> dict:
    return {"link_loss": {"use": "gilbert_elliott", "to_bad": 0.1, "to_good": 0.25, **more}}


def lost(made: Delivery, rounds: int = MANY) -> np.ndarray:
    return np.array([made.lost(t, "a", "b") for t in range(1, rounds + 1)])


def test_without_such_faults_there_is_nothing_to_ask():
    assert Delivery.of(None, 0, True) is None
    assert delivery() is None
    assert delivery(participation=0.5) is None
    assert delivery(resends=False, **independent(0.5)) is None
    only = delivery(duplication=1.0)
    assert (only.lost(1, "a", "b"), only.copies(1, "a", "b"), only.late(1, "a", "b")) == (0, 1, 0.0)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.6])
def test_attempts_are_geometric(p):
    """P(k attempts are lost) = p^k (1 - p): mean p / (1 - p), variance p / (1 - p)^2."""
    found = lost(delivery(**independent(p)))
    assert abs(found.mean() - p / (1 - p)) <= 3 * (p / (1 - p) ** 2 / MANY) ** 0.5
    assert abs((found == 0).mean() - (1 - p)) <= 3 * (p * (1 - p) / MANY) ** 0.5


def test_bursts_have_their_share_and_end():
    """Share of bad rounds: .1 / .35. Then attempts are lost until the link turns: 1 + geometric, mean 1 / .25."""
    found = lost(delivery(**bursts()), 20_000)
    bad = found > 0
    assert bad.mean() == pytest.approx(0.1 / 0.35, abs=0.02)
    assert found[bad].mean() == pytest.approx(1 / 0.25, rel=0.05)
    stays = bad[1:][bad[:-1]].mean()
    assert stays == pytest.approx(0.75, abs=0.03)


def test_losses_on_good_links_too():
    found = lost(delivery(**bursts(to_bad=1e-9, lost_good=0.2)))
    assert found.mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("written", [independent(1.0), bursts(lost_good=1.0)])
def test_a_message_that_never_arrives_is_refused(written):
    with pytest.raises(InputError, match="link_loss: every attempt is lost"):
        delivery(**written)
    assert delivery(resends=False, **written) is None


def test_both_directions_have_the_same_fate_where_they_are_told_to():
    for written in (independent(0.5), bursts()):
        both = delivery(**written)
        assert all(both.lost(t, "a", "b", k) == both.lost(t, "b", "a", k) for t in range(1, 40) for k in range(3))
        written["link_loss"]["symmetric"] = False
        each = delivery(**written)
        assert any(each.lost(t, "a", "b") != each.lost(t, "b", "a") for t in range(1, 40))


def test_copies_and_hold_ups_have_their_probability():
    made = delivery(duplication=0.3, reordering={"probability": 0.2, "seconds": 7})
    copies = [made.copies(t, "a", "b", k) for t in range(1, 401) for k in range(10)]
    late = [made.late(t, "a", "b", k) for t in range(1, 401) for k in range(10)]
    assert np.mean(copies) == pytest.approx(0.3, abs=3 * (0.21 / MANY) ** 0.5)
    assert set(late) == {0.0, 7.0}
    assert np.mean(late) / 7 == pytest.approx(0.2, abs=3 * (0.16 / MANY) ** 0.5)


def test_every_number_belongs_to_its_address_whoever_asks_first():
    written = {**bursts(lost_bad=0.7), "duplication": 0.5, "reordering": {"probability": 0.5, "seconds": 1}}
    asked = [(t, src, dst, k) for t in range(1, 41) for src in "abs" for dst in "abs" if src != dst for k in range(3)]

    def said(made: Delivery, order) -> dict:
        return {key: (made.lost(*key), made.copies(*key), made.late(*key)) for key in order}

    there, back = said(delivery(**written), asked), said(delivery(**written), asked[::-1])
    assert there == back == said(pickle.loads(pickle.dumps(delivery(**written))), asked)
    assert there != said(delivery(seed=1, **written), asked)
    for what in range(3):  # k counts for each of the three
        found = [value[what] for value in there.values()]
        assert any(len(set(found[first : first + 3])) > 1 for first in range(0, len(found), 3))
