"""The gain of strong waves, for the penalty that keeps f from amplifying them.

For strong pictures a pyramid's psi is homogeneous: the gates are the largest of their group, whatever
their thresholds. The gain <g, f(g)>/||g||^2 of a wave g without end is then a matter of transfer
functions, and bounds that of the wave at every strength. See the type strong of the Go package
lpn/train, of which this is the forward half; PyTorch differentiates it.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

HARMONICS = 4  # how many odd harmonics of a wave count
LONGEST = 24  # the longest period, in pixels, of a wave that repeats
FRESH, AGAIN = 12, 8  # waves in a step: new ones, fewer in colour, and remembered ones
TURNS = 2  # steps towards the colour of the largest gain
BETWEEN = 1000  # steps from one survey to the next
REMEMBERED, NEAR, BESIDE = 128, 0.01, 0.01  # waves near the ceiling are remembered, and tried beside, in cycles a pixel
TIE = 1e-4  # a wave beside must be better by more than rounding
MOST_SHARP, SLOWEST = 6.0, 40


@dataclass
class Wave:
    """sum over n of profile[n] Re(mix exp(i (2n+1) (2 pi (fy row + fx col) + start))): fy and fx in
    cycles a pixel, a profile of odd harmonics of sum of squares 1. phases are, for each level, how many
    phases of the energies there are, start/2 the first; mix is complex, one number a plane, of length 1."""

    fy: float
    fx: float
    profile: np.ndarray
    period: float
    phases: list
    start: float
    mix: np.ndarray
    over: float = 0.0  # the gain above the ceiling when last looked at


def ceiling(sigma, period):
    """The gain that a wave may have."""
    return 1 - 0.06 * math.sqrt(sigma) * min(1, 20 / period)


def series(sharp, n):
    """The first n odd harmonics of a sine squared off, of sum of squares 1."""
    u = 2 * math.pi * (np.arange(256) + 0.5) / 256
    a = np.array([np.sum(np.tanh(max(sharp, 1e-3) * np.cos(u)) * np.cos((2 * k + 1) * u)) for k in range(n)])
    return a / np.linalg.norm(a)


def draw(rng, channels, levels):
    """A wave for a network of so many levels. Half of them repeat after a few pixels, half of those
    along rows, columns and diagonals and the like."""
    mix = rng.standard_normal(channels) + 1j * rng.standard_normal(channels)
    if channels > 1 and rng.integers(4):  # of colour alone, which few turns would not find
        mix -= mix.mean()
    mix /= np.linalg.norm(mix)
    sharp = MOST_SHARP * rng.random() if rng.integers(2) == 0 else 0.0
    if rng.integers(2):
        n = 4 + int(rng.integers(LONGEST - 3))
        row, col = [(0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (2, -1)][rng.integers(6)]
        other = int(rng.integers(n)) - n // 2, 1 + int(rng.integers(n // 2))
        if rng.integers(2) and n // math.gcd(n, math.gcd(*other)) > 2:
            row, col = other
        return repeating(row, col, n, 2 * math.pi * rng.random(), sharp, mix, levels)
    angle = math.pi / 4 * int(rng.integers(4)) if rng.integers(2) else math.pi * rng.random()
    fy, fx = math.sin(angle), math.cos(angle)
    f = math.sqrt(rng.random()) / 2 if rng.integers(2) else (SLOWEST / 2) ** -rng.random() / 2
    if rng.integers(16) == 0:  # as fast as there is
        f = 0.5 / max(abs(fy), abs(fx))
    f = max(f, 1 / SLOWEST)
    profile = series(sharp, HARMONICS) if sharp else np.ones(1)
    return Wave(f * fy, f * fx, profile, 1 / f, [4 * HARMONICS if sharp else 8] * levels, 0.0, mix)


def repeating(row, col, n, start, sharp, mix, levels):
    """A wave of row and col cycles in n pixels, with the harmonics below the half of what it repeats after."""
    distinct = n // math.gcd(n, math.gcd(row, col))
    below = min(HARMONICS, (distinct + 1) // 4)
    profile = series(sharp, below) if sharp and below > 1 else np.ones(1)
    phases = [n // math.gcd(n, 2 * math.gcd(row, col) << (l + 1)) for l in range(levels)]
    return Wave(row / n, col / n, profile, n / math.hypot(row, col), phases, start, mix)


def survey(channels, levels):
    """Waves of all frequencies, so close that none is missed by a filter of 14 pixels, and those that
    repeat after few pixels along rows, columns and diagonals: for each wave those of a few colours."""
    mixes = np.array([[1, 1, 1], [1, 0, -1], [-0.5, 1, -0.5]] if channels == 3 else [[1] * channels]) + 0j
    mixes /= np.linalg.norm(mixes, axis=1, keepdims=True)
    n = 28
    for row in range(-n // 2 + 1, n // 2 + 1):
        for col in range(n // 2 + 1):
            if row % (n // 2) or col % (n // 2):  # not flat, nor plus and minus from pixel to pixel
                period = n / math.hypot(row, col)
                yield [Wave(row / n, col / n, np.ones(1), period, [8] * levels, 0.0, m) for m in mixes]
    for n in range(3, LONGEST + 1):
        for row, col in (0, 1), (1, 0), (1, 1), (1, -1):
            for sharp in 0.0, MOST_SHARP:
                for start in 0.7, 0.7 + math.pi / 2:
                    yield [repeating(row, col, n, start, sharp, m, levels) for m in mixes]


class Probes:
    """The waves that the penalty looks at: in each step fresh ones, and some of those near the ceiling or
    above that were met, which are remembered until they are not. Few waves are above. From time to time
    a survey looks at waves of all kinds."""

    def __init__(self, rng):
        self.rng, self.known, self.step = rng, [], 0

    def look(self, net):
        """The waves of a step, each in the colour of its largest gain."""
        channels, levels = net.config["channels"], len(net.config["pyramid"]["levels"])
        if self.step % BETWEEN == 0:
            for colours in survey(channels, levels):
                self.known.append(max((turned(net, w) for w in colours), key=lambda w: w.over))
            self.forget()
        known, self.known, out = self.known, [], []
        for i, w in enumerate(known):
            if (i + self.step * AGAIN) % len(known) >= AGAIN:
                self.known.append(w)
                continue
            old, new = turned(net, w), turned(net, self.beside(w))
            out.append(new if new.over > old.over + TIE else old)
        out += [turned(net, draw(self.rng, channels, levels)) for _ in range(max(4, FRESH // channels))]
        self.known += out
        self.forget()
        self.step += 1
        return out

    def forget(self):
        """Keeps the waves near the ceiling or above, of those the highest."""
        self.known = sorted((w for w in self.known if w.over > -NEAR), key=lambda w: -w.over)[:REMEMBERED]

    def beside(self, w):
        """A wave near another: one that repeats begins elsewhere, others have another frequency."""
        if w.start:
            return replace(w, start=w.start + self.rng.standard_normal())
        fy, fx = (np.array([w.fy, w.fx]) + BESIDE * self.rng.standard_normal(2)).tolist()
        return replace(w, fy=fy, fx=fx, period=1 / math.hypot(fy, fx))


def turned(net, wave):
    """A wave in the colour of its largest gain, and how far that is above the ceiling."""
    mix = worst(net, wave)
    with torch.no_grad():
        over = float(gain(net, wave, mix)) - ceiling(net.config["sigma"], wave.period)
    return replace(wave, mix=mix.cpu().numpy(), over=over)


def _complex(net):
    """The complex numbers of the precision of the weights."""
    return torch.complex128 if next(net.parameters()).dtype == torch.float64 else torch.complex64


def gain(net, wave, mix=None, lowpass=True):
    """The gain of a wave, a tensor to be differentiated in the weights and in mix (default: its own)."""
    p, device = net.config["pyramid"], next(net.parameters()).device
    onto = lambda a: torch.from_numpy(np.asarray(a)).to(_complex(net)).to(device)
    orders = 2 * np.arange(len(wave.profile)) + 1
    wy, wx = 2 * math.pi * wave.fy, 2 * math.pi * wave.fx

    def turns(k, wy, wx, orders):
        """What each tap of a k x k filter turns each harmonic by."""
        at = np.arange(k) - k // 2
        return onto(np.exp(1j * orders[:, None, None] * (wy * at[:, None] + wx * at)))

    def filtered(x, name, wy, wx, orders=orders):
        w = net[name].to(_complex(net))
        return torch.einsum("nyx,yxcm,nc->nm", turns(w.shape[0], wy, wx, orders), w, x)

    total = net.config["alpha"]
    if lowpass:
        most = 1 - net.config["alpha"] - p.get("slack", 0)
        for k in range(p["lowpass"]):
            through = filtered(onto(wave.profile)[:, None], f"V.{k}", wy, wx)
            total = total + most * through.abs().square().sum()
    x = onto(wave.profile)[:, None] * (onto(wave.mix) if mix is None else mix)
    top = None
    for l in range(len(p["levels"])):
        cell = np.exp(1j * orders[:, None] * (wy * np.array([0, 0, 1, 1]) + wx * np.array([0, 1, 0, 1])))
        x = (x[:, :, None] * onto(cell)[:, None]).flatten(1)
        wy, wx = 2 * wy, 2 * wx  # of a cell of this level
        x = filtered(x, f"W.{l}", wy, wx)
        h = filtered(x, f"A.{l}", wy, wx)
        # The energies at each of their phases, and as a series in them.
        n = wave.phases[l]
        half = np.exp(1j * orders[:, None] * (wave.start + math.pi * np.arange(n) / n))
        q = torch.einsum("np,nf->pf", onto(half), h).real.square() / 2
        r = np.arange(min(2 * len(orders), n // 2 + 1))
        turned = np.exp(2j * math.pi * r[:, None] * np.arange(n) / n)
        many = np.where((r == 0) | (2 * r == n), 1, 2)[:, None]
        series_q = torch.einsum("rp,pf->rf", onto(turned.conj() * many / n), q.to(_complex(net)))
        # Energies turn twice as fast as the wave.
        gates = torch.einsum("rp,rj->pj", onto(turned), filtered(series_q, f"N.{l}", 2 * wy, 2 * wx, r)).real
        if l:
            gates = gates + top @ net[f"T.{l}"][0, 0]
        groups = gates.unflatten(1, (-1, p["group"]))
        top = (groups.sum(2) if p["gate"] == "hard" else groups.max(2).values).mean(0)
        total = total + 4.0**-l * (net[f"logc.{l}"].exp() @ top + net[f"loga.{l}"].exp() @ series_q[0].real)
    return total


def worst(net, wave, turns=TURNS):
    """The mixture of planes of the largest gain, by a power iteration on the form that the open gates
    make of it."""
    mix = torch.from_numpy(wave.mix).to(_complex(net)).to(next(net.parameters()).device)
    if len(mix) == 1:
        return mix
    for _ in range(turns):
        mix = mix.detach().requires_grad_()
        (slope,) = torch.autograd.grad(gain(net, wave, mix, lowpass=False), mix)
        mix = slope / torch.linalg.vector_norm(slope)
    return mix.detach()


def penalty(net, waves, weight):
    """weight * sum over waves of max(0, gain - ceiling)^2, and the largest gain."""
    gains = torch.stack([gain(net, w) for w in waves])
    limits = torch.tensor([ceiling(net.config["sigma"], w.period) for w in waves], device=gains.device)
    return weight * (gains - limits).clamp(min=0).square().sum(), float(gains.detach().max())
