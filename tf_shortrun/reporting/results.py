"""The file of a result: one run, its numbers, and where they come from.

`METRICS` is the dictionary of the house: one word means one thing. A new metric
gets a new line here, never an old name with a new meaning. `*` stands for what a
number depends on: a feature extractor, or the length of a chain.
"""

import dataclasses
import difflib
import fnmatch
import json
import os
import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

from tf_shortrun.core.errors import InputError


class Metric(NamedTuple):
    """Which way is better ("" where neither is), and what the number is."""

    better: Literal["lower", "higher", ""]
    meaning: str


DIVERGED = "diverged_before"  # what a run that did not end has for a metric, and nothing else

# In the order in which a page shows them.
METRICS = {
    "mse": Metric("lower", "Reconstruction of test images: squared error per pixel on [-1, 1]."),
    "nll": Metric("lower", "Negative log-likelihood of test examples, nats each."),
    "nll/back": Metric("lower", "As nll, with log_partition/back: the conservative side."),
    "frechet/*": Metric("lower", "Frechet distance of samples; compare within one extractor only."),
    "modes": Metric("higher", "Modes of the data that the samples reach."),
    "f1": Metric("higher", "Harmonic mean of precision and recall in finding anomalies."),
    "on_manifold": Metric("higher", "Share of samples that lie on the data manifold."),
    "log_likelihood/ais": Metric("higher", "By annealed importance sampling, nats per example."),
    "log_likelihood/importance": Metric("higher", "By importance sampling, nats per example."),
    "bound": Metric("higher", "Lower bound of the log-likelihood, nats per example."),
    "importance_ess": Metric("higher", "Draws that count in log_likelihood/importance."),
    "ais_acceptance": Metric("", "Accepted share of the moves behind log_likelihood/ais."),
    "posterior_energy_distance": Metric("lower", "From inferred latents to the true posterior."),
    "hmc_mse": Metric("lower", "As mse, with latents from the true posterior."),
    "hmc_acceptance": Metric("", "Accepted share of the moves of the chains of hmc_mse."),
    "hmc_rhat": Metric("", "Whether the chains of hmc_mse have converged: 1 where they have."),
    "bits_per_dim": Metric("lower", "Negative log-likelihood in bits per number."),
    "log_partition": Metric("", "log Z of the prior, annealed from independent bits, nats."),
    "log_partition/back": Metric("", "As log_partition, annealed from draws of the prior."),
    "log_partition/deviation": Metric("lower", "Three standard deviations of log_partition."),
    "dead_bits": Metric("lower", "Share of the bits of codes that are almost always the same."),
    "code_entropy": Metric("", "Of codes as if bits were independent: an upper bound, nats."),
    "prior_shift": Metric("lower", "How often bits are set: mean difference of prior and codes."),
    "kid/*": Metric("lower", "Kernel distance of samples; compare within one extractor only."),
    "precision/*": Metric("higher", "Share of samples that look like data."),
    "recall/*": Metric("higher", "Share of the data that samples look like."),
    "mse@*K": Metric("lower", "As mse, with a chain this many times as long as in training."),
    "chain_mse@*K": Metric("lower", "Reconstruction error at a multiple of the chain of training."),
    "chain_mse_noiseless@*K": Metric("lower", "As chain_mse, by gradient ascent without noise."),
    "latent_norm@*K": Metric("", "Mean square of the latents at the end; 1 under the prior."),
    "latent_norm_noiseless@*K": Metric("", "As latent_norm, by gradient ascent without noise."),
    "probe_accuracy/*": Metric("", "Labels told by a linear probe of one layer, or of all."),
    "probe_colour_r2/*": Metric("", "Mean colour told by a linear probe: share of variance."),
    "probe_chroma_r2/*": Metric("", "As probe_colour_r2, of the colour without its brightness."),
    "layer_share/*": Metric(
        "", "Change of samples when one layer is drawn anew; 1 for all layers."
    ),
    "inpaint_mse/hidden": Metric("lower", "Squared error per pixel where the image was hidden."),
    "inpaint_mse/observed": Metric("lower", "Squared error per pixel where the image was seen."),
    "inpaint_psnr/hidden": Metric("higher", "10 log10(4 / inpaint_mse/hidden), dB."),
    "inpaint_mse/hidden/*": Metric("lower", "As inpaint_mse/hidden, for one kind of mask."),
    "inpaint_mse/observed/*": Metric("lower", "As inpaint_mse/observed, for one kind of mask."),
    "inpaint_psnr/hidden/*": Metric("higher", "As inpaint_psnr/hidden, for one kind of mask."),
    "coverage": Metric("higher", "Overlap of sampled and true mass, piece by piece; 1 at best."),
    "energy_distance": Metric("lower", "Energy distance between samples and data."),
    "mode_kl": Metric("lower", "KL of the mass of samples by piece from the true mass, nats."),
    "mode_kl/floor": Metric("", "As mode_kl, of as many training examples."),
    "on_manifold@+*": Metric("higher", "As on_manifold, after this many more steps."),
    "coverage@+*": Metric("higher", "As coverage, after this many more steps."),
    "energy_distance@+*": Metric("lower", "As energy_distance, after this many more steps."),
    "mode_kl@+*": Metric("lower", "As mode_kl, after this many more steps."),
    "modes@+*": Metric("higher", "As modes, after this many more steps."),
    "on_manifold/*+*": Metric("higher", "As on_manifold, after a chain among the latents."),
    "coverage/*+*": Metric("higher", "As coverage, after a chain among the latents."),
    "energy_distance/*+*": Metric("lower", "As energy_distance, after a chain among the latents."),
    "mode_kl/*+*": Metric("lower", "As mode_kl, after a chain among the latents."),
    "modes/*+*": Metric("higher", "As modes, after a chain among the latents."),
    "latent_norm/*+*": Metric("", "Mean square of the latents after a chain; 1 under the prior."),
    "chain_acceptance/*+*": Metric("", "Accepted share of the moves of a chain among the latents."),
    "log_likelihood/true": Metric("", "Of test examples under the true law, nats per example."),
    "grid_nll": Metric("lower", "Negative log-likelihood, normalised on a grid, nats."),
    "precision": Metric("higher", "Share of the flagged that are anomalies, at the known ratio."),
    "recall": Metric("higher", "Share of the anomalies that are flagged, at the known ratio."),
    "auroc": Metric("higher", "Area under the receiver operating characteristic."),
    "auprc": Metric("higher", "Area under the precision-recall curve."),
    "base_rate": Metric("", "Share of anomalies: the auprc of a blind guess."),
    "f1/*": Metric("higher", "As f1, of another detector on the same split."),
    "auroc/*": Metric("higher", "As auroc, of another detector on the same split."),
    "auprc/*": Metric("higher", "As auprc, of another detector on the same split."),
    "parameters/*": Metric("", "Trainable numbers of a network."),
    "chain_steps": Metric("", "K, the steps of the chain that infers; 0 where none does."),
    "flops_per_update": Metric("lower", "Arithmetic of one update; of the first stage, if of two."),
    "first_updates": Metric("", "Updates of the first stage."),
    "flops_per_second_update": Metric("lower", "Arithmetic of one update of the second stage."),
    "seconds_per_step": Metric("lower", "Time of one training step."),
    "input_wait_share": Metric("lower", "Share of the time of a step that waits for its batch."),
    "page_faults_per_step": Metric("lower", "Minor page faults of a training step."),
    "system_time_share": Metric("lower", "Share of the CPU time of a step that is the kernel's."),
    "images_per_second": Metric("higher", "Training examples seen in a second."),
    DIVERGED: Metric("", "The update before which a number was not finite; that ended the run."),
    "peak_memory_gib": Metric("lower", "Largest resident memory of the process, GiB."),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What one run was and what it reached; the fields are the keys of the file.

    `variant` says what else differs, "" for nothing. `protocol` has a sentence by
    metric name or its line in `METRICS`: on what, with what, how many.

    Raises:
      InputError: if the scale is unknown or a metric has no line in `METRICS`.
    """

    method: str
    dataset: str
    variant: str
    seed: int
    scale: str
    steps: int
    seconds: float
    hardware: dict
    versions: dict[str, str]
    commit: str | None
    command: str
    metrics: dict[str, float]
    protocol: dict[str, str]

    def __post_init__(self):
        if self.scale not in ("cpu", "paper"):
            raise InputError(f"scale is {self.scale!r}: choose 'cpu' or 'paper'")
        for name in [*self.metrics, *self.protocol]:
            pattern_of(name)

    @property
    def name(self) -> str:
        """What a pin is called that gives this result: <method>_<dataset>[_<variant>]."""
        return "_".join(filter(None, [self.method, self.dataset, self.variant]))


def pattern_of(name: str) -> str:
    """The line of `METRICS` that explains metric `name`.

    Raises:
      InputError: if there is none.
    """
    for pattern in METRICS:
        if fnmatch.fnmatchcase(name, pattern):
            return pattern
    near = difflib.get_close_matches(name, METRICS) or METRICS
    raise InputError(f"unknown metric {name!r}: known are {', '.join(near)} (see results.METRICS)")


def write(path: Path, **fields) -> None:
    """Writes the fields of a `Result` as JSON, all or nothing.

    Raises:
      InputError: as `Result` does; nothing is written then.
    """
    fields["metrics"] = {name: float(value) for name, value in fields["metrics"].items()}
    replace_text(path, json.dumps(dataclasses.asdict(Result(**fields)), indent=2) + "\n")


def read(path: Path) -> Result:
    """The result in a file.

    Raises:
      InputError: if there is no such file or it holds something else.
    """
    try:
        return Result(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: train and evaluate first") from None
    except (InputError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a result: {reason}; write it anew") from None


def replace_text(path: Path, text: str) -> None:
    """Writes a text file; a reader sees the old text or the new one, never a part."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
