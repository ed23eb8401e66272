"""Every rule there is, with arguments under which it takes `M` rows or more."""

from __future__ import annotations

import numpy as np
import torch

from swarmsim.merge.base import Merge
from swarmsim.merge.bulyan import Bulyan
from swarmsim.merge.centred_clipping import CentredClipping
from swarmsim.merge.geometric_median import GeometricMedian
from swarmsim.merge.krum import Krum
from swarmsim.merge.mean import Mean
from swarmsim.merge.median import Median
from swarmsim.merge.trimmed_mean import TrimmedMean

__all__ = ["M", "RULES", "equal", "merged"]

M = 7

RULES: dict[str, Merge] = {
    "mean": Mean(),
    "median": Median(),
    "geometric_median": GeometricMedian(),
    "trimmed_mean": TrimmedMean(trim=2),
    "krum": Krum(byzantine=2),
    "multi_krum": Krum(byzantine=1, keep=3),
    "bulyan": Bulyan(byzantine=1),
    "centred_clipping": CentredClipping(tau=3.0, iterations=2),
}


def equal(m: int) -> list[float]:
    return [1 / m] * m


def merged(rule: Merge, rows, weights=None, centre=None) -> np.ndarray:
    """What a rule makes of float64 rows [m, d]; the receiver is the first institution unless a centre is given."""
    rows = torch.tensor(np.asarray(rows, dtype=float))
    centre = rows[0] if centre is None else torch.tensor(np.asarray(centre, dtype=float))
    return rule.merge(rows, equal(len(rows)) if weights is None else list(weights), centre).numpy()
