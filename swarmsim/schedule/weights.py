"""W when some of its messages do not arrive."""

from __future__ import annotations

from typing import Literal

import numpy as np

from swarmsim.types import InputError, Mixing

__all__ = ["arcs", "check_conserves", "without"]

Home = Literal["self", "sender"]


def arcs(mixing: Mixing) -> tuple[np.ndarray, np.ndarray]:
    """(sender, receiver) of every entry of W, in the order of its weights; the diagonal is among them."""
    return mixing.columns, np.repeat(np.arange(mixing.n), np.diff(mixing.starts))


def without(mixing: Mixing, gone: np.ndarray, home: Home) -> Mixing:
    """W without the entries `gone` [entries], whose weight goes to the diagonal of the receiver or of the sender.

    self: w_ii += sum of lost w_ij, so rows keep their sums (and columns too, if both directions of a link are lost
    and W is symmetric). sender: w_jj += sum of lost w_ij, so columns keep their sums, whatever is lost. Whoever is
    left alone has exactly 1 on the diagonal. W itself, unchanged, where nothing is gone.
    """
    if not gone.any():
        return mixing
    sender, receiver = arcs(mixing)
    keeper, own = (receiver if home == "self" else sender), sender == receiver
    weights = mixing.weights.copy()
    weights[own] += np.bincount(keeper[gone], mixing.weights[gone], mixing.n)
    others = np.bincount(keeper[~gone & ~own], minlength=mixing.n)
    weights[own] = np.where(others == 0, 1.0, weights[own])
    starts = np.concatenate([[0], np.cumsum(np.bincount(receiver[~gone], minlength=mixing.n))])
    return Mixing(mixing.n, starts, mixing.columns[~gone], weights[~gone])


def check_conserves(mixing: Mixing, home: Home, tolerance: float = 1e-12) -> None:
    """InputError where W does not have the sums that lost weight is to keep."""
    sender, receiver = arcs(mixing)
    keeper, what, other = (receiver, "rows", "sender") if home == "self" else (sender, "columns", "self")
    if abs(np.bincount(keeper, mixing.weights, mixing.n) - 1).max() > tolerance:
        raise InputError(
            f"faults.lost_weight: {home} keeps the sums of the {what} of W, but they are not 1; write "
            f"lost_weight: {other}, or choose another topology"
        )
