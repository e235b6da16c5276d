import itertools
import json
import math

import numpy as np
import pytest
from conftest import ASSETS, DATA, lpn_command

import lpn

torch = pytest.importorskip("torch")
from lpn import train, waves  # noqa: E402


def names(z, prefix):
    return {k[len(prefix) :]: z[k] for k in z.files if k.startswith(prefix)}


def golden_waves(z, step):
    """The waves at which the Go side looked, in the colours that it turned them to."""
    if "wave.place" not in z.files:
        return ()
    out = []
    for place, profile, phases, mix in zip(*(z[f"wave.{k}"][step] for k in ("place", "profile", "phases", "mix"))):
        fy, fx, start, period = (float(v) for v in place)
        if not period:  # no more
            break
        profile = profile[: np.flatnonzero(profile)[-1] + 1]
        out.append(waves.Wave(fy, fx, profile, period, [int(n) for n in phases], start, mix[:, 0] + 1j * mix[:, 1]))
    return out


@pytest.mark.parametrize("name", ["gray", "colour", "strided"])
def test_twenty_steps_are_those_of_go(name):
    z = np.load(DATA / f"train-{name}.npz")
    config, options = json.loads(str(z["config"])), json.loads(str(z["options"]))
    plan = train.parse_plan(options.pop("plan"))
    t = train.Trainer(config, names(z, "start."), plan, **options)
    # In double precision: Adam divides small gradients by their size, so that the rounding of single
    # precision, which is not the same in every build of PyTorch, would decide some of them.
    t.network.double()
    x, y = torch.from_numpy(z["x"]).double(), torch.from_numpy(z["y"]).double()
    assert len(x) == 20
    for k in range(20):
        loss = t.step(x[k], y[k], golden_waves(z, k))
        assert abs(loss / z["loss"][k] - 1) < 1e-4, k
    for prefix, net in (("last.", t.network), ("result.", t.result())):
        for key, w in names(z, prefix).items():
            assert np.abs(net[key].detach().numpy() - w).max() < 1e-4 * max(1, np.abs(w).max()), prefix + key
    moved = max(np.abs(z["last." + k] - w).max() for k, w in names(z, "start.").items())
    assert moved > 0.01


def test_constraints_hold():
    z = np.load(DATA / "train-colour.npz")
    net = lpn.Network(json.loads(str(z["config"])), names(z, "start."))
    with torch.no_grad():
        for w in net.parameters():
            w.add_(torch.randn(w.shape, generator=torch.Generator().manual_seed(3)))
    net.project()
    w = net["W.0"].detach().numpy().reshape(3, 3, 3, 4, -1)  # channels of the cell, plane by plane
    assert np.abs(w.mean((0, 1, 3))).max() < 1e-6
    assert min(float(net[n].detach().min()) for n in ("N.0", "N.1", "T.1")) >= 0
    assert abs(sum(float(net[f"V.{k}"].detach().sum()) ** 2 for k in range(2)) - 1) < 1e-5
    # A constant picture passes the low-pass term with gain 1, but for alpha and the slack.
    one = torch.full((1, 3, 9, 10), 0.5)
    gain = 1 - net.config["alpha"] - net.config["pyramid"]["slack"]
    assert float(net._lowpass(one).detach()) == pytest.approx(gain / 2 * 270 * 0.25, rel=1e-5)


def test_plans():
    text = "l2:20k@6e-3,warmup=0.05,cosine;pm:500@1e-4,gamma=0.08,sigma=25/255"
    plan = train.parse_plan(text)
    assert [s.steps for s in plan] == [20000, 500] and plan[1].sigma == 25 / 255
    assert train.parse_plan(train.format_plan(plan))[0] == plan[0]
    assert plan[0].rate_at(0) == pytest.approx(6e-6) and plan[0].rate_at(1000) == 6e-3 and plan[0].rate_at(19999) < 1e-9
    for bad in ("", "l2", "l2:5@", "l3:5@1", "l2:0@1e-3", "pm:5@1e-3", "l2:5@1e-3,gamma=1", "l2:5@1e-3,cosine=1", "l2:5@1e-3,speed=2"):
        with pytest.raises(ValueError):
            train.parse_plan(bad)


def test_gain_of_waves():
    """By transfer functions, against a large picture of the wave far from the border: the gates are the
    largest of their group when it is strong enough. Of waves that repeat, over whole repeats."""
    rng = np.random.default_rng(0)
    z = np.load(DATA / "train-colour.npz")
    config = json.loads(str(z["config"]))
    config["pyramid"]["reach"] = 0  # homogeneous
    net = lpn.Network(config, names(z, "start."))
    n, strong = 192, 1e4
    at = np.arange(n)
    cases = []
    while len(cases) < 3:
        w = waves.draw(rng, 3, 2)
        if w.start == 0 and w.period <= 12 and 0.02 < abs(w.fx) < 0.48 and 0.02 < abs(w.fy) < 0.48:  # of all phases
            cases.append((w, 96, 0.02))
    for row, col, repeat, sharp in ((0, 1, 12, 0), (-3, 5, 23, 3), (3, 4, 16, 3), (1, 2, 10, 0)):
        cases.append((waves.repeating(row, col, repeat, 0.7, sharp, cases[0][0].mix, 2), math.lcm(repeat, 4), 1e-3))
    for w, window, close in cases:
        u = 2 * math.pi * (w.fy * at[:, None] + w.fx * at) + w.start
        g = sum(a * (w.mix[:, None, None] * np.exp(1j * (2 * k + 1) * u)).real for k, a in enumerate(w.profile))
        g = torch.from_numpy(g.astype(np.float32))[None]
        f = net.f(strong * g).detach() / strong
        inner = (slice(None), slice(None), slice(48, 48 + window), slice(48, 48 + window))
        measured = float((g[inner] * f[inner]).sum() / g[inner].square().sum())
        assert float(waves.gain(net, w).detach()) == pytest.approx(measured, rel=close)
        mix = waves.worst(net, w)
        assert float(waves.gain(net, w, mix).detach()) >= float(waves.gain(net, w).detach()) - 1e-4


def test_probes_remember_what_is_amplified(monkeypatch):
    whole = waves.survey
    monkeypatch.setattr(waves, "survey", lambda *size: itertools.islice(whole(*size), 0, None, 40))
    z = np.load(DATA / "train-colour.npz")
    net = lpn.Network(json.loads(str(z["config"])), names(z, "start."))
    probes = waves.Probes(np.random.default_rng(2))
    most = 0.0
    for _ in range(8):
        seen = probes.look(net)
        assert 4 <= len(seen) <= waves.FRESH + waves.AGAIN
        most = max(most, max(w.over for w in seen))
    assert most > 0 and probes.known[0].over == pytest.approx(most, abs=1e-6) and len(probes.known) <= waves.REMEMBERED
    assert all(w.over > -waves.NEAR for w in probes.known)
    w = probes.known[0]
    assert float(waves.gain(net, w).detach()) - waves.ceiling(net.config["sigma"], w.period) == pytest.approx(w.over, abs=1e-5)


def test_a_training_is_certified_by_go(tmp_path):
    """From pictures to a file that lpn verify accepts."""
    rng = np.random.default_rng(1)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(3):
        x = np.cumsum(np.cumsum(rng.standard_normal((24, 26)), 0), 1)
        np.save(pictures / f"{i}.npy", ((x - x.min()) / np.ptp(x)).astype(np.float32))
    out = tmp_path / "prior.safetensors"
    config = train.architecture("pyramid", 1, 0.1)
    for l in config["pyramid"]["levels"]:
        l.update(maps=4, features=8, ak=3)
    config["pyramid"].update(group=4, lowpass_size=5)
    (tmp_path / "config.json").write_text(json.dumps(config))
    train.main(["--data", str(pictures), "-o", str(out), "--config", str(tmp_path / "config.json"), "--patch", "16", "--batch", "2",
                "--plan", "l2:40@5e-3,cosine;pm:10@1e-3,gamma=0.1", "--every", "50", "--device", "cpu"])  # fmt: skip
    _, _, notes = lpn.read_prior(out)
    assert notes["steps"] == "50" and math.isfinite(float(notes["psnr"]))
    assert json.loads(lpn_command("verify", "--json", "--size", "16", out))["ok"]


def test_a_lowpass_that_amplifies_is_scaled():
    z = np.load(DATA / "train-gray.npz")
    start = names(z, "start.")
    v = np.zeros((5, 5, 1, 1), np.float32)
    v[2, 2], v[2, 3] = 1.1, -0.1  # gain 1 at the constant, 1.2 at the finest stripes
    start["V.0"], start["V.1"] = v, 0 * v
    net = lpn.Network(json.loads(str(z["config"])), start)
    gain = 1 - net.config["alpha"] - net.config["pyramid"]["slack"]
    assert net.gain_bound() == pytest.approx(gain * 1.2**2 + net.config["alpha"] + 8e-4, abs=1e-3)
    net.make_well_posed()
    assert 0.999 < net.gain_bound() <= 1 - 1e-5
    with torch.no_grad():
        net["V.0"][2, 2], net["V.0"][2, 3] = 2, -1
    with pytest.raises(ValueError, match="astray"):
        net.make_well_posed()


def test_patches():
    x = np.arange(2 * 30, dtype=np.float32).reshape(1, 6, 10)
    p = train.draw_patches([x], 50, 4, np.random.default_rng(0))
    assert p.shape == (50, 1, 4, 4) and len({a.tobytes() for a in p}) > 30
    steps = {tuple(sorted((abs(a[0, 0, 1] - a[0, 0, 0]), abs(a[0, 1, 0] - a[0, 0, 0])))) for a in p}
    assert steps == {(1.0, 10.0)}


def test_start_must_fit():
    _, weights, _ = lpn.read_prior(ASSETS / "gray-25.safetensors")
    with pytest.raises((ValueError, KeyError)):
        train.Trainer(train.architecture("pyramid", 1, 0.1), weights, train.parse_plan("l2:1@1e-3"))
    with pytest.raises(ValueError, match="reach"):
        config = train.architecture("pyramid", 1, 0.1)
        del config["pyramid"]["reach"]
        train.Trainer(config, weights, train.parse_plan("l2:1@1e-3"))
