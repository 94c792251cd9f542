"""Optimisation: passes from circuit to circuit, each followed by a proof that it changed nothing.

A pass is a function in a file of its own name, listed in `PASSES`. `optimize` runs a pipeline of
them; after every pass the result is proved equal to what went in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from gatewright import abc
from gatewright.circuit import Circuit, Stats
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.passes.ands import ands
from gatewright.passes.bypass import bypass
from gatewright.passes.collapse import collapse
from gatewright.passes.deep import deep
from gatewright.passes.exact import exact
from gatewright.passes.fraig import fraig
from gatewright.passes.kick import kick
from gatewright.passes.objectives import LUT_INPUTS, OBJECTIVES, Deadline, Goal, cpu_seconds
from gatewright.passes.products import products
from gatewright.passes.reasons import reasons
from gatewright.passes.restructure import balance, refactor, resub
from gatewright.passes.resynthesize import LARGE, finished, resynthesize
from gatewright.passes.rewrite import rewrite
from gatewright.passes.shorten import shorten
from gatewright.passes.strash import strash
from gatewright.passes.sweep import sweep
from gatewright.passes.tables import tables
from gatewright.passes.two_level import two_level
from gatewright.passes.walk import COSTS, WHOLE_GATES, walk
from gatewright.verify import NotEquivalent, Proof, Undecided, prove

__all__ = ["EFFORTS", "OBJECTIVES", "PASSES", "Record", "optimize", "pipeline"]

Pass = Callable[[Circuit, Goal], Circuit]

PASSES: dict[str, Pass] = {
    "strash": lambda circuit, _: strash(circuit),
    "sweep": lambda circuit, _: sweep(circuit),
    "fraig": lambda circuit, _: fraig(circuit),
    "collapse": lambda circuit, goal: goal.best(circuit, finished(collapse(circuit), goal)),
    "rebuild": lambda circuit, goal: _rebuilt(circuit, goal),
    "two_level": two_level,
    "rewrite": lambda circuit, goal: goal.best(circuit, rewrite(circuit)),
    "ands": lambda circuit, _: ands(circuit),
    "products": lambda circuit, _: products(circuit),
    "resub": resub,
    "refactor": refactor,
    "balance": balance,
    "bypass": lambda circuit, _: bypass(circuit),
    "shorten": shorten,
    "resynthesize": resynthesize,
    "deep": deep,
    "kick": kick,
    "tables": tables,
    "exact": exact,
    "walk": walk,
}

#: Those that ask ABC. What they propose is dropped where it is wrong or not proved in time.
EXTERNAL = (
    *("resub", "refactor", "balance", "two_level", "resynthesize", "deep", "kick", "tables"),
    "shorten",
)

#: Those that take as long as they are given: the first a share of the time budget, of a large
#: circuit more, since ABC's scripts take seconds there; then each its part of what is left, but a
#: walk between two others less: it is there to change the structure, and the last makes it small.
TIMED = (*EXTERNAL, "exact", "walk")

#: Those whose result is dropped where it is not proved in time.
UNSURE = (*TIMED, "products")

#: Shares of the time budget for the first of TIMED and, of what is left then, for later ones.
FIRST_SHARE = 0.4
FIRST_SHARE_OF_LARGE = 0.6
LATER_SHARES = {"walk": 0.1, "resynthesize": 0.35}

#: The same where ANDs are to be few, the first of them too.
SHARES_FOR_ANDS = {"walk": 0.06, "resynthesize": 0.5}

#: Those that try another beginning before: shares of the time budget.
BEGINNINGS = {"rebuild": 0.1, "two_level": 0.1}

OWN = ("fraig", "collapse", "rewrite")

#: What each effort runs; without ABC the passes that need it are left out. Those begin before our
#: own change the structure, and go on behind them.
EFFORTS: tuple[tuple[str, ...], ...] = (
    ("strash",),
    ("strash", "sweep"),
    (
        *("strash", "sweep", "rebuild", "two_level", "resynthesize", *OWN, "walk"),
        *("resynthesize", "walk", "kick", "sweep"),
    ),
    (
        *("strash", "sweep", "rebuild", "two_level", "deep", *OWN, "walk", "resynthesize", "deep"),
        *("walk", "sweep"),
    ),
)

#: What an effort from 2 on runs where tables are to be few, if there is ABC; `fraig`
#: where the circuit is large, `two_level` where it is not.
FOR_TABLES = ("strash", "sweep", "two_level", "fraig", "tables", "sweep")

#: What an effort from 2 on runs where ANDs are to be few. The first walk is short, and for circuits
#: of more than WHOLE_GATES: it disturbs the structure, since regular circuits have one that ABC's
#: scripts do not find out of.
FOR_ANDS = (
    *("strash", "sweep", "rebuild", "two_level", "fraig", "walk", "resynthesize", "fraig", "ands"),
    *("walk", "products", "sweep"),
)

#: Of the searches of the greatest effort.
PERSISTENCE = 8

#: What is left out where gates or ANDs are to be few, since `walk` does that and more; for other
#: objectives `walk` is, since it does nothing. What `collapse` makes, `rebuild` has seen.
WALK_REPLACES = ("collapse", "rewrite", "kick")

#: What brings down the depth, in place of all that makes circuits small; the second without ABC.
SHORTEN = ("strash", "sweep", "shorten", "sweep")
SHORTEN_ALONE = ("strash", "sweep", "bypass")

#: Least time for a proof, and in time budgets: a search that had more time is further off.
PROOF_SECONDS = 60.0
PROOF_BUDGETS = 2

Optimized = TypeVar("Optimized", Circuit, Model)


@dataclass(frozen=True)
class Record:
    """What one pass did.

    Attributes:
        name: the pass; "best" where what an earlier one left is returned, whose proof this is.
        before, after: sizes.
        cpu_seconds: that it took, programs that it called included.
        proof: that both are equal; None where the result was dropped.
        dropped: why it was, or why an earlier stage of the search took its place, else "".
        removed: gates that went, by reason; see `gatewright.passes.reasons`.
    """

    name: str
    before: Stats
    after: Stats
    cpu_seconds: float
    proof: Proof | None
    dropped: str = ""
    removed: dict[str, int] = field(default_factory=dict[str, int])


def pipeline(description: str) -> tuple[str, ...]:
    """Pass names of a description such as "strash; sweep"; InputError names an unknown one."""
    names = tuple(name.strip() for name in description.split(";") if name.strip())
    for name in names:
        if name not in PASSES:
            raise InputError(f"unknown pass {name!r}; known: {', '.join(PASSES)}")
    return names


def optimize(
    subject: Optimized,
    effort: int = 2,
    *,
    objective: str = "gates",
    passes: Sequence[str] | None = None,
    time_budget: float = 60.0,
    seed: int = 0,
    seconds: float | None = None,
    record: Callable[[Record], None] | None = None,
) -> Optimized:
    """The circuit (or the model, its circuit) made smaller, proved equal after every pass.

    Args:
        effort: 0 folds and shares, 1 drops dead gates too, 2 merges what is equal, rebuilds small
            circuits from their truth tables, and others from sums of products, resynthesises them
            (with ABC, where it is installed) and walks, 3 also searches for `time_budget` seconds.
        objective: what is to be small: "gates", "and" (XORs are free), "depth", or look-up tables
            of so many inputs: "lut3", "lut4", "lut6".
        passes: names to run instead of the effort's pipeline.
        time_budget: CPU seconds that the passes may take together; proofs come on top. Those that
            search end when it is up.
        seed: of what is random in a search.
        seconds: time for each proof; by default PROOF_SECONDS, or PROOF_BUDGETS time budgets.
        record: called with a Record after each pass.

    Raises:
        InputError: there is no such effort, objective or pass.
        MissingTool: a pass was asked for by name that needs ABC, and there is none.
        NotEquivalent: a pass has a defect, and the input that shows it.
        Undecided: a proof took longer than it may. What ABC proposes is dropped in both cases, what
            `walk` found in this, or what is proved of a search's stages takes its place, and the
            record says so: nothing unproved is returned.
    """
    if isinstance(subject, Model):
        smaller = optimize(
            subject.circuit, effort, objective=objective, passes=passes, time_budget=time_budget,
            seed=seed, seconds=seconds, record=record,
        )  # fmt: skip
        return replace(subject, circuit=smaller)
    if seconds is None:
        seconds = max(PROOF_SECONDS, PROOF_BUDGETS * time_budget)
    if not 0 <= effort < len(EFFORTS):
        raise InputError(f"effort is from 0 to {len(EFFORTS) - 1}, not {effort}")
    is_kept = passes is None and objective == "and"  # each pass for another objective keeps its own
    if passes is None:
        passes = _passes_of(effort, objective, subject.num_gates)
    goal = Goal(objective, time_budget, seed, PERSISTENCE if effort == len(EFFORTS) - 1 else 1)
    num_searches = sum(name in TIMED and name not in BEGINNINGS for name in passes)
    seconds_left = time_budget
    first_share, later_shares = _shares(objective, subject.num_gates > LARGE)
    circuit = subject
    proved: list[tuple[Circuit, Proof]] = []
    for name in passes:
        if name not in PASSES:
            raise InputError(f"unknown pass {name!r}; known: {', '.join(PASSES)}")
        begin = cpu_seconds()
        goal = replace(goal, stages=[])
        if name in BEGINNINGS:
            goal = replace(goal, seconds=BEGINNINGS[name] * time_budget)
        elif name in TIMED:
            share = 1 / num_searches
            if num_searches > 1:
                share = first_share or min(share, later_shares.get(name, share))
            num_searches, first_share = num_searches - 1, 0.0
            goal = replace(goal, seconds=seconds_left * share)
        after = PASSES[name](circuit, goal)
        spent = cpu_seconds() - begin
        seconds_left = max(0.0, seconds_left - spent)
        after, proof, dropped = _proved(name, circuit, after, goal, seconds)
        if record is not None:
            removed = reasons(name, circuit, after)
            record(Record(name, circuit.stats(), after.stats(), spent, proof, dropped, removed))
        proved += [(after, proof)] if proof else []
        circuit = after
    return _kept(circuit, proved, goal, record) if is_kept else circuit


def _kept(
    last: Circuit,
    proved: Sequence[tuple[Circuit, Proof]],
    goal: Goal,
    record: Callable[[Record], None] | None,
) -> Circuit:
    """What the last pass left, or an earlier one, if that costs less.

    ABC makes gates fewer, perhaps at the price of ANDs that nothing wins back.
    """
    best, proof = min(proved, key=lambda made: goal.cost(made[0]))
    if goal.cost(best) >= goal.cost(last):
        return last
    if record is not None:
        record(Record("best", last.stats(), best.stats(), 0.0, proof))
    return best


def _shares(objective: str, is_large: bool) -> tuple[float, dict[str, float]]:
    if objective == "and":
        return 0.0, SHARES_FOR_ANDS
    return FIRST_SHARE_OF_LARGE if is_large else FIRST_SHARE, LATER_SHARES


def _rebuilt(circuit: Circuit, goal: Goal) -> Circuit:
    """From truth tables, where that leaves at most half of the gates.

    Else the structure is worth more to what comes next.
    """
    found = collapse(circuit, 0.5, goal.seconds)
    return circuit if found is circuit else goal.best(circuit, finished(found, goal))


def _proved(
    name: str, circuit: Circuit, after: Circuit, goal: Goal, seconds: float
) -> tuple[Circuit, Proof | None, str]:
    """What a pass made, or the best of its stages that is proved equal, the proof, and what failed.

    A large circuit's stages are proved one from another, which costs less than all at once; others
    only where that is undecided in half the time.
    """
    stages = goal.stages if len(goal.stages) > 1 else []
    if stages and circuit.num_gates > LARGE:
        return _step_by_step(circuit, stages, goal, seconds)
    try:
        proof = prove(circuit, after, seconds=seconds / 2 if stages else seconds)
    except (NotEquivalent, Undecided) as error:
        if name not in (EXTERNAL if isinstance(error, NotEquivalent) else UNSURE):
            raise
        best, proof, _ = _step_by_step(circuit, stages, goal, seconds / 2)
        return best, proof, str(error)
    return after, proof, ""


def _step_by_step(
    circuit: Circuit, stages: Sequence[Circuit], goal: Goal, seconds: float
) -> tuple[Circuit, Proof | None, str]:
    """The best of the stages that are proved equal, each by way of those before it.

    Returns:
        it, the sum of the proofs, and why the first was not proved that was not; the circuit and
        None where none was.
    """
    last, proved, whole, failed = circuit, list[Circuit](), None, ""
    deadline = Deadline(seconds)
    for n, stage in enumerate(stages):
        try:
            proof = prove(last, stage, seconds=deadline.left / (len(stages) - n))
        except (NotEquivalent, Undecided) as error:
            failed = failed or f"step {n + 1} of {len(stages)}: {error}"
            continue
        whole = replace(
            proof,
            seconds=proof.seconds + (whole.seconds if whole else 0.0),
            num_merged=proof.num_merged + (whole.num_merged if whole else 0),
            conflicts=proof.conflicts + (whole.conflicts if whole else 0),
            solver=proof.solver or (whole.solver if whole else ""),
        )
        proved.append(stage)
        last = stage
    best = goal.best(*proved) if proved else circuit
    is_all = bool(stages) and best is goal.best(*stages)
    return best, whole, "" if is_all else failed


def _passes_of(effort: int, objective: str, num_gates: int) -> list[str]:
    """The effort's pipeline, as it suits the objective, the size, and whether there is ABC."""
    is_large = num_gates > LARGE
    has_abc = abc.program() is not None
    if effort > 1 and has_abc and objective in LUT_INPUTS:
        return [name for name in FOR_TABLES if name != ("two_level" if is_large else "fraig")]
    if objective == "depth" and effort > 1:
        return list(SHORTEN if has_abc else SHORTEN_ALONE)
    left_out = set(WALK_REPLACES if objective in COSTS else ("walk",))
    left_out |= set(() if has_abc else EXTERNAL)
    left_out |= {"two_level"} if is_large else set()  # no time for it
    if objective == "and" and effort > 1:
        passes = [name for name in FOR_ANDS if name not in left_out]
        if num_gates <= WHOLE_GATES:
            passes.remove("walk")
        return passes
    passes = [name for name in EFFORTS[effort] if name not in left_out]
    if is_large and effort > 1:  # cheap beside what comes next, which gains
        last = max(passes.index(name) for name in BEGINNINGS if name in passes)
        passes.insert(last + 1, "fraig")
    if is_large and effort == 2 and objective == "gates" and has_abc:  # no time for ABC twice
        begin = passes.index("walk")
        del passes[begin : begin + 2]
    return passes
