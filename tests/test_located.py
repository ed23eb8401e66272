"""Located values look alike whether their members are packed or not."""

import pytest
import torch

from swarmsim.network.located import Located


def values():
    return {i: {"x": torch.tensor([float(i), 1.0]), "n": torch.tensor([i])} for i in (2, 5, 7)}


def packed():
    return Located(
        blocks=[((2, 5, 7), {"x": torch.tensor([[2.0, 1], [5, 1], [7, 1]]), "n": torch.tensor([[2], [5], [7]])})]
    )


LOCATED = {"one by one": lambda: Located(values()), "packed": packed}


@pytest.mark.parametrize("located", LOCATED.values(), ids=LOCATED)
@pytest.mark.parametrize("members", [(2, 5, 7), (7, 2), (5,)])
def test_chosen_members_are_stacked_in_the_order_asked_for(located, members):
    tree = located().stacked(members)
    assert tree["x"].tolist() == [[i, 1] for i in members]
    assert tree["n"].tolist() == [[i] for i in members]


def test_a_block_that_is_asked_for_whole_is_not_copied():
    located = packed()
    assert located.stacked((2, 5, 7)) is located.held[0][1]


@pytest.mark.parametrize("located", LOCATED.values(), ids=LOCATED)
def test_every_member_has_its_own_bytes(located):
    assert located().sizes() == dict.fromkeys((2, 5, 7), 2 * 4 + 8)  # two float32, one int64


def test_members_of_several_shapes_have_several_sizes():
    assert Located({0: torch.zeros(3), 1: torch.zeros(5), 2: None}).sizes() == {0: 12, 1: 20, 2: 0}


@pytest.mark.parametrize("located", LOCATED.values(), ids=LOCATED)
def test_what_is_held_is_every_member_once(located):
    assert [i for members, _ in located().held for i in members] == [2, 5, 7]
