"""A model of any network whose top layer takes labels."""

import keras

from tf_shortrun.methods.latent.label_codes import LabelCodes
from tf_shortrun.methods.latent.latent_model import NormalPriorModel


class LabelCoded(NormalPriorModel):
    def __init__(self, network, widths, sigma, num_labels, distance):
        super().__init__(widths, sigma)
        self.label_codes = LabelCodes(num_labels, distance)
        self.join = keras.layers.Concatenate() if len(widths) > 1 else keras.layers.Identity()
        self.network = network
        self._finish()

    def call(self, latents):
        return self.network(self.join(latents) if len(latents) > 1 else latents[0])
