"""fraig: one gate for all that compute the same function, however they do it.

SAT sweeping (`gatewright.sat_sweep`): gates that no sample tells apart are compared by truth tables
of small windows and by the solver. Gates here are 0 where all inputs are, so complements and
constants are among the equal ones.
"""

from __future__ import annotations

import numpy as np

from gatewright.circuit import Circuit
from gatewright.passes.strash import strash
from gatewright.passes.sweep import sweep
from gatewright.sat_sweep import merge
from gatewright.window import Meter

#: Conflicts that one comparison may cost, and seconds that all may take together.
CONFLICTS = 100
SECONDS = 30.0


def fraig(circuit: Circuit) -> Circuit:
    """The same function without gates that are equal to others, or constant; some may be missed."""
    meter = Meter(SECONDS, None)
    return sweep(merge(strash(circuit), meter, np.random.default_rng(0), CONFLICTS))
