"""An eval of how well a score separates anomalies from inliers.

References:
  J. Davis, M. Goadrich, The relationship between precision-recall and ROC curves, ICML 2006.
  K. Boyd et al., Unachievable region in precision-recall space and its effect on empirical
    evaluation, ICML 2012.
"""

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf
from sklearn.metrics import (
    average_precision_score,
    precision_recall_fscore_support,
    roc_auc_score,
)

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import Learner, Scores
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset


@dataclasses.dataclass(frozen=True)
class Anomalies:
    """An eval of anomaly detection: the scores of the learner on the whole test split.

        base_rate = pi, the share of anomalies among test examples
        precision = anomalies flagged / flagged,     recall = anomalies flagged / anomalies
        f1 = 2 / (1 / precision + 1 / recall)

    An example is flagged if its score is at or above the (1 - `flagged`) quantile of all test
    scores, so ties can flag more examples. This threshold assumes that the share of anomalies is
    known. `auroc` and `auprc` need no threshold. `auprc` is the average precision: pi for a random
    guess, and about 1 + (1 - pi) / pi log(1 - pi) for the worst order.

    flagged: share of test examples, 0.2 as published for KDD99. None means pi; then, without ties,
      precision, recall and f1 are equal.

    The noise of batch b comes from fold(seed, b).
    """

    metrics: ClassVar = {
        "f1": Metric("higher", "Harmonic mean of precision and recall in finding anomalies."),
        "precision": Metric(
            "higher", "Share of flagged examples that are anomalies, at the known ratio."
        ),
        "recall": Metric("higher", "Share of the anomalies that are flagged, at the known ratio."),
        "auroc": Metric("higher", "Area under the receiver operating characteristic."),
        "auprc": Metric("higher", "Area under the precision-recall curve."),
        "base_rate": Metric("", "Share of anomalies: the auprc of a blind guess."),
    }

    batch_size: int
    flagged: float | None = None

    def __post_init__(self):
        check_flagged(self.flagged)
        check_counts(self)

    def check(self, learner: Learner, dataset: Dataset):
        require(learner, Scores, "Anomalies")
        anomaly_labels(dataset)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns `precision`, `recall`, `f1`, `auroc`, `auprc`, `base_rate`.

        Raises:
          InputError: if the learner cannot score, the test split does not mark anomalies, or a
            score is not finite.
        """
        self.check(learner, dataset)
        labels = anomaly_labels(dataset)
        scores = self._scores(learner, dataset, seed)
        return measure(scores, labels, self.flagged) | {"base_rate": float(np.mean(labels))}

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns a sentence on how each number was measured, by name."""
        return sentences(dataset, self.flagged, "the scores of the learner") | {
            "base_rate": f"Share of anomalies among the test examples of {dataset.name}."
        }

    def _scores(self, learner: Scores, dataset: Dataset, seed: Seed) -> np.ndarray:
        batches = dataset.test_batches(self.batch_size)
        # One signature for all batches, so that the smaller last batch causes no second trace.
        spec = [batches.element_spec, tf.TensorSpec([2], tf.int32)]
        score = tf.function(learner.score, input_signature=spec)
        return np.concatenate(
            [score(batch, noise.fold(seed, b)) for b, batch in enumerate(batches)]
        )


def measure(scores: np.ndarray, labels: np.ndarray, flagged: float | None) -> dict[str, float]:
    """Returns `precision`, `recall`, `f1`, `auroc`, `auprc` of scores [N] for labels [N], 1 or 0.

    Raises:
      InputError: if a score is not finite.
    """
    if not np.all(np.isfinite(scores)):
        raise InputError("anomaly scores are not finite: evaluate an earlier checkpoint")
    scores = np.asarray(scores, np.float64)
    share = np.mean(labels) if flagged is None else flagged
    is_flagged = scores >= np.quantile(scores, 1.0 - share)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, is_flagged, average="binary")
    return {
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "auroc": float(roc_auc_score(labels, scores)),
        "auprc": float(average_precision_score(labels, scores)),
    }


def sentences(dataset: Dataset, flagged: float | None, scored_by: str) -> dict[str, str]:
    """Returns a sentence for each number of `measure`; `scored_by` says what gave the scores."""
    labels = anomaly_labels(dataset)
    base_rate = np.mean(labels)
    share = base_rate if flagged is None else flagged
    of = f"{np.sum(labels)} anomalies among {len(labels)} test examples of {dataset.name}"
    found = (
        f"{of}; {scored_by} are flagged from their {100 * (1 - share):.4g}th percentile on, "
        f"a threshold that takes the share of anomalies, {base_rate:.4g}, as known."
    )
    return {
        "precision": f"Share of the flagged that are anomalies: {found}",
        "recall": f"Share of the anomalies that are flagged: {found}",
        "f1": f"Harmonic mean of precision and recall: {found}",
        "auroc": f"Area under the receiver operating characteristic, {of}, by {scored_by}.",
        "auprc": f"Average precision, {of}, by {scored_by}; a blind guess has {base_rate:.4g}.",
    }


def anomaly_labels(dataset: Dataset) -> np.ndarray:
    """Returns the labels of the test split, 1 for an anomaly and 0 for an inlier.

    Raises:
      InputError: if there are other labels, or only one of the two.
    """
    labels = dataset.test.labels
    if not np.array_equal(np.unique(labels), [0, 1]):
        raise InputError(
            f"test labels of {dataset.name} do not tell anomalies (1) from inliers (0): "
            "take anomaly evals out, or choose a data set of anomalies"
        )
    return labels


def check_flagged(flagged: float | None) -> None:
    """Raises InputError if `flagged` is not a share between 0 and 1."""
    if flagged is not None and not 0 < flagged < 1:
        raise InputError(f"flagged is {flagged}: choose a share between 0 and 1, or None")
