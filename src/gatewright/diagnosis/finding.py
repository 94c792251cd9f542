"""What a check says: `Finding`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

#: A fault: the run has no circuit, or one that is far from what its network or its rows promise. A
#: warning: the circuit is what the run made of it, and a better one is probably to be had.
Severity = Literal["fault", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a run.

    Attributes:
        name: of the check.
        where: the place in the run: a layer, the votes, the training rows, metrics.jsonl, ...
        says: what was found, with its numbers, in plain words.
        try_: what may mend it.
    """

    name: str
    severity: Severity
    where: str
    says: str
    try_: str

    def summary(self) -> dict[str, Any]:
        """The finding as JSON; `try_` is spelt "try"."""
        return {
            "name": self.name, "severity": self.severity, "where": self.where,
            "says": self.says, "try": self.try_,
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.severity}: {self.name}, {self.where}: {self.says}\n  try: {self.try_}"
