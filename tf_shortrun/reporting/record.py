"""The file that keeps what a run was and what it reached."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tf_shortrun.core.errors import DivergenceError
from tf_shortrun.core.evaluation import Number
from tf_shortrun.reporting import provenance, results
from tf_shortrun.training.configuration import Change
from tf_shortrun.training.experiment import Experiment
from tf_shortrun.training.history import History
from tf_shortrun.training.rollback import Rollback
from tf_shortrun.training.validation import Best


def write_result(
    experiment: Experiment,
    workdir: Path,
    end: History | DivergenceError,
    numbers: Mapping[str, Number],
    status: str,
    command: str,
    changes: Sequence[Change],
    rollbacks: Sequence[Rollback],
    score_percentiles: Mapping[str, float] | None = None,
    best: Best | None = None,
):
    """Writes `results.json` of a run that ended there, like this."""
    results.write(
        workdir / "results.json",
        method=experiment.method,
        dataset=experiment.dataset.name,
        variant=experiment.variant,
        seed=experiment.seed,
        scale=experiment.scale,
        steps=end.step,
        seconds=end.seconds,
        hardware=provenance.hardware(),
        versions=provenance.versions(),
        commit=provenance.commit(),
        command=command,
        changes=[change._asdict() for change in changes],
        rollbacks=[rollback._asdict() for rollback in rollbacks],
        status=status,
        score_percentiles=dict(score_percentiles or {}),
        validation=best._asdict() if best else {},
        data=experiment.trained_on.describe(),
        metrics={name: number.value for name, number in numbers.items()},
        protocol={name: number.made for name, number in numbers.items()},
        better={name: number.better for name, number in numbers.items()},
    )
