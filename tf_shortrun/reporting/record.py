"""The file that keeps what a run was and what it reached."""

from pathlib import Path

from tf_shortrun.core.errors import DivergenceError
from tf_shortrun.reporting import provenance, results
from tf_shortrun.training.experiment import Experiment
from tf_shortrun.training.history import History


def write_result(
    experiment: Experiment,
    workdir: Path,
    end: History | DivergenceError,
    metrics: dict[str, float],
    protocol: dict[str, str],
    command: str,
):
    """Writes `results.json` of a run that ended there."""
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
        metrics=metrics,
        protocol=protocol,
    )
