"""Packed members computed a few at a time give what they give together."""

import pytest
import torch

from swarmsim.local.pieces import PIECE, in_pieces


def halved(calls):
    """x / 2, and the sum of what is beside x; notes how many members it was called with."""

    def f(member, beside, nothing):
        calls.append(len(member["x"]) if member["x"].dim() == 2 else None)
        return {"half": member["x"] / 2, "kept": nothing}, beside[0].sum(-1)

    return in_pieces(f)


@pytest.mark.parametrize(
    ("rows", "width", "expected"),
    [
        (5, PIECE // 2, [2, 2, 1]),  # the last piece is smaller
        (4, PIECE // 4, [4]),  # exactly one piece
        (2, PIECE + 1, [1, 1]),  # never less than a row
        (1, PIECE * 2, [1]),
    ],
)
def test_many_rows_are_cut_into_pieces_and_put_together_in_order(rows, width, expected):
    x = torch.arange(rows, dtype=torch.float32).unsqueeze(1).expand(rows, width)
    beside, calls = [torch.arange(rows * 3).view(rows, 3)], []
    (member, sums) = halved(calls)({"x": x}, beside, None)
    assert calls == expected
    assert torch.equal(member["half"], x / 2)
    assert member["kept"] is None
    assert sums.tolist() == [9 * i + 3 for i in range(rows)]  # 3i + (3i + 1) + (3i + 2)


def test_a_single_row_is_one_call():
    calls = []
    member, total = halved(calls)({"x": torch.ones(PIECE + 1)}, [torch.arange(3)], None)
    assert calls == [None]
    assert member["half"].sum() == (PIECE + 1) / 2
    assert total == 3
