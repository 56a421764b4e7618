"""Simple detectors of anomalies, to compare with a learner on the same split.

References:
  F. T. Liu, K. M. Ting, Z.-H. Zhou, Isolation forest, ICDM 2008.
"""

import dataclasses
from typing import ClassVar

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals import anomaly

_SCORED_BY = {
    "pca2": "squared errors of two principal components of the training split",
    "isolation_forest": "scores of an isolation forest of 100 trees on the training split",
}


@dataclasses.dataclass(frozen=True)
class Baselines:
    """An eval of two detectors without deep learning; it does not use the learner.

    `pca2` scores an example by its squared error after projection to two principal components,
    `isolation_forest` by how few random cuts separate it from other examples. Both are fitted to
    the training split; images are flattened. `flagged` is as in `Anomalies`.

    The seed is used for the forest.
    """

    metrics: ClassVar = {
        "f1/*": Metric("higher", "As f1, of another detector on the same split."),
        "auroc/*": Metric("higher", "As auroc, of another detector on the same split."),
        "auprc/*": Metric("higher", "As auprc, of another detector on the same split."),
    }

    flagged: float | None = None

    def __post_init__(self):
        anomaly.check_flagged(self.flagged)

    def check(self, learner: Learner, dataset: Dataset):
        del learner
        anomaly.anomaly_labels(dataset)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns `f1`, `auroc` and `auprc`, each for `/pca2` and `/isolation_forest`.

        Raises:
          InputError: if the test split does not mark anomalies.
        """
        labels = anomaly.anomaly_labels(dataset)
        train, test = _rows(dataset.train.images), _rows(dataset.test.images)
        scores = {
            "pca2": _residuals(train, test),
            "isolation_forest": _isolation(train, test, seed),
        }
        found = {
            name: anomaly.measure(values, labels, self.flagged) for name, values in scores.items()
        }
        return _by_name(found)

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns a sentence on how each number was measured, by name."""
        return _by_name(
            {
                name: anomaly.sentences(dataset, self.flagged, scored_by)
                for name, scored_by in _SCORED_BY.items()
            }
        )


def _by_name(found: dict[str, dict]) -> dict:
    """Converts {detector: {metric: value}} to {metric/detector: value} for reported metrics."""
    return {
        f"{metric}/{name}": values[metric]
        for metric in ("f1", "auroc", "auprc")
        for name, values in found.items()
    }


def _rows(images: np.ndarray) -> np.ndarray:
    """Returns examples as vectors, float32 [N, D]."""
    return images.reshape(len(images), -1).astype(np.float32)


def _residuals(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    # With many rows and few columns, this solver is exact and fast.
    pca = PCA(2, svd_solver="covariance_eigh").fit(train)
    return np.sum((test - pca.inverse_transform(pca.transform(test))) ** 2, axis=1)


def _isolation(train: np.ndarray, test: np.ndarray, seed: Seed) -> np.ndarray:
    random = np.random.RandomState(np.asarray(seed).view(np.uint32))
    forest = IsolationForest(n_estimators=100, random_state=random).fit(train)
    return -forest.score_samples(test)
