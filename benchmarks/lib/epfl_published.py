"""The fewest look-up tables of six inputs that were published for the EPFL circuits.

From github.com/lsils/benchmarks, best_results/README.md, "Best LUT-6 Implementations - 2026", the
table of LUT-6 count, as of commit 82d8cc6. They come of hours and days of search.
"""

LUTS6 = {
    "adder": 129, "bar": 512, "div": 3082, "hyp": 36451, "log2": 5986, "max": 511,
    "multiplier": 4282, "sin": 994, "sqrt": 2958, "square": 2894, "arbiter": 259, "ctrl": 25,
    "cavlc": 46, "dec": 264, "i2c": 173, "int2float": 17, "mem_ctrl": 1669, "priority": 86,
    "router": 18, "voter": 1145,
}  # fmt: skip
