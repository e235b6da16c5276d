import pytest

import lpn

torch = pytest.importorskip("torch")
dinv = pytest.importorskip("deepinv")
from lpn.deepinv import Denoiser, Prior  # noqa: E402


@pytest.fixture(scope="module")
def scene():
    """A small picture of flat pieces, blurred, with noise."""
    x = torch.full((1, 1, 24, 28), 0.2)
    x[:, :, 6:18, 8:20] = 0.8
    physics = dinv.physics.Blur(filter=torch.ones(1, 1, 3, 3) / 9, padding="circular", noise_model=dinv.physics.GaussianNoise(0.02))
    torch.manual_seed(0)
    return x, physics, physics(x)


def test_deepinvs_loop_lowers_our_objective(scene):
    """deepinv's own plug-and-play PGD, with our denoiser: each step must lower
    1/2||Ax-y||^2 + R(x), at a step below 1/L = 1, for the denoiser is a prox."""
    x, physics, y = scene
    prior = lpn.Prior.open("gray-05").double()
    y = y.double()
    physics = physics.to(torch.float64)
    model = dinv.optim.optim_builder(
        iteration="PGD", prior=dinv.optim.PnP(Denoiser(prior)), data_fidelity=dinv.optim.L2(), early_stop=False,
        max_iter=12, params_algo={"stepsize": 0.95, "g_param": prior.sigma, "lambda": 1.0},
    )  # fmt: skip
    iterates = []
    before = model.fixed_point.iterator.g_step.forward

    def watch(v, *args, **kwargs):
        z = before(v, *args, **kwargs)
        R, f = prior.value_at_dual(v)
        assert (f - z).abs().max() < 1e-12  # the loop's step is f
        iterates.append(float(0.95 * 0.5 * (physics.A(z) - y).square().sum() + R))
        return z

    model.fixed_point.iterator.g_step.forward = watch
    with torch.no_grad():
        z = model(y, physics)
    assert len(iterates) == 12
    assert all(b <= a + 1e-9 for a, b in zip(iterates, iterates[1:])), iterates
    psnr = lambda u: -10 * torch.log10((u - x).square().mean())
    assert psnr(z) > psnr(y) + 1


def test_denoiser_at_a_level(scene):
    x, _, _ = scene
    prior = lpn.Prior.open("gray-25")
    d = Denoiser(prior)
    assert torch.equal(d(x), prior(x)) and torch.equal(d(x, 0.05), prior.denoise(x, 0.05))


def test_explicit_prior(scene):
    x, _, _ = scene
    prior = lpn.Prior.open("gray-25")
    p = Prior(prior)
    f = prior(x)
    value = prior.value(f[0])
    assert p(f).shape == (1,) and float(p(f)) == pytest.approx(value.R)
    assert (p.grad(f) - (value.dual - f[0])).abs().max() < 1e-6
    assert torch.equal(p.prox(x), f)
    assert (p.prox(x, gamma=0.5)[0] - prior.prox(x[0], 0.5)).abs().max() < 1e-6
