"""The verb `doctor`: shows installed versions, hardware and prepared data sets."""

import os
from pathlib import Path

from tf_shortrun.core import allocator
from tf_shortrun.reporting import provenance


def doctor():
    """Prints versions, hardware and prepared data sets, one line each."""
    for name, version in provenance.versions().items():
        print(f"{name:24s} {version}")
    for name, value in provenance.hardware().items():
        print(f"{name:24s} {value}")
    print(f"{'memory of tensors':24s} {allocator.keep_memory()}")
    folder = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    prepared = sorted({p.parents[1].name for p in folder.glob("*/*/dataset_info.json")})
    found = " ".join(prepared) or "none: run python -m tools.prepare_data mnist"
    print(f"{'data in ' + str(folder):24s} {found}")
