"""What is wrong with a run, and what to try: `diagnose`.

A check is a pure function of an `Evidence`, which is gathered once; `CHECKS` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatewright.diagnosis import networks, training
from gatewright.diagnosis.evidence import Evidence, gather
from gatewright.diagnosis.finding import Finding
from gatewright.runs import name_of

__all__ = ["CHECKS", "Check", "Diagnosis", "Finding", "diagnose", "examine"]


@dataclass(frozen=True)
class Check:
    """A check and what it needs.

    Attributes:
        looks_for: in words.
        needs: parts of the evidence without which it cannot say anything: metrics, data, classes,
            network, held_out, votes.
    """

    looks_for: str
    run: Callable[[Evidence], Iterator[Finding]]
    needs: tuple[str, ...] = ()


#: In the order in which findings are told: what comes first may be the cause of what follows.
CHECKS: tuple[Check, ...] = (
    Check("divergence", training.check_divergence),
    Check("an end too early", training.check_end),
    Check("a model that is not the network's", networks.check_model, ("network",)),
    Check("a rising loss", training.check_loss, ("metrics",)),
    Check("unbalanced classes", training.check_classes, ("data", "classes")),
    Check("bits that tell too little", training.check_encoding, ("data",)),
    Check("gates certain too early", networks.check_saturation, ("network", "metrics")),
    Check("dead, idle and copying layers", networks.check_layers, ("network",)),
    Check("undecided gates", networks.check_decided, ("network",)),
    Check("a gap between soft and hard", networks.check_gap, ("network",)),
    Check("tau out of range", networks.check_tau, ("network", "votes")),
    Check("inputs never read", networks.check_inputs, ("network",)),
    Check("votes that count nothing", networks.check_votes, ("network", "votes")),
    Check("guessed or leaning decisions", networks.check_decisions, ("network", "classes")),
    Check("over-fitting", training.check_overfitting, ("network", "held_out")),
)


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a run.

    Attributes:
        run: of what recipe it is, how far it came, and what it was judged on, in words.
        looked_for: in words, what was looked for.
        not_looked_for: in words, what could not be, and why.
    """

    run: str
    findings: tuple[Finding, ...]
    looked_for: tuple[str, ...]
    not_looked_for: Mapping[str, str]

    @property
    def is_healthy(self) -> bool:
        """No finding is a fault."""
        return all(finding.severity != "fault" for finding in self.findings)

    def summary(self) -> dict[str, Any]:
        """The diagnosis as JSON."""
        return {
            "run": self.run,
            "healthy": self.is_healthy,
            "findings": [finding.summary() for finding in self.findings],
            "looked_for": list(self.looked_for),
            "not_looked_for": dict(self.not_looked_for),
        }

    def __str__(self) -> str:
        lines = [self.run, *map(str, self.findings)]
        if not self.findings:
            lines.append("nothing found")
        lines.append(f"looked for: {', '.join(self.looked_for)}")
        for reason in dict.fromkeys(self.not_looked_for.values()):
            names = [name for name, why in self.not_looked_for.items() if why == reason]
            lines.append(f"not looked for: {', '.join(names)} ({reason})")
        return "\n".join(lines)


def diagnose(run: Path | str) -> Diagnosis:
    """Look into a run folder; some seconds. Errors as of `evidence.gather`."""
    return examine(gather(Path(run)))


def examine(evidence: Evidence) -> Diagnosis:
    """Every check on what was gathered."""
    missing = dict(evidence.missing)
    if evidence.network is not None and evidence.network.votes is None:
        missing["votes"] = "the network does not vote"
    findings: list[Finding] = []
    looked_for: list[str] = []
    not_looked_for: dict[str, str] = {}
    for check in CHECKS:
        lacking = [missing[part] for part in check.needs if part in missing]
        if lacking:
            not_looked_for[check.looks_for] = lacking[0]
            continue
        looked_for.append(check.looks_for)
        findings += check.run(evidence)
    return Diagnosis(_describe(evidence), tuple(findings), tuple(looked_for), not_looked_for)


def _describe(evidence: Evidence) -> str:
    name = f"{evidence.folder}: {name_of(evidence.recipe)}, seed {evidence.recipe.seed}"
    if evidence.metrics:
        asked = f" of {evidence.num_steps}" if evidence.num_steps is not None else ""
        name += f", step {evidence.metrics[-1].step}{asked}"
    if evidence.network is None or evidence.data is None:
        return name
    return (
        f"{name}; of {evidence.data.num_judged:,} {evidence.data.judged_on} rows "
        f"{evidence.network.accuracy_soft:.2%} are right soft, "
        f"{evidence.network.accuracy_hard:.2%} hard"
    )
