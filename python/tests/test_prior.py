import numpy as np
import pytest
from conftest import ASSETS, DATA

import lpn

torch = pytest.importorskip("torch")
GOLDEN = np.load(DATA / "priors.npz")
NAMES = sorted({k.rsplit(".", 1)[0] for k in GOLDEN.files})


def golden(name, key):
    return torch.from_numpy(GOLDEN[f"{name}.{key}"])


@pytest.mark.parametrize("name", NAMES)
def test_f_and_psi_are_those_of_go(name):
    prior = lpn.Prior.open(name)
    # In single precision PyTorch is 3e-5 off where a sharp gate of colour-02 is half open.
    f, psi = prior.network.double().both(golden(name, "y")[None].double())
    assert (f[0] - golden(name, "f")).abs().max() < 1e-5
    assert abs(float(psi) / float(golden(name, "psi")[0]) - 1) < 1e-5


def test_shapes_of_batches():
    prior = lpn.Prior.open("colour-25")
    y = torch.rand(3, 3, 5, 12)
    f, psi = prior.network.both(y)
    assert f.shape == y.shape and psi.shape == (3,)
    for i in range(3):
        alone, _ = prior.network.both(y[i : i + 1])
        assert (alone[0] - f[i]).abs().max() < 1e-6


@pytest.mark.parametrize("name", ["gray-25", "digits"])
def test_R_is_that_of_go(name):
    prior = lpn.Prior.open(name)
    v = prior.value(golden(name, "f"), tol=1e-6 if name == "gray-25" else 1e-5)
    R = float(golden(name, "R")[0])
    # Values of R are differences of sums about 100 times as large, in single precision.
    assert abs(v.R - R) < 1e-4 * max(1, abs(R)) + v.gap
    assert v.residual < 1e-5 and 0 <= v.gap < 1e-5
    free, f = prior.value_at_dual(golden(name, "y")[None])
    assert abs(float(free) - R) < 1e-4 * max(1, abs(R))
    assert (f[0] - golden(name, "f")).abs().max() < 1e-5


def test_gradient_of_R():
    """grad R(x) = y - x, against differences of R."""
    prior = lpn.Prior.open("gray-25").double()
    x = golden("gray-25", "f").double()[:, :6, :7]
    v = prior.value(x, tol=1e-9)
    d = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    h = 1e-4
    slope = (prior.value(x + h * d, v.dual, tol=1e-9).R - prior.value(x - h * d, v.dual, tol=1e-9).R) / (2 * h)
    assert abs(slope - float(((v.dual - x) * d).sum())) < 1e-5 * float(d.norm() * (v.dual - x).norm())


def test_prox_of_other_strengths():
    prior = lpn.Prior.open("gray-25")
    y = golden("gray-25", "y")
    assert (prior.prox(y) - golden("gray-25", "f")).abs().max() < 1e-5
    assert (prior.prox(y, 0.5, tol=1e-6) - golden("gray-25", "prox")).abs().max() < 1e-4
    with pytest.raises(ValueError, match="positive"):
        prior.prox(y, 0)


def test_other_noise_levels():
    """f(s y)/s is the gradient of psi(s y)/s^2."""
    prior = lpn.Prior.open("gray-25").double()
    y = golden("gray-25", "y").double()[None].requires_grad_()
    sigma = 15 / 255
    s = prior.sigma / sigma
    (g,) = torch.autograd.grad((prior.psi(s * y) / s**2).sum(), y)
    assert (prior.denoise(y.detach(), sigma) - g).abs().max() < 1e-12
    per = prior.denoise(y.detach().repeat(2, 1, 1, 1), torch.tensor([sigma, prior.sigma]))
    assert (per[0] - g[0]).abs().max() < 1e-7 and (per[1] - prior(y.detach())[0]).abs().max() < 1e-12


def test_f_can_be_differentiated():
    prior = lpn.Prior.open("digits").double()
    y = golden("digits", "y").double()[None].requires_grad_()
    u, v = torch.randn(2, *y.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    jacobian = lambda d: torch.autograd.grad((prior(y) * d).sum(), y)[0]
    assert abs(float((jacobian(u) * v).sum() - (jacobian(v) * u).sum())) < 1e-9  # symmetric


def test_broken_signs_are_refused():
    config, weights, _ = lpn.read_prior(ASSETS / "gray-25.safetensors")
    weights["N.1"] = weights["N.1"].copy()
    weights["N.1"][0, 0, 0, 0] = -1e-3
    with pytest.raises(ValueError, match="N.1 is negative"):
        lpn.Network(config, weights)
    with pytest.raises(ValueError, match="shape"):
        lpn.Network(config, {**weights, "N.1": weights["N.0"]})


def test_gain_bound():
    """Against the number that the Go program stored with the prior."""
    for name in ("gray-25", "colour-25"):
        config, weights, notes = lpn.read_prior(ASSETS / f"{name}.safetensors")
        assert abs(lpn.Network(config, weights).gain_bound() - float(notes["lpn.growth_bound"])) < 1e-5


def test_numpy_alone():
    """Reading files does not import PyTorch."""
    import subprocess
    import sys

    code = "import sys, lpn; lpn.read_prior(lpn.find_prior('laplace')); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
