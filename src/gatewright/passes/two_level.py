"""two_level: forget the structure; each output as a sum of products, and then what they share.

By ABC: the outputs' decision diagrams (`collapse`), sums of products from these, common divisors
of all of them (`fx`, fast extract: Rajski and Vasudevamurthi, 1992), and gates. A circuit that was
made out of tables, a PLA or a control unit, may have lost what its outputs share, and no local
change finds it; other circuits' diagrams or products are too many, and the time ends that.

Where it leaves much less than restructuring what was given, it is taken. Else it may be a place
that is hard to leave, though fewer gates for now: both are restructured for some rounds, and the
one is taken that will be less if it goes on as it went, unless it is far behind.
"""

from __future__ import annotations

from gatewright import abc
from gatewright.circuit import Circuit
from gatewright.passes.objectives import Deadline, Goal
from gatewright.passes.resynthesize import (
    COMPRESS,
    FINISH,
    LONG_FROM,
    LONG_SEARCH,
    MAP_GATES,
    RESTRUCTURE,
    SEARCHED,
    SOON_TO,
    finished,
)

#: Nodes of all diagrams together; those of arithmetic are more, and are given up before the time.
MOST_NODES = 10_000

SHARED_SUMS = f"collapse -B {MOST_NODES}; sop; fx; strash"
SUMS = f"strash; {SHARED_SUMS}; dc2; {MAP_GATES}"
RESTRUCTURED = f"strash; {COMPRESS}; {FINISH['gates']}"

#: Share of the other up to which sums of products are taken as they are.
MUCH_LESS = 0.5

#: The race otherwise: what a round is, how many, and its time in times of that for the sums.
ROUND = f"strash; {RESTRUCTURE}; {FINISH['gates']}"
ROUNDS = 2
RACE = 2

#: Seconds for the sums from which ABC's long search is the race, where it is one of the scripts
#: that come next; and what each has of the race's time, which some mapping takes besides.
SEARCH_FROM = 5.0
SEARCH = f"strash; {LONG_SEARCH}; &put; {FINISH['gates']}"
SEARCH_SHARE = 0.4

#: What is more than so many times the other is not waited for.
NEAR = 1.1


def two_level(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit, or a better one from sums of products, found in `goal.seconds`.

    A race takes up to RACE times as long again.

    Raises:
        MissingTool: there is no ABC.
    """
    found = abc.run(circuit, SUMS, goal.seconds)
    sums = circuit if found is None else finished(found, goal)
    if goal.best(circuit, sums) is circuit:
        return circuit
    deadline = Deadline(RACE * goal.seconds)
    restructured = abc.run(circuit, RESTRUCTURED, deadline.left)
    if restructured is None:
        return sums
    given = finished(restructured, goal)
    if goal.cost(sums)[0] <= MUCH_LESS * goal.cost(given)[0]:
        return sums
    script, rounds, starts = ROUND, ROUNDS, [given, sums]
    is_searched = goal.objective in SEARCHED and LONG_FROM <= circuit.num_gates <= SOON_TO
    if is_searched and goal.seconds >= SEARCH_FROM:
        script, rounds = SEARCH.format(seconds=int(SEARCH_SHARE * deadline.left)), 1
        starts = [circuit, sums]  # the search does most with the structure that was given
    return goal.best(circuit, _ahead([given, sums], starts, script, rounds, goal, deadline))


def _ahead(
    runners: list[Circuit],
    starts: list[Circuit],
    script: str,
    rounds: int,
    goal: Goal,
    deadline: Deadline,
) -> Circuit:
    """What came of the runner that will be less than others if it goes on as in its last round.

    The script's first round begins with `starts`, later ones with what came of the one before.
    """
    before = now = [goal.cost(runner)[0] for runner in runners]
    for _ in range(rounds):
        after = [abc.run(start, script, deadline.left) for start in starts]
        made = [
            goal.best(runner, finished(one, goal))
            for runner, one in zip(runners, after, strict=True)
            if one is not None
        ]
        if len(made) < len(runners):  # no time
            break
        starts = runners = made
        before, now = now, [goal.cost(runner)[0] for runner in runners]
    near = [n for n in range(len(runners)) if now[n] <= NEAR * min(now)]
    ahead = min(near, key=lambda n: (2 * now[n] - before[n], goal.cost(runners[n])))
    return runners[ahead]
