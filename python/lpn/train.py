"""Train a prior in PyTorch, on a GPU or a CPU, by the rules of `lpn train`.

    lpn-train --data my-photos/ -o mine.safetensors
    lpn verify mine.safetensors            # the Go program's own judgement

The losses, the projections, the penalty on strong waves, the optimiser, the average and the plan are
those of the Go package lpn/train: from the same weights and batches both make the same steps. Only
the random numbers differ.
"""

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import waves
from .files import find_prior, read_prior, write_prior
from .network import Network, parameters


@dataclass
class Stage:
    """A stretch of training with one loss: l1, l2 or pm. gamma (pm) is a root mean square in picture
    units; warmup is a fraction of the steps; sigma = 0 is the network's."""

    loss: str
    steps: int
    rate: float
    gamma: float = 0.0
    warmup: float = 0.0
    cosine: bool = False
    sigma: float = 0.0

    def rate_at(self, t):
        """The learning rate of step t of the stage."""
        w = math.ceil(self.warmup * self.steps)
        if t < w:
            return self.rate * (t + 1) / w
        if self.cosine:
            return self.rate * (1 + math.cos(math.pi * (t - w) / (self.steps - w))) / 2
        return self.rate

    def check(self):
        if self.loss not in ("l1", "l2", "pm"):
            raise ValueError(f"loss is {self.loss!r}, want l1, l2 or pm")
        if self.steps < 1 or not 0 < self.rate <= 10 or not 0 <= self.warmup < 1 or self.sigma < 0:
            raise ValueError(f"{self}: want steps of at least 1, a rate up to 10, a warmup in [0,1)")
        if (self.loss == "pm") != (self.gamma > 0):
            raise ValueError(f"gamma is {self.gamma}: the loss pm wants a positive one, the others none")
        return self


def parse_plan(text):
    """Read a plan, a list of Stage: a .json file, or LOSS:STEPS@RATE with options, separated by
    semicolons, such as l2:20k@6e-3,warmup=0.05,cosine;pm:5k@1e-4,gamma=0.08."""
    if text.lower().endswith(".json"):
        return [Stage(**s).check() for s in json.loads(Path(text).read_text())]
    return [_parse_stage(s).check() for s in text.split(";")]


def _parse_stage(text):
    head, *options = text.strip().split(",")
    try:
        loss, rest = head.split(":")
        steps, rate = rest.split("@")
        steps = steps.strip()
        s = Stage(loss.strip(), int(steps[:-1]) * 1000 if steps.endswith("k") else int(steps), number(rate))
        for o in options:
            key, _, value = o.strip().partition("=")
            if key == "cosine" and not value:
                s.cosine = True
            elif key in ("gamma", "warmup", "sigma"):
                setattr(s, key, number(value))
            else:
                raise ValueError
    except ValueError:
        raise ValueError(f"{text!r} is not like l2:20k@6e-3,warmup=0.05,cosine") from None
    return s


def number(text):
    """A number or a fraction such as 25/255."""
    a, _, b = text.partition("/")
    return float(a) / float(b or 1)


def format_plan(plan):
    """The plan as parse_plan reads it."""
    number = lambda v: f"{v:.12g}"
    out = []
    for s in plan:
        t = f"{s.loss}:{s.steps}@{number(s.rate)}"
        t += "".join(f",{k}={number(getattr(s, k))}" for k in ("gamma", "warmup") if getattr(s, k))
        out.append(t + ",cosine" * s.cosine + (f",sigma={number(s.sigma)}" if s.sigma else ""))
    return ";".join(out)


def loss(f, x, kind, gamma):
    """The loss of answers f to pictures x, in network units: mean |f-x|, mean (f-x)^2, or the mean
    over pictures of 1 - exp(-||f-x||^2/gamma^2) (Fang, Buchanan & Sulam 2024, equation 8)."""
    if kind == "l1":
        return (f - x).abs().mean()
    if kind == "l2":
        return (f - x).square().mean()
    return (1 - torch.exp(-(f - x).square().sum((1, 2, 3)) / gamma**2)).mean()


LOWPASS_RATE = 0.05  # the share of the rate for filters that are normalised to unit gain


class Trainer:
    """A network in training.

    gain_penalty, clip and ema are off at 0. `step` takes one batch; `result` is the network that it has
    come to: the average of the weights, if one is kept."""

    def __init__(self, config, weights, plan, beta2=0.999, clip=0.0, ema=0.0, gain_penalty=0.0, device="cpu"):
        if config.get("pyramid") and not config["pyramid"].get("reach"):
            raise ValueError("a pyramid without a threshold (reach) has no R that is bounded below")
        self.network = Network(config, weights).to(device)
        self.plan, self.clip, self.decay, self.done, self.top = plan, clip, ema, 0, 0.0
        self.penalty = gain_penalty if config.get("pyramid") else 0.0
        net = self.network
        low = [net[n] for n, _, c in net.specs if c == "unit-gain"]
        rest = [net[n] for n, _, c in net.specs if c != "unit-gain"]
        groups = [{"params": rest, "share": 1.0}, {"params": low, "share": LOWPASS_RATE}]
        self.adam = torch.optim.Adam([g for g in groups if g["params"]], lr=0.0, betas=(0.9, beta2), eps=1e-8)
        self.average = [w.detach().clone() for w in net.parameters()] if ema else None

    def stage(self):
        """The current stage and the step in it."""
        t = self.done
        for s in self.plan:
            if t < s.steps or s is self.plan[-1]:
                return s, t
            t -= s.steps

    def step(self, x, y, probes=()):
        """One step on clean pictures x and noisy ones y, N x C x H x W in picture units, and on waves
        for the penalty, where there is one. Returns the loss, without the penalty."""
        net, unit = self.network, self.network.config["unit"]
        stage, t = self.stage()
        value = loss(net.f_units(y / unit), x / unit, stage.loss, stage.gamma * math.sqrt(x[0].numel()) / unit)
        grads = self._gradient(value)
        if self.penalty and probes:
            # Never more than half as much: the pictures still say where to go.
            penalty, self.top = waves.penalty(net, probes, self.penalty)
            push = self._gradient(penalty)
            k = min(1.0, _norm(grads) / 2 / max(1e-30, _norm(push)))
            grads = [g.add_(p, alpha=k) for g, p in zip(grads, push)]
        norm, value = _norm(grads), float(value.detach())
        if not math.isfinite(value + norm):
            raise FloatingPointError(f"the loss is not a number at step {self.done}; a smaller rate may help")
        for w, g in zip(net.parameters(), grads):
            w.grad = g
        if 0 < self.clip < norm:
            for w in net.parameters():
                w.grad.mul_(self.clip / norm)
        for g in self.adam.param_groups:
            g["lr"] = stage.rate_at(t) * g["share"]
        self.adam.step()
        net.project()
        if self.average:
            with torch.no_grad():
                for a, w in zip(self.average, net.parameters()):
                    a.mul_(self.decay).add_(w, alpha=1 - self.decay)
        self.done += 1
        return value

    def _gradient(self, value):
        """The gradients by the weights, less what the projection would undo."""
        params = list(self.network.parameters())
        grads = torch.autograd.grad(value, params, allow_unused=True)
        grads = [torch.zeros_like(w) if g is None else g for w, g in zip(params, grads)]
        self.network.project_gradient(grads)
        return grads

    def result(self):
        net = Network(self.network.config, self.network.arrays()).to(next(self.network.parameters()).device)
        if self.average:
            with torch.no_grad():
                for w, a in zip(net.parameters(), self.average):
                    w.copy_(a)
        net.project()
        return net


def _norm(grads):
    return math.sqrt(sum(float(g.double().square().sum()) for g in grads))


def initial_weights(config, rng):
    """Random weights with the distributions of the Go program's."""
    weights = {}
    for name, dims, constraint in parameters(config):
        kind, fan = name.split(".")[0], int(np.prod(dims[:-1]))
        if config.get("softplus"):
            if name.endswith("bias"):
                w = np.zeros(dims)
            elif constraint == "non-negative":
                w = np.exp(0.5 * rng.standard_normal(dims)) / fan
            else:
                w = rng.uniform(-1, 1, dims) / math.sqrt(fan)
        elif kind in "WA":
            w = rng.standard_normal(dims)
            if constraint == "zero-mean":
                w -= w.mean((0, 1, 2))
            w /= np.sqrt((w * w).sum((0, 1, 2)))
        elif kind == "N":  # gates that each look at a random share of the features
            w = rng.random(dims) * 0.02 / (dims[0] * dims[1])
            w[dims[0] // 2, dims[1] // 2] += 0.9 * (rng.random(dims[2:]) < rng.random(dims[3]))
        elif kind == "T":
            w = rng.random(dims) * 0.02 / 64
        elif kind == "logc":
            p = config["pyramid"]
            w = np.full(dims, math.log(0.05 * 1.1 / (p["levels"][0]["features"] // p["group"])))
        elif kind == "loga":
            w = np.full(dims, math.log(0.005))
        elif kind == "V":
            w = 1 / np.prod(dims) + 0.002 * rng.standard_normal(dims)
        else:
            w = np.zeros(dims)
        weights[name] = w
    for l in range(len((config.get("pyramid") or {"levels": []})["levels"])):
        weights[f"b.{l}"] -= 0.75 * weights[f"N.{l}"].sum((0, 1, 2))
    net = Network(config, {k: v.astype(np.float32) for k, v in weights.items()})
    net.project()
    return net.arrays()


def architecture(name, channels, sigma):
    """The config of a network for pictures of any size: "pyramid" (two levels, quick), "natural" (that
    of the shipped priors) or "softplus" (the paper's recipe, fully convolutional)."""
    c = {"name": name, "channels": channels, "sigma": sigma, "unit": sigma, "alpha": 0.01}
    level = lambda maps, features, nk: {"maps": maps, "wk": 3, "features": features, "ak": 5, "nk": nk}
    if name == "softplus":
        c["softplus"] = {"beta": 10, "layers": [{"width": 64, "k": 3, "stride": 1, "pad": 1}] * 4, "first_bias": True}
        return c
    if name == "pyramid":
        levels = [level(16, 64, 1), level(32, 64, 3)]
    elif name == "natural":
        levels = [level(32 if channels > 1 else 24, 96, 1), level(32, 128, 3), level(32, 96, 3)]
    else:
        raise ValueError(f"no architecture {name!r}, want pyramid, natural or softplus")
    c["pyramid"] = {"levels": levels, "gate": "lse", "group": 16, "lowpass": 2, "lowpass_size": 9, "reach": 4 / sigma, "slack": 1e-3}
    return c


def read_pictures(folder, channels, patch):
    """The pictures below a folder, C x H x W float32 in [0,1]: .npy with NumPy, others with Pillow.
    Those smaller than a patch or not readable are passed over, with a word on stderr."""
    pictures = []
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        try:
            x = _read_picture(path, channels)
            if min(x.shape[1:]) < patch:
                raise ValueError(f"smaller than {patch} pixels")
            pictures.append(x)
        except (ValueError, OSError) as e:
            print(f"lpn-train: {path} is left out: {e}", file=sys.stderr)
    if not pictures:
        raise ValueError(f"{folder}: no pictures")
    return pictures


def _read_picture(path, channels):
    if path.suffix == ".npy":
        x = np.load(path, allow_pickle=False)
        x = x / np.iinfo(x.dtype).max if x.dtype.kind == "u" else x
        if x.ndim == 3 and x.shape[-1] in (1, 3):
            x = x.transpose(2, 0, 1)
        x = x[None] if x.ndim == 2 else x
        if x.ndim != 3 or x.shape[0] not in (1, 3):
            raise ValueError(f"an array of shape {x.shape} is no picture")
        if channels == 1 and x.shape[0] == 3:
            x = np.tensordot([0.299, 0.587, 0.114], x, 1)[None]
    else:
        try:
            from PIL import Image
        except ImportError:
            raise ValueError("reading it wants the package pillow") from None
        with Image.open(path) as im:
            x = np.asarray(im.convert("L" if channels == 1 else "RGB"), np.float32) / 255
        x = x[None] if channels == 1 else x.transpose(2, 0, 1)
    return np.ascontiguousarray(np.broadcast_to(x, (channels, *x.shape[1:])), np.float32)


def draw_patches(pictures, n, patch, rng):
    """n square patches, flipped and turned at random."""
    out = np.empty((n, pictures[0].shape[0], patch, patch), np.float32)
    for i in range(n):
        x = pictures[rng.integers(len(pictures))]
        r, c = (rng.integers(s - patch + 1) for s in x.shape[1:])
        x = np.rot90(x[:, r : r + patch, c : c + patch], rng.integers(4), (1, 2))
        out[i] = x[:, :, ::-1] if rng.integers(2) else x
    return out


def validate(network, pictures, seed=0):
    """The mean PSNR, in decibels, of the network as a denoiser at its own sigma."""
    rng, total = np.random.default_rng(seed), 0.0
    device = next(network.parameters()).device
    for x in pictures:
        y = x + network.config["sigma"] * rng.standard_normal(x.shape).astype(np.float32)
        with torch.no_grad():
            f = network.f(torch.from_numpy(y)[None].to(device))[0].clamp(0, 1).cpu().numpy()
        total -= 10 * math.log10(float(np.mean((f - x) ** 2)))
    return total / len(pictures)


def main(args=None):
    p = argparse.ArgumentParser("lpn-train", description="Train a prior on a folder of pictures; lpn verify judges it.")
    p.add_argument("--data", required=True, help="folder of pictures")
    p.add_argument("--valid", help="folder of pictures to validate on (default: every 20th of the data)")
    p.add_argument("-o", "--output", required=True, help="the prior's file, .safetensors")
    p.add_argument("--arch", default="natural", help="pyramid, natural (default) or softplus")
    p.add_argument("--config", help="a network's config as JSON, as lpn info --json shows it, instead of --arch")
    p.add_argument("--start", help="begin from the weights of a prior of the same network")
    p.add_argument("--sigma", type=number, default=25 / 255, help="noise level, as 0.1 or 25/255 (default)")
    p.add_argument("--channels", type=int, default=1, choices=(1, 3))
    p.add_argument("--patch", type=int, default=48)
    p.add_argument("--batch", type=int, default=4, help="patches a step (default 4; a GPU is idle below 32 or so)")
    p.add_argument("--plan", default="l2:50k@4e-3,warmup=0.05,cosine", help="stages, or a .json file of them")
    p.add_argument("--every", type=int, default=1000, help="steps between two validations")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    o = p.parse_args(args)
    try:
        _run(o)
    except (ValueError, OSError, FloatingPointError) as e:
        sys.exit(f"lpn-train: {e}")
    except KeyboardInterrupt:
        sys.exit("lpn-train: interrupted; the output holds the average of the last validation, if there was one")


def _run(o):
    config = architecture(o.arch, o.channels, o.sigma)
    if o.config:
        config = json.loads(Path(o.config).read_text())
        config = config.get("config", config)
    rng = np.random.default_rng(o.seed)
    weights = read_prior(find_prior(o.start))[1] if o.start else initial_weights(config, rng)
    plan, patch = parse_plan(o.plan), config.get("height") or o.patch
    pictures = read_pictures(o.data, config["channels"], patch)
    if o.valid:
        held = read_pictures(o.valid, config["channels"], patch)
    else:
        held = pictures[19::20] or pictures[-1:]
        pictures = [x for i, x in enumerate(pictures) if i % 20 != 19] if len(pictures) >= 20 else pictures[:-1] or pictures
    if config.get("height"):
        held = [x[:, :patch, :patch] for x in held]
    trainer = Trainer(config, weights, plan, beta2=0.99, clip=0.5, ema=0.995, gain_penalty=50, device=o.device)
    probes = waves.Probes(rng)
    total, began = sum(s.steps for s in plan), time.monotonic()
    onto = lambda a: torch.from_numpy(a).to(o.device)
    while trainer.done < total:
        stage, _ = trainer.stage()
        x = draw_patches(pictures, o.batch, patch, rng)
        y = x + (stage.sigma or config["sigma"]) * rng.standard_normal(x.shape).astype(np.float32)
        value = trainer.step(onto(x), onto(y), probes.look(trainer.network) if trainer.penalty else ())
        if trainer.done % o.every == 0 or trainer.done == total:
            net = trainer.result()
            net.make_well_posed()
            psnr = validate(net, held)
            notes = {"trainer": "lpn-train", "plan": format_plan(plan), "seed": str(o.seed), "steps": str(trainer.done), "psnr": f"{psnr:.4f}"}
            write_prior(o.output, net.config, net.arrays(), notes)
            print(f"{trainer.done}/{total} loss {value:.5g} gain {trainer.top:.3f} {psnr:.2f} dB {time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
