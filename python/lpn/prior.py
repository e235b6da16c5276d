"""The prior R of a learned proximal network."""

from collections import deque
from dataclasses import dataclass

import torch

from .files import find_prior, read_prior
from .network import Network


@dataclass
class Value:
    """What is known of R at a point x."""

    R: float  #: a lower bound on R(x), by at most gap; nan where no dual point was found
    residual: float  #: ||f(y)-x|| / max(||x||, 0.1 sqrt(n)) of the dual point y
    gap: float  #: ||f(y)-x||^2 / (2m), m the strong convexity of psi; inf for m = 0
    dual: torch.Tensor  #: y with f(y) = x; grad R(x) = y - x
    calls: int  #: evaluations of the network


class Prior(torch.nn.Module):
    """A function R that can be evaluated, and its proximal operator f = grad psi:

        f(y) = argmin_x 1/2||x-y||^2 + R(x),    R(f(y)) = <y, f(y)> - 1/2||f(y)||^2 - psi(y).

    R/sigma^2 is a negative log-prior of pictures, where proximal matching trained it. Call the prior
    with pictures N x C x H x W with samples nominally in [0,1] to denoise them at its own sigma;
    `prior.double()` computes in double precision.
    """

    def __init__(self, network, notes=None):
        super().__init__()
        self.network, self.notes = network, notes or {}
        for w in network.parameters():
            w.requires_grad_(False)

    @classmethod
    def open(cls, name):
        """The prior in a file, or of a name that find_prior knows."""
        config, weights, notes = read_prior(find_prior(name))
        return cls(Network(config, weights), notes)

    @property
    def config(self):
        return self.network.config

    @property
    def sigma(self):
        """The noise, in [0,1] units, that f removes."""
        return self.config["sigma"]

    @property
    def strong_convexity(self):
        return self.config.get("alpha", 0)

    def forward(self, y):
        return self.network.f(y)

    def psi(self, y):
        return self.network.psi(y)

    def denoise(self, y, sigma):
        """f at another noise level: f(s y)/s with s = self.sigma/sigma, the exact proximal operator of
        R(s x)/s^2. sigma is a number or one a picture."""
        s = torch.as_tensor(self.sigma / sigma, dtype=y.dtype, device=y.device).reshape(-1, 1, 1, 1)
        return self.network.f(s * y) / s

    def value_at_dual(self, y):
        """R(f(y)) of each picture, and f(y), for one evaluation of the network."""
        f, psi = self.network.both(y)
        return (y * f - f * f / 2).sum((1, 2, 3)) - psi, f

    def value(self, x, start=None, tol=1e-5, max_calls=1000):
        """R of one picture, C x H x W: f is inverted there, y = argmin psi(y) - <x,y>, from `start`
        or x. Any y gives a lower bound, by at most `gap`."""
        x = self._picture(x)
        y, f, psi, residual, calls = self._solve(x, 1.0, 0.0, x if start is None else self._picture(start), tol, max_calls)
        inside = residual <= 100 * tol
        m = self.strong_convexity
        gap = _dot(f - x, f - x) / (2 * m) if m > 0 else float("inf")
        R = _dot(y, x) - _dot(x, x) / 2 - psi if inside else float("nan")
        return Value(R, residual, gap, y[0], calls)

    def prox(self, v, tau=1.0, tol=1e-5, max_calls=1000):
        """prox_{tau R}(v) of one picture, C x H x W: f(v) for tau = 1, else f(y) with
        y = argmin (1-tau) psi(y) + tau/2 ||y||^2 - <v,y>. Above tau = 1 this is a critical point, and
        the prox itself where Lip(f) < tau/(tau-1)."""
        v = self._picture(v)
        if tau <= 0:
            raise ValueError(f"tau is {tau}, want it positive")
        if abs(tau - 1) < 1e-9:
            return self.network.f(v)[0].detach()
        return self._solve(v, 1.0 - tau, tau, v, tol, max_calls)[1][0]

    def _picture(self, x):
        w = next(self.network.parameters())
        x = torch.as_tensor(x, dtype=w.dtype, device=w.device)
        if x.dim() != 3:
            raise ValueError(f"a picture of shape {tuple(x.shape)}, want C x H x W")
        return x.detach()[None]

    @torch.no_grad()
    def _solve(self, v, a, b, y, tol, max_calls, memory=20):
        """Minimise a psi(y) + b/2||y||^2 - <v,y> by L-BFGS with a line search on slopes alone: values
        of a nearly solved problem differ by less than their rounding. Returns the best y, f(y), psi(y),
        relative residual and the number of calls."""

        def evaluate(y):
            f, psi = self.network.both(y)
            return f, float(psi), a * f + b * y - v

        scale = max(_dot(v, v) ** 0.5, 0.1 * v.numel() ** 0.5)
        f, psi, g = evaluate(y)
        calls, stale, past = 1, 0, deque(maxlen=memory)
        best = (_dot(g, g) ** 0.5, y, f, psi)
        while best[0] > tol * scale and calls < max_calls and stale < 25:
            d = _direction(past, g, 1 / (a + b))
            slope0 = _dot(g, d)
            if not slope0 < 0:
                if not past:
                    break
                past.clear()
                continue
            t, lo, hi, at_lo, at_hi = 1.0, 0.0, None, slope0, 0.0
            while True:
                f, psi, new = evaluate(y + t * d)
                calls += 1
                slope = _dot(new, d)
                if abs(slope) <= -0.9 * slope0 or calls >= max_calls or hi is not None and hi - lo < 1e-6 * hi:
                    break
                if slope < 0:
                    lo, at_lo = t, slope
                else:
                    hi, at_hi = t, slope
                if hi is None:
                    t *= min(10.0, max(2.0, slope0 / (slope0 - slope) if slope0 != slope else 10.0))
                    continue
                t = lo + (hi - lo) * at_lo / (at_lo - at_hi)
                if not lo + 0.1 * (hi - lo) < t < hi - 0.1 * (hi - lo):
                    t = (lo + hi) / 2
            step, change = t * d, new - g
            if (curve := _dot(step, change)) > 1e-12 * (_dot(step, step) * _dot(change, change)) ** 0.5:
                past.append((step, change, 1 / curve))
            y, g = y + step, new
            norm = _dot(g, g) ** 0.5
            stale = 0 if norm < 0.97 * best[0] else stale + 1
            if norm < best[0]:
                best = (norm, y, f, psi)
        return best[1], best[2], best[3], best[0] / scale, calls


def _dot(a, b):
    """<a,b>, accumulated in double precision."""
    return float(torch.dot(a.flatten().double(), b.flatten().double()))


def _direction(past, g, h):
    """-H g by the two-loop recursion (Nocedal & Wright, algorithm 7.4)."""
    d, alphas = -g, []
    for s, z, rho in reversed(past):
        alphas.append(rho * _dot(s, d))
        d = d - alphas[-1] * z
    if past:
        s, z, rho = past[-1]
        h = 1 / (rho * _dot(z, z))
    d = h * d
    for (s, z, rho), alpha in zip(past, reversed(alphas)):
        d = d + (alpha - rho * _dot(z, d)) * s
    return d
