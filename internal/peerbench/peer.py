"""The PyTorch, SciPy and NumPy side of peerbench.

Reads one JSON request a line on standard input and answers with one JSON
object a line. The networks are written from their description (docs of
lpn.SoftplusConfig and lpn.PyramidConfig); the weights come in a safetensors
file in our layout, filters (K,K,Ci,Co), and are turned to PyTorch's.
"""
import copy
import importlib.metadata
import json
import os
import sys
import time

try:
    import numpy as np
except ImportError:
    np = None
try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None
try:
    import scipy
    import scipy.fft
except ImportError:
    scipy = None


def load(path):
    with open(path, "rb") as f:
        raw = f.read()
    n = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8 : 8 + n])
    out = {}
    for name, t in head.items():
        if name == "__metadata__":
            continue
        a, b = t["data_offsets"]
        x = np.frombuffer(raw[8 + n + a : 8 + n + b], np.float32).reshape(t["shape"]).copy()
        x = torch.from_numpy(x)
        if x.ndim == 4 and name not in ("x", "y"):
            x = x.permute(3, 2, 0, 1).contiguous()
        out[name] = x
    return out


class Net(torch.nn.Module if torch else object):
    """A network whose weights are parameters, so that the compiler may pack them."""

    def __init__(self, cfg, weights):
        super().__init__()
        self.alpha, self.names = cfg.get("alpha", 0.0), sorted(weights)
        for name in self.names:
            self.register_parameter(name.replace(".", "_"), torch.nn.Parameter(weights[name]))

    def w(self, name):
        return getattr(self, name.replace(".", "_"), None)


class Softplus(Net):
    """f = grad psi of lpn.SoftplusConfig, written out, and psi."""

    def __init__(self, cfg, weights):
        super().__init__(cfg, weights)
        self.beta, self.layers = cfg["softplus"]["beta"], cfg["softplus"]["layers"]

    def forward(self, x):
        z, slopes, shapes = x, [], []
        for k, l in enumerate(self.layers):
            stride, pad = l["stride"], l["pad"]
            a = F.conv2d(z, self.w("lin.%d.weight" % k), self.w("lin.0.bias") if k == 0 else None, stride, pad)
            if k > 0:
                r = x
                if z.shape[2:] != x.shape[2:]:
                    r = F.interpolate(x, z.shape[2:], mode="bilinear", align_corners=False)
                a = a + F.conv2d(r, self.w("res.%d.weight" % (k - 1)), self.w("res.%d.bias" % (k - 1)), stride, pad)
            shapes.append(z.shape)
            slopes.append(torch.sigmoid(self.beta * a))
            z = F.softplus(a, beta=self.beta)
        last = self.w("lin.%d.weight" % len(self.layers))
        u = F.conv_transpose2d(z.new_ones(z.shape[0], last.shape[0], *[n - last.shape[-1] + 1 for n in z.shape[2:]]), last)
        out = self.alpha * x
        for k in reversed(range(len(self.layers))):
            u = u * slopes[k]
            if k > 0:
                g = self.transposed(u, "res.%d.weight" % (k - 1), self.layers[k], shapes[k])
                if g.shape != x.shape:
                    g = torch.ops.aten.upsample_bilinear2d_backward(g, g.shape[2:], x.shape, False)
                out = out + g
            u = self.transposed(u, "lin.%d.weight" % k, self.layers[k], shapes[k])
        return out + u

    def psi(self, x):
        z = x
        for k, l in enumerate(self.layers):
            stride, pad = l["stride"], l["pad"]
            a = F.conv2d(z, self.w("lin.%d.weight" % k), self.w("lin.0.bias") if k == 0 else None, stride, pad)
            if k > 0:
                r = x
                if z.shape[2:] != x.shape[2:]:
                    r = F.interpolate(x, z.shape[2:], mode="bilinear", align_corners=False)
                a = a + F.conv2d(r, self.w("res.%d.weight" % (k - 1)), self.w("res.%d.bias" % (k - 1)), stride, pad)
            z = F.softplus(a, beta=self.beta)
        return F.conv2d(z, self.w("lin.%d.weight" % len(self.layers))).sum() + self.alpha / 2 * (x * x).sum()

    def derived(self, x, train):
        """The same f by autograd."""
        x = x.detach().requires_grad_()
        return torch.autograd.grad(self.psi(x), x, create_graph=train)[0]

    def transposed(self, u, name, layer, shape):
        w, stride, pad = self.w(name), layer["stride"], layer["pad"]
        more = [n - ((m - 1) * stride - 2 * pad + w.shape[-1]) for n, m in zip(shape[2:], u.shape[2:])]
        return F.conv_transpose2d(u, w, None, stride, pad, more)

    def project(self):
        for name in self.names:
            if name.startswith("lin.") and not name.startswith("lin.0.") and name.endswith("weight"):
                self.w(name).clamp_(min=0)


class Pyramid(Net):
    """f = grad psi of lpn.PyramidConfig, written out, for one size of picture."""

    def __init__(self, cfg, weights, h, w):
        super().__init__(cfg, weights)
        self.p = cfg["pyramid"]
        levels = self.p["levels"]
        m, cell = levels[0]["wk"] // 2 * 2, 2 ** len(levels)

        def mirror(n, before, after):
            i = torch.arange(-before, n + after) % (2 * n)
            return torch.where(i >= n, 2 * n - 1 - i, i)

        up = lambda n: (n + cell - 1) // cell * cell
        k = self.p["lowpass_size"] // 2
        self.register_buffer("rows", mirror(h, m, m + up(h) - h))
        self.register_buffer("columns", mirror(w, m, m + up(w) - w))
        self.register_buffer("low_rows", mirror(h, k, k))
        self.register_buffer("low_columns", mirror(w, k, k))
        for l in range(len(levels)):
            px = 2 << l
            side = lambda n: torch.clamp(n - px * torch.arange(up(n) // px), 0, px).float() / px
            self.register_buffer("frac_%d" % l, side(h)[:, None] * side(w)[None, :])

    @staticmethod
    def pad(x, idx):
        return x.index_select(2, idx[0]).index_select(3, idx[1])

    @staticmethod
    def pad_t(x, idx, h, w):
        n, c = x.shape[:2]
        t = x.new_zeros(n, c, h, x.shape[3]).index_add(2, idx[0], x)
        return x.new_zeros(n, c, h, w).index_add(3, idx[1], t)

    def gate(self, p):
        n, c, h, w = p.shape
        g = p.unflatten(1, (c // self.p["group"], self.p["group"]))
        if self.p["gate"] == "hard":
            s = torch.clamp(g / 2 + 0.5, 0, 1)
            z = torch.where(g > 1, g, s * s).sum(2)
            return z, s.reshape(p.shape)
        return g.logsumexp(2), g.softmax(2).flatten(1, 2)

    def forward(self, x):
        w, lv, per = self.w, self.p["levels"], self.p["group"]
        h0, w0 = x.shape[2:]
        idx, low = (self.rows, self.columns), (self.low_rows, self.low_columns)
        frac = [getattr(self, "frac_%d" % l) for l in range(len(lv))]
        n = len(lv)
        g, h, q, s, z = [], [], [], [], []
        t = self.pad(x, idx)
        for l in range(n):
            t = F.conv2d(F.pixel_unshuffle(t, 2), w("W.%d" % l), padding=0 if l == 0 else lv[l]["wk"] // 2)
            g.append(t)
            h.append(F.conv2d(t, w("A.%d" % l), padding=lv[l]["ak"] // 2))
        for l in range(n):
            e = h[l]
            if self.p.get("reach"):
                h[l] = torch.clamp(e, -self.p["reach"], self.p["reach"])
            p = F.conv2d(h[l] * (e - h[l] * 0.5), w("N.%d" % l), w("b.%d" % l), padding=lv[l]["nk"] // 2)
            if l > 0:
                p = p + F.conv2d(F.avg_pool2d(z[-1], 2), w("T.%d" % l))
            a, b = self.gate(p)
            z.append(a)
            s.append(b)
        v, gh = None, [None] * n
        for l in reversed(range(n)):
            c = w("logc.%d" % l).exp()[None, :, None, None] * frac[l]
            if v is None:
                v = c.expand(x.shape[0], -1, -1, -1)
            else:
                v = c + F.interpolate(v, scale_factor=2) / 4
            u = s[l] * v.repeat_interleave(per, 1)
            gain = F.conv_transpose2d(u, w("N.%d" % l), padding=lv[l]["nk"] // 2)
            gh[l] = (gain + w("loga.%d" % l).exp()[None, :, None, None] * frac[l]) * h[l]
            if l > 0:
                v = F.conv_transpose2d(u, w("T.%d" % l))
        up = None
        for l in reversed(range(n)):
            a = F.conv_transpose2d(gh[l], w("A.%d" % l), padding=lv[l]["ak"] // 2)
            if up is not None:
                a = a + up
            up = F.pixel_shuffle(F.conv_transpose2d(a, w("W.%d" % l), padding=0 if l == 0 else lv[l]["wk"] // 2), 2)
        out = self.pad_t(up, idx, h0, w0)
        nv, c = self.p["lowpass"], x.shape[1]
        k = self.p["lowpass_size"]
        V = torch.cat([w("V.%d" % i) for i in range(nv)])
        planes = x.reshape(-1, 1, h0, w0)
        y = F.conv2d(self.pad(planes, low), V)
        y = self.pad_t(F.conv_transpose2d(y, V), low, h0, w0).reshape(x.shape)
        return out + (1 - self.alpha - self.p.get("slack", 0.0)) * y + self.alpha * x

    def project(self):
        for name in self.names:
            t = self.w(name)
            if name[0] in "NT":
                t.clamp_(min=0)
            elif name == "W.0":
                t.sub_(t.mean((1, 2, 3), keepdim=True))
        V = [self.w(name) for name in self.names if name[0] == "V"]
        gain = sum(t.sum() ** 2 for t in V) ** 0.5
        for t in V:
            t.div_(gain)


def network(req):
    weights = load(req["file"])
    x, y = weights.pop("x", None), weights.pop("y")
    cfg, unit = req["config"], req["config"]["unit"]
    net = Softplus(cfg, weights) if cfg.get("softplus") else Pyramid(cfg, weights, *y.shape[2:])
    return net, x if x is None else x / unit, y / unit, unit


def in_layouts(net, *data):
    """The network and the data, by memory layout."""
    if not torch:
        return
    for layout in torch.contiguous_format, torch.channels_last:
        name = str(layout).split(".")[-1].replace("_format", "")
        yield name, copy.deepcopy(net).to(memory_format=layout), *(t.to(memory_format=layout) for t in data)


def evaluations(net, x, compile, then=lambda x: x):
    """The evaluation of a network, eager and compiled, in both layouts."""

    def run(f, x):
        def once():
            with torch.inference_mode():
                return then(f(x))

        return once

    if compile:
        torch._inductor.config.freezing = True  # packs the weights once
    out = {}
    for layout, laid, y in in_layouts(net.eval(), x):
        out["eager", layout] = run(laid, y)
        if compile:
            out["compiled", layout] = run(torch.compile(laid), y)
    return out


def setup_prox(req):
    net, _, y, unit = network(req)
    out = evaluations(net, y, req["compile"], lambda f: f * unit)
    if isinstance(net, Softplus):
        for layout, laid, y in in_layouts(net.requires_grad_(False), y):
            out["eager", layout + ", autograd"] = lambda laid=laid, y=y: laid.derived(y, False) * unit
    return out


def setup_train(req):
    net, x, y, _ = network(req)
    out = {}
    for layout, laid, y, x in in_layouts(net, y, x):
        out["eager", layout] = train_step(laid, lambda f: f, x, y)
    if isinstance(net, Softplus):
        for layout, laid, y, x in in_layouts(net, y, x):
            out["eager", layout + ", autograd"] = train_step(laid, lambda f: f, x, y, lambda y, laid=laid: laid.derived(y, True))
    for layout, laid, y, x in in_layouts(net, y, x) if req["compile"] else ():
        out["compiled", layout] = train_step(laid, torch.compile, x, y)
    return out


def train_step(net, wrap, x, y, f=None):
    f = f or net
    opt = torch.optim.Adam(net.parameters(), lr=1e-4, betas=(0.9, 0.99), fused=True)
    loss_of = wrap(lambda y, x: F.mse_loss(f(y), x))
    project = wrap(net.project)

    def step():
        opt.zero_grad()
        loss = loss_of(y, x)
        loss.backward()
        opt.step()
        with torch.no_grad():
            project()
        return loss.detach()

    return step


def setup_conv(req):
    c, h, stride = req["c"], req["h"], req["stride"]
    torch.manual_seed(0)
    net = torch.nn.Conv2d(c, c, 3, stride, 1, bias=False)
    x = torch.randn(1, c, h, h)
    y = torch.randn(1, c, h // stride, h // stride)
    if req["what"] == "forward":
        return evaluations(net, x, req["compile"])
    mask = [False, True, False] if req["what"] == "weight" else [True, False, False]
    args = ([stride] * 2, [1, 1], [1, 1], False, [0, 0], 1, mask)

    def run(w, x, y):
        def once():
            with torch.inference_mode():
                return torch.ops.aten.convolution_backward(y, x, w, None, *args)[mask.index(True)]

        return once

    # There is nothing to compile in one call of the library.
    return {("eager", layout): run(laid.weight, x, y) for layout, laid, x, y in in_layouts(net, x, y)}


def setup_fft(req):
    x = np.random.default_rng(0).standard_normal((req["h"], req["w"])).astype(np.float32)
    return {("", ""): lambda: scipy.fft.rfft2(x, workers=req["threads"])}


def setup_fan(req):
    """Joseph's line integrals of a fan on a flat detector, and their transpose: a loop
    over the views, everything else in arrays."""
    n, views, source, detector = req["n"], req["views"], req["source"], req["detector"]
    lines = np.arange(n)
    s = (lines - n // 2) * (source + detector) / source
    x = np.fromfile(req["file"], np.float32)

    def rays(theta):
        sin, cos = np.sin(theta), np.cos(theta)
        sy, sx = n // 2 - source * cos, n // 2 - source * sin
        dy, dx = (source + detector) * cos - s * sin, (source + detector) * sin + s * cos
        for columns in False, True:
            m = np.flatnonzero((abs(dx) > abs(dy)) == columns)
            along, across, at, start = (dx[m], dy[m], sx, sy) if columns else (dy[m], dx[m], sy, sx)
            place = (start + (lines[None, :] - at) * (across / along)[:, None]).astype(np.float32)
            j = np.floor(place).astype(np.int32)
            w = place - j
            inside = (j >= -1) & (j < n)
            j = np.where(inside, j + 1, 0)
            weight = (np.hypot(dy[m], dx[m]) / abs(along)).astype(np.float32)
            yield columns, m, j, np.where(inside, w, 0), np.where(inside, 1 - w, 0), weight

    def project():
        picture = np.pad(x.reshape(n, n), 1)
        y = np.zeros((views, n), np.float32)
        for a in range(views):
            for columns, m, j, w, v, weight in rays(2 * np.pi * a / views):
                p = picture.T if columns else picture
                y[a, m] = weight * (v * p[lines + 1, j] + w * p[lines + 1, j + 1]).sum(1)
        return y

    def back():
        y, size = x.reshape(views, n), (n + 2) ** 2
        sums = [np.zeros(size), np.zeros(size)]
        for a in range(views):
            for columns, m, j, w, v, weight in rays(2 * np.pi * a / views):
                at = ((lines + 1) * (n + 2) + j).ravel()
                ray = (weight * y[a, m])[:, None]
                sums[columns] += np.bincount(at, (v * ray).ravel(), size)
                sums[columns] += np.bincount(at + 1, (w * ray).ravel(), size)[:size]
        sums = [t.reshape(n + 2, n + 2)[1:-1, 1:-1] for t in sums]
        return (sums[0] + sums[1].T).astype(np.float32)

    return {("", ""): back if req["back"] else project}


SETUP = {"denoise": lambda req: setup_denoise(req), "fan": setup_fan, "prox": setup_prox, "train": setup_train, "conv": setup_conv, "fft": setup_fft}


def hello():
    others = {}
    for name in "scipy", "opencv-python-headless", "bm3d", "scikit-image":
        try:
            others[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    reply = {"python": sys.version.split()[0], "torch": "", "scipy": others.get("scipy", "") if np and scipy else "", "others": others}
    if np and torch:
        reply["torch"] = torch.__version__
        on = "on" if torch.backends.mkldnn.is_available() else "off"
        reply["about"] = "oneDNN %s, %s" % (on, torch.backends.cpu.get_cpu_capability())
    return reply


def milliseconds(run, times, cpu):
    clock = time.process_time if cpu else time.perf_counter
    start = clock()
    for _ in range(times):
        run()
    return (clock() - start) * 1e3 / times


def short(e):
    return "%s: %s" % (type(e).__name__, (str(e).strip() or "no message").split("\n")[0])


def setup(req, live):
    """Keeps the faster layout of each way to run the work, once all agree."""
    if hasattr(os, "sched_setaffinity") and not req["cpu"]:  # for whatever starts threads of its own
        os.sched_setaffinity(0, range(min(req["threads"], os.cpu_count())))
    if torch:
        torch.set_flush_denormal(True)
        torch.set_num_threads(req["threads"])
    req["compile"] = req["compile"] and hasattr(torch, "compile")
    live.clear()
    first, best, reply = None, {}, {"modes": {}}
    ways = SETUP[req["kind"]](req)
    for (mode, layout), run in ways.items():
        try:
            out = np.asarray(run())
        except Exception as e:
            if mode != "compiled":
                raise
            reply["failed"] = "not compiled: " + short(e)
            continue
        if first is None:
            first = out
        elif not np.linalg.norm(out - first) < 1e-3 * np.linalg.norm(first):
            raise ValueError("%s, %s computes something else" % (mode, layout))
        ms = 0
        if sum(m == mode for m, _ in ways) > 1:
            run()
            ms = min(milliseconds(run, 1, req["cpu"]) for _ in range(2))
        if mode not in best or ms < best[mode]:
            best[mode], live[mode], reply["modes"][mode] = ms, run, layout
    if "out" in req:
        first.tofile(req["out"])
    reply["value"] = float(first) if first.ndim == 0 else 0.0
    return reply


def answer(req, live):
    if req["do"] == "hello":
        return hello()
    if req["do"] == "setup":
        return setup(req, live)
    return {"ms": milliseconds(live[req["mode"]], req["times"], req["cpu"])}


def main():
    live = {}
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line), live)
        except Exception as e:  # the other side reports it
            reply = {"error": short(e)}
        print(json.dumps(reply), flush=True)


main()
