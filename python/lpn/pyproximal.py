"""Priors of lpn in pyproximal (https://pyproximal.readthedocs.io).

    from lpn.pyproximal import LPN
    R = LPN(prior, (1, 64, 64))
    R.prox(v, tau)
"""

import numpy as np
from pyproximal import ProxOperator


class LPN(ProxOperator):
    """R of pictures of one shape, C x H x W, as vectors. prox at tau = 1 is one evaluation of the
    network; another tau and the value solve a small convex problem."""

    def __init__(self, prior, shape):
        super().__init__(None, True)
        self.prior, self.shape = prior, tuple(shape)

    def __call__(self, x):
        return self.prior.value(x.reshape(self.shape)).R

    def prox(self, x, tau, **kwargs):
        return self._vector(self.prior.prox(x.reshape(self.shape), float(tau)), x)

    def grad(self, x):
        return self._vector(self.prior.value(x.reshape(self.shape)).dual, x) - x

    def _vector(self, p, x):
        return p.detach().cpu().numpy().reshape(x.shape).astype(np.asarray(x).dtype)
