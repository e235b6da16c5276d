"""Priors of lpn in deepinv (https://deepinv.github.io).

    from deepinv.optim import PnP
    from lpn.deepinv import Denoiser, Prior
    PnP(Denoiser(prior))     # plug-and-play with a denoiser that is an exact proximal operator
    Prior(prior)             # the same function R, explicitly: value, gradient, prox
"""

import torch
from deepinv.models import Denoiser as _Denoiser
from deepinv.optim import Prior as _Prior


class Denoiser(_Denoiser):
    """f at any noise level, by scaling: exactly the prox of R(s x)/s^2, s = prior.sigma/sigma.
    Without sigma it is f as it was trained."""

    def __init__(self, prior):
        super().__init__()
        self.prior = prior

    def forward(self, x, sigma=None, **kwargs):
        return self.prior(x) if sigma is None else self.prior.denoise(x, sigma)


class Prior(_Prior):
    """R as an explicit prior. prox at gamma = 1 is one evaluation of the network; other strengths, the
    value and the gradient solve a small convex problem for each picture."""

    def __init__(self, prior):
        super().__init__()
        self.prior, self.explicit_prior = prior, True

    def fn(self, x, *args, **kwargs):
        return torch.stack([x.new_tensor(self.prior.value(p).R) for p in x])

    def grad(self, x, *args, **kwargs):
        return torch.stack([self.prior.value(p).dual.to(x) - p for p in x])

    def prox(self, x, *args, gamma=1.0, **kwargs):
        return torch.stack([self.prior.prox(p, float(gamma)).to(x) for p in x])
