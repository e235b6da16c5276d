import numpy as np
import pytest

import lpn

pytest.importorskip("torch")
pyproximal = pytest.importorskip("pyproximal")
from lpn.pyproximal import LPN  # noqa: E402


def test_prox_and_value():
    prior = lpn.Prior.open("gray-15").double()
    R = LPN(prior, (1, 9, 11))
    rng = np.random.default_rng(0)
    v = rng.random(99)
    x = R.prox(v, 1.0)
    assert x.dtype == v.dtype and x.shape == v.shape
    F = lambda u: R(u) + 0.5 * np.sum((u - v) ** 2)
    best = F(x)
    for _ in range(5):  # the prox is a minimiser
        assert F(x + 0.01 * rng.standard_normal(99)) > best
    # The gradient at the prox is v - x.
    np.testing.assert_allclose(R.grad(x), v - x, atol=1e-4)


def test_with_pyproximals_solver():
    """Denoising by pyproximal's proximal gradient is a fixed point of prox."""
    prior = lpn.Prior.open("gray-15")
    shape, rng = (1, 9, 11), np.random.default_rng(1)
    R = LPN(prior, shape)
    y = (0.5 + 0.1 * rng.standard_normal(99)).astype(np.float32)
    x = pyproximal.optimization.primal.ProximalGradient(pyproximal.L2(b=y), R, tau=0.9, x0=y, niter=20, tol=None)
    again = R.prox(x - 0.9 * (x - y), 0.9)
    assert np.abs(again - x).max() < 1e-3
