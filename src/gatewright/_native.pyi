import numpy as np
import numpy.typing as npt

def simulate(
    num_inputs: int,
    fanin: npt.NDArray[np.int32],
    table: npt.NDArray[np.uint8],
    outputs: npt.NDArray[np.int32],
    words: npt.NDArray[np.uint64],
) -> npt.NDArray[np.uint64]: ...
def simulate_nodes(
    num_inputs: int,
    fanin: npt.NDArray[np.int32],
    table: npt.NDArray[np.uint8],
    words: npt.NDArray[np.uint64],
) -> npt.NDArray[np.uint64]: ...
def instruction_set() -> str: ...
