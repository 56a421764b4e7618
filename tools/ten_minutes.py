"""The runs of `tools.travel`: networks of the released size that train for minutes on one GPU."""

import itertools

from tf_shortrun.reporting.study import named

DATA = {
    "cifar10": ("reproduce/cifar10.gin", "tfds_images.tfds_images.num_train = 10000"),
    "celeba32": ("reproduce/celeba32.gin", "gin/data/celeba10k.gin"),
    # 9,000 images of this size have 63 MB.
    "celeba": ("reproduce/celeba.gin", "gin/data/celeba10k.gin", "folder.folder.num_train = 5000"),
    "mnist": ("reproduce/mnist.gin", "tfds_images.tfds_images.num_train = 10000"),
}
ONE = "top_down.TopDownGenerator.latent_widths = (416,)"  # as many latents as the five layers
METHODS = {
    ("short_run", "layers5"): (),
    ("short_run", "layers1"): (ONE,),
    ("vae", "layers1"): ("gin/latent/vae.gin", ONE),
}
TYPES = {"float32": (), "bfloat16": ("gin/precision/bfloat16.gin",)}

RUNS = {
    f"{method}_{data}_{layers}_{kind}": (*of_data, *of_method, *of_type, named(f"{layers}_{kind}"))
    for (data, of_data), ((method, layers), of_method), (kind, of_type) in itertools.product(
        DATA.items(), METHODS.items(), TYPES.items()
    )
}
