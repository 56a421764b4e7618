"""Compares short-run inference with three layers and with one, and a VAE, on CelebA 64 x 64.

All have one generator and one budget.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020. Figures as quoted by Pang et al. 2020 (latent
  space EBM prior), Table 1.
Configuration: the released network with 16 features on a 8 x 8 base, 48 latents in all; K = 25,
  sigma 0.3 and step 0.0005.
Hardware: two CPU cores, about twenty minutes
Command: python -m tools.study reproduce/studies/celeba.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

SIGMA = "top_down.TopDownGenerator.sigma = 0.3"  # as gin/scale/cpu64.gin: at 0.15 chains run away
STEP = "short_run.ShortRun.step_size = 0.0005"
PANG = "at full size (quoted by Pang et al. 2020, Table 1)"
THREE, ONE, VAE = "short_run_celeba_layers3", "short_run_celeba_layers1", "vae_celeba_layers1"
FRECHET = "frechet/celeba_rotation_classifier"

STUDY = Study(
    title="CelebA 64 x 64, equal updates",
    seeds=(1, 2, 3),
    arms=dict(
        [
            arm("short_run", "celeba", 3, SIGMA, STEP),
            arm("short_run", "celeba", 1, SIGMA, STEP),
            arm("vae", "celeba", 1, SIGMA),
        ]
    ),
    shown=("chain_mse_noiseless@1K",),
    quoted={
        THREE: f"L = 5: mse .015, FID 47.95 {PANG}",
        ONE: f"mse .020, FID 61.03 {PANG}",
        VAE: f"mse .021, FID 65.75 {PANG}",
    },
    claims=(
        f"mse: {THREE} < {ONE} < {VAE}",
        f"{FRECHET}: {THREE} < {ONE} < {VAE}",
        # And its parts, since a chain of three hides which of them holds.
        f"mse: {THREE} < {ONE}",
        f"mse: {ONE} < {VAE}",
        f"{FRECHET}: {THREE} < {ONE}",
        f"{FRECHET}: {ONE} < {VAE}",
        f"{FRECHET}: {THREE} < {VAE}",
    ),
)
