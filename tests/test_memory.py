from __future__ import annotations

import subprocess
import sys

import numpy as np

from gatewright.memory import peak_rss

#: Holds 200 MB, lets them go, and says what it held at most.
CHILD = """
from gatewright.memory import peak_rss
held = bytearray(b"1") * 200_000_000
del held
print(peak_rss())
"""


def test_the_peak_is_of_this_process_and_not_of_the_one_that_started_it():
    ours = np.ones(600_000_000, np.uint8)  # held while the other starts
    done = subprocess.run([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, check=True)
    assert peak_rss() > ours.nbytes
    assert 200e6 < int(done.stdout) < 500e6
