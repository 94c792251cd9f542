"""A sweep's study in an Optuna storage: opening it, its trials, and the work on one after another.

The study has one objective, the hard accuracy on held-out rows, since Optuna prunes no trial of a
study with several; gates and depth are attributes of its trials.
"""

from __future__ import annotations

import os
import socket
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gatewright import data
from gatewright.errors import GatewrightError, InputError, MissingTool
from gatewright.passes.strash import strash
from gatewright.passes.sweep import sweep
from gatewright.recipes import Recipe
from gatewright.search import Plan, Trial

if TYPE_CHECKING:
    import optuna
    from optuna.pruners import BasePruner
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from gatewright.train import Metrics

#: A trial is pruned only where so many others of networks no larger are complete, and not in the
#: first percents of its steps, in which hard accuracy says little.
PRUNE_AFTER_TRIALS, PRUNE_AFTER_PERCENT = 5, 20

#: A sweep ends where so many trials fail and none succeeds.
MAX_FAILURES = 5

#: Seconds between a trial's signs of life in a database, and after which it counts as dead.
HEARTBEAT, GRACE = 30, 120

#: Times that an empty database is tried: two processes that make its tables meet.
CREATIONS = 5

JOURNAL = "journal:///"

Report = Callable[[str], None]


def load_optuna() -> Any:
    """Optuna, which takes a second to import; MissingTool where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise MissingTool(
            "a sweep needs Optuna; it comes with: pip install 'gatewright[sweep]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # each trial is reported in one line
    return optuna


def open_study(plan: Plan, resume: bool) -> optuna.Study:
    """Create the plan's study, or with `resume` open it where it exists.

    Raises:
        MissingTool: Optuna, or what it needs for this storage, is not installed.
        InputError: the storage cannot be opened; the study exists, or is of another plan.
    """
    optuna = load_optuna()
    try:
        study = optuna.create_study(
            storage=_storage(plan.url), study_name=plan.study, direction="maximize",
            load_if_exists=resume, pruner=_pruner(plan),
        )  # fmt: skip
    except optuna.exceptions.DuplicatedStudyError:
        raise InputError(
            f"{_shown(plan.url)}: holds a sweep named {plan.study!r}; --resume goes on with it, or "
            "choose another folder or --study"
        ) from None
    wanted, found = plan.identity(), study.user_attrs.get("plan")
    if found is None:
        study.set_user_attr("plan", wanted)
    elif found != wanted:
        was, now = _first_difference(found, wanted)
        raise InputError(
            f"{_shown(plan.url)}: the sweep {plan.study!r} has {was}, not {now}; resume with the "
            "options it began with, or choose another folder or --study"
        )
    return study


def trials_of(study: optuna.Study) -> tuple[Trial, ...]:
    """All trials, in the order in which they began."""
    begun = [one for one in study.get_trials(deepcopy=False) if one.datetime_start is not None]
    begun.sort(key=lambda one: (one.datetime_start, one.number))  # numbers are of drawing up
    shown = (_trial_of(one) for one in begun)
    return tuple(trial for trial in shown if trial is not None)


def bury(study: optuna.Study) -> None:
    """Mark as failed the trials of processes that are dead; none of this process is running."""
    optuna = load_optuna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
    long_ago = datetime.now() - timedelta(seconds=GRACE)
    states = (optuna.trial.TrialState.RUNNING,)
    for trial in study.get_trials(deepcopy=False, states=states):
        process = trial.user_attrs.get("process")
        if process is None:  # it says so as soon as it begins
            begun = trial.datetime_start
            is_dead = begun is not None and begun < long_ago
        else:
            host, _, number = process.rpartition(":")
            is_dead = host == socket.gethostname() and not _is_alive(int(number))
        if is_dead:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)


def work(plan: Plan, worker: int, report: Report | None, parent: int | None = None) -> None:
    """Run trials of the study until there are enough, or the time is over.

    Args:
        worker: number of this process, from 0: of the combinations that are left it takes another.
        parent: of this process; when it is gone, so is the sweep.
    """
    optuna = load_optuna()
    study = optuna.load_study(
        storage=_storage(plan.url), study_name=plan.study, pruner=_pruner(plan)
    )
    combinations = plan.combinations()

    def say(study: optuna.Study, frozen: FrozenTrial) -> None:
        trial = _trial_of(frozen)
        if report is not None and trial is not None:
            report(str(trial))

    while True:
        trials = study.get_trials(deepcopy=False)
        taken = [trial for trial in trials if _is_taken(trial)]
        if _is_over(plan, taken):
            return
        if combinations is not None:
            tried = [_proposed(trial) for trial in taken]
            left = [one for one in combinations if one not in tried]
            if not left:
                return
            propose(study, left[worker % len(left)])  # not what others have just taken
        objective = _Objective(plan, study, combinations is not None, parent)
        study.optimize(objective, n_trials=1, catch=(GatewrightError,), callbacks=[say])


def propose(study: optuna.Study, params: dict[str, Any]) -> None:
    """Queue a trial of these; whichever process begins it, the others know of what from then on."""
    study.enqueue_trial(params, user_attrs={"proposed": params})


def _proposed(trial: FrozenTrial) -> dict[str, Any]:
    """What it tries: its parameters are set one by one, some time after it counts as running."""
    return trial.user_attrs.get("proposed", trial.params)


class _Objective:
    """A trial: train with what is proposed, judge on the held-out rows, extract."""

    def __init__(
        self, plan: Plan, study: optuna.Study, is_listed: bool, parent: int | None
    ) -> None:
        self._plan, self._study, self._parent = plan, study, parent
        self._is_listed = is_listed

    def __call__(self, trial: optuna.Trial) -> float:
        trial.set_user_attr("process", _process())
        search = self._plan.search
        # By the trial's number, which no other one has: processes draw what they would one by one.
        seed = np.random.SeedSequence([self._plan.recipe.seed, trial.number, 0]).generate_state(1)
        self._study.sampler = load_optuna().samplers.TPESampler(seed=int(seed[0]))
        params = {name: space.suggest(trial, name) for name, space in search.items()}
        before = [
            one
            for one in self._study.get_trials(deepcopy=False)
            if one.number < trial.number and _is_taken(one)
        ]
        alike = [one for one in before if _proposed(one) == params]
        is_chosen_twice = bool(alike) and self._is_listed
        is_last_taken = self._plan.trials is not None and len(before) >= self._plan.trials
        if is_last_taken or is_chosen_twice:
            trial.set_user_attr("is_surplus", True)
            raise GatewrightError("another process has begun this trial, or the last one")
        done = next((one for one in alike if one.value is not None), None)
        if done is not None and done.value is not None:
            trial.set_user_attr("same_as", done.number)
            for name in ("network_gates", "gates", "depth"):
                trial.set_user_attr(name, done.user_attrs[name])
            return done.value
        try:
            return self._train(trial, replace(self._plan.recipe, **cast(Any, params)))
        except GatewrightError as error:
            trial.set_user_attr("error", str(error))
            raise

    def _train(self, trial: optuna.Trial, recipe: Recipe) -> float:
        optuna = load_optuna()
        from gatewright.experiment import try_taus
        from gatewright.extraction import extract
        from gatewright.train import evaluate, fit

        train = recipe.data()[0]
        num_steps, options = recipe.num_steps, recipe.options()
        if num_steps < 1:
            raise InputError(f"steps {num_steps}: training takes at least 1 step")
        if self._plan.held_out:
            train, held_out = data.split(train, self._plan.held_out)
            options["held_out"] = held_out.x, held_out.y
        network, taus = recipe.network(), recipe.trials()
        if taus:
            tried = try_taus(taus)
            network = taus[max(tried, key=lambda tau: tried[tau])].network()
        trial.set_user_attr("network_gates", network.num_gates)
        reported: list[float] = []

        def progress(metrics: Metrics) -> None:
            if self._parent is not None and os.getppid() != self._parent:
                raise KeyboardInterrupt
            reported.append(metrics.hard_accuracy)
            percent = 100 * metrics.step // num_steps
            with warnings.catch_warnings():  # of a percent that has a report already
                warnings.simplefilter("ignore", UserWarning)
                trial.report(metrics.hard_accuracy, percent)
            if metrics.step < num_steps and trial.should_prune():
                raise optuna.TrialPruned

        network = fit(
            network, train.x, train.y, recipe.optimizer(), steps=num_steps, seed=recipe.seed,
            stop=recipe.is_done, progress=progress, **options,
        )  # fmt: skip
        polished = recipe.polished(network, train)
        if polished is not network:
            x, y = options["held_out"]
            judged = evaluate(polished, x, y, encoder=options.get("encoder"))
            network, reported = polished, [judged.hard_accuracy]
        circuit = extract(network, options.get("encoder")).circuit
        circuit = sweep(strash(circuit))
        trial.set_user_attr("gates", circuit.num_gates)
        trial.set_user_attr("depth", circuit.depth)
        return reported[-1] if options.get("patience") is None else max(reported)


def _process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_taken(trial: FrozenTrial) -> bool:
    """It counts among the sweep's trials: neither lost nor surplus."""
    state = load_optuna().trial.TrialState
    if trial.state == state.FAIL:
        return "error" in trial.user_attrs
    return trial.state in (state.RUNNING, state.COMPLETE, state.PRUNED)


def _is_over(plan: Plan, taken: list[FrozenTrial]) -> bool:
    if plan.until is not None and time.time() >= plan.until:
        return True
    if plan.trials is not None and len(taken) >= plan.trials:
        return True
    failures = sum("error" in trial.user_attrs for trial in taken)
    succeeded = any(trial.value is not None for trial in taken)
    return failures >= MAX_FAILURES and not succeeded


def _trial_of(frozen: FrozenTrial) -> Trial | None:
    """None: it never began, or was surplus."""
    state = load_optuna().trial.TrialState
    if frozen.state == state.WAITING or frozen.user_attrs.get("is_surplus"):
        return None
    attributes = frozen.user_attrs
    lasted = {state.COMPLETE: "complete", state.PRUNED: "pruned", state.RUNNING: "running"}
    said = lasted.get(frozen.state, "failed" if "error" in attributes else "lost")
    value = frozen.value
    if value is None and frozen.intermediate_values:
        value = frozen.intermediate_values[max(frozen.intermediate_values)]
    return Trial(
        frozen.number, frozen.params, cast(Any, said),
        None if value is None else round(100 * value, 4),
        attributes.get("gates"), attributes.get("depth"), attributes.get("error"),
        attributes.get("same_as"),
    )  # fmt: skip


def _pruner(plan: Plan) -> BasePruner:
    optuna = load_optuna()
    if plan.pruner == "none":
        return optuna.pruners.NopPruner()

    class AmongAsSmall(optuna.pruners.BasePruner):
        """The median rule among networks no larger, so that the front's small end stays."""

        def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
            step, mine = trial.last_step, trial.intermediate_values
            if step is None or step < PRUNE_AFTER_PERCENT:
                return False
            state = optuna.trial.TrialState.COMPLETE
            size = trial.user_attrs["network_gates"]
            others = [
                value
                for one in study.get_trials(deepcopy=False, states=(state,))
                if one.user_attrs["network_gates"] <= size
                and (value := _value_at(one.intermediate_values, step)) is not None
            ]
            return len(others) >= PRUNE_AFTER_TRIALS and max(mine.values()) < statistics.median(
                others
            )

    return AmongAsSmall()


def _value_at(values: dict[int, float], step: int) -> float | None:
    """The last one reported up to a step; trials differ in how often they report."""
    reported = [at for at in values if at <= step]
    return values[max(reported)] if reported else None


def _storage(url: str) -> BaseStorage:
    optuna = load_optuna()
    if url.startswith(JOURNAL):
        path = Path(url.removeprefix(JOURNAL.removesuffix("/")))
        try:
            backend = optuna.storages.journal.JournalFileBackend(str(path))
            return optuna.storages.JournalStorage(backend)
        except OSError as error:
            raise InputError(f"{url}: cannot be opened ({error.strerror})") from error
    from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, OperationalError

    waiting = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None
    try:
        attempts = 0
        while True:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                    return optuna.storages.RDBStorage(
                        url, engine_kwargs=waiting, heartbeat_interval=HEARTBEAT, grace_period=GRACE
                    )
            except (IntegrityError, OperationalError) as error:
                attempts += 1
                if attempts == CREATIONS or not _is_race(str(error)):
                    raise
                time.sleep(0.2)
    except ImportError as error:
        raise MissingTool(
            f"{_shown(url)}: needs a driver that is not installed ({error})"
        ) from error
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise InputError(
            f"storage {_shown(url)!r}: not an address of a database; write "
            "postgresql://USER@HOST/NAME, mysql://..., sqlite:///FILE or journal:///FILE"
        ) from error
    except (IntegrityError, OperationalError, OSError) as error:
        raise InputError(
            f"{_shown(url)}: cannot be opened ({str(error).splitlines()[0]})"
        ) from error


def _is_race(message: str) -> bool:
    return "already exists" in message or "UNIQUE" in message or "duplicate" in message.lower()


def _shown(url: str) -> str:
    """Without the password."""
    before, at, after = url.rpartition("@")
    scheme, colon, rest = before.partition("://")
    user, has, _ = rest.partition(":")
    return f"{scheme}{colon}{user}{':***' if has else ''}{at}{after}"


def _first_difference(found: dict[str, Any], wanted: dict[str, Any]) -> tuple[str, str]:
    for name in {**wanted, **found}:
        was, now = found.get(name), wanted.get(name)
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            return _first_difference(cast(dict[str, Any], was), cast(dict[str, Any], now))
        return f"{name} {was!r}", f"{now!r}"
    raise AssertionError("they are equal")


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return False  # what runs in this process is what asks
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
