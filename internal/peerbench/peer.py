"""The PyTorch, SciPy and NumPy side of peerbench.

Reads one JSON request a line on standard input and answers with one JSON
object a line. The networks are written from their description (docs of
lpn.SoftplusConfig and lpn.PyramidConfig); the weights come in a safetensors
file in our layout, filters (K,K,Ci,Co), and are turned to PyTorch's.
"""
import json
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


class Softplus:
    """psi of lpn.SoftplusConfig; its gradient comes from autograd."""

    def __init__(self, cfg, w):
        self.s, self.alpha, self.w = cfg["softplus"], cfg.get("alpha", 0.0), w

    def psi(self, x):
        w, z = self.w, x
        for k, l in enumerate(self.s["layers"]):
            stride, pad = l["stride"], l["pad"]
            a = F.conv2d(z, w["lin.%d.weight" % k], w.get("lin.0.bias") if k == 0 else None, stride, pad)
            if k > 0:
                r = x
                if z.shape[2:] != x.shape[2:]:
                    r = F.interpolate(x, z.shape[2:], mode="bilinear", align_corners=False)
                a = a + F.conv2d(r, w["res.%d.weight" % (k - 1)], w["res.%d.bias" % (k - 1)], stride, pad)
            z = F.softplus(a, beta=self.s["beta"])
        last = "lin.%d" % len(self.s["layers"])
        p = F.conv2d(z, w[last + ".weight"], w.get(last + ".bias"))
        return p.sum() + self.alpha / 2 * (x * x).sum()

    def f(self, x, train=False):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(self.psi(x), x, create_graph=train)[0]

    def project(self):
        for name, t in self.w.items():
            if name.startswith("lin.") and not name.startswith("lin.0.") and name.endswith("weight"):
                t.clamp_(min=0)


class Pyramid:
    """grad psi of lpn.PyramidConfig, written out."""

    def __init__(self, cfg, w):
        self.p, self.alpha, self.w = cfg["pyramid"], cfg.get("alpha", 0.0), w
        self.plans = {}

    def plan(self, h, w):
        """Indices of the symmetric padding and the cells' weights."""
        if (h, w) in self.plans:
            return self.plans[h, w]
        levels = self.p["levels"]
        m, cell = levels[0]["wk"] // 2 * 2, 2 ** len(levels)

        def mirror(n, before, after):
            i = torch.arange(-before, n + after) % (2 * n)
            return torch.where(i >= n, 2 * n - 1 - i, i)

        up = lambda n: (n + cell - 1) // cell * cell
        k = self.p["lowpass_size"] // 2
        idx = (mirror(h, m, m + up(h) - h), mirror(w, m, m + up(w) - w))
        low = (mirror(h, k, k), mirror(w, k, k))
        frac = []
        for l in range(len(levels)):
            px = 2 << l
            side = lambda n: torch.clamp(n - px * torch.arange(up(n) // px), 0, px).float() / px
            frac.append(side(h)[:, None] * side(w)[None, :])
        self.plans[h, w] = idx, low, frac
        return self.plans[h, w]

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
        g = p.view(n, c // self.p["group"], self.p["group"], h, w)
        if self.p["gate"] == "hard":
            s = torch.clamp(g / 2 + 0.5, 0, 1)
            z = torch.where(g > 1, g, s * s).sum(2)
            return z, s.reshape(p.shape)
        return g.logsumexp(2), g.softmax(2).reshape(p.shape)

    def f(self, x, train=False):
        if not train:
            with torch.no_grad():
                return self._f(x)
        return self._f(x)

    def _f(self, x):
        w, lv, per = self.w, self.p["levels"], self.p["group"]
        h0, w0 = x.shape[2:]
        idx, low, frac = self.plan(h0, w0)
        n = len(lv)
        g, h, q, s, z = [], [], [], [], []
        t = self.pad(x, idx)
        for l in range(n):
            t = F.conv2d(F.pixel_unshuffle(t, 2), w["W.%d" % l], padding=0 if l == 0 else lv[l]["wk"] // 2)
            g.append(t)
            h.append(F.conv2d(t, w["A.%d" % l], padding=lv[l]["ak"] // 2))
        for l in range(n):
            e = h[l]
            if self.p.get("reach"):
                h[l] = torch.clamp(e, -self.p["reach"], self.p["reach"])
            p = F.conv2d(h[l] * (e - h[l] * 0.5), w["N.%d" % l], w["b.%d" % l], padding=lv[l]["nk"] // 2)
            if l > 0:
                p = p + F.conv2d(F.avg_pool2d(z[-1], 2), w["T.%d" % l])
            a, b = self.gate(p)
            z.append(a)
            s.append(b)
        v, gh = None, [None] * n
        for l in reversed(range(n)):
            c = w["logc.%d" % l].exp()[None, :, None, None] * frac[l]
            if v is None:
                v = c.expand(x.shape[0], -1, -1, -1)
            else:
                v = c + F.interpolate(v, scale_factor=2) / 4
            u = s[l] * v.repeat_interleave(per, 1)
            gain = F.conv_transpose2d(u, w["N.%d" % l], padding=lv[l]["nk"] // 2)
            gh[l] = (gain + w["loga.%d" % l].exp()[None, :, None, None] * frac[l]) * h[l]
            if l > 0:
                v = F.conv_transpose2d(u, w["T.%d" % l])
        up = None
        for l in reversed(range(n)):
            a = F.conv_transpose2d(gh[l], w["A.%d" % l], padding=lv[l]["ak"] // 2)
            if up is not None:
                a = a + up
            up = F.pixel_shuffle(F.conv_transpose2d(a, w["W.%d" % l], padding=0 if l == 0 else lv[l]["wk"] // 2), 2)
        out = self.pad_t(up, idx, h0, w0)
        nv, c = self.p["lowpass"], x.shape[1]
        k = self.p["lowpass_size"]
        V = torch.cat([w["V.%d" % i] for i in range(nv)])
        planes = x.reshape(-1, 1, h0, w0)
        y = F.conv2d(self.pad(planes, low), V)
        y = self.pad_t(F.conv_transpose2d(y, V), low, h0, w0).reshape(x.shape)
        return out + (1 - self.alpha - self.p.get("slack", 0.0)) * y + self.alpha * x

    def project(self):
        for name, t in self.w.items():
            if name[0] in "NT":
                t.clamp_(min=0)
            elif name == "W.0":
                t.sub_(t.mean((1, 2, 3), keepdim=True))
        V = [t for name, t in self.w.items() if name[0] == "V"]
        gain = sum(t.sum() ** 2 for t in V) ** 0.5
        for t in V:
            t.div_(gain)


def network(req):
    w = load(req["file"])
    x, y = w.pop("x", None), w.pop("y")
    cfg = req["config"]
    net = (Softplus if cfg.get("softplus") else Pyramid)(cfg, w)
    return net, x, y, cfg["unit"]


def setup_prox(req):
    net, _, y, unit = network(req)
    return lambda: net.f(y / unit) * unit


def setup_train(req):
    net, x, y, unit = network(req)
    params = [t.requires_grad_() for t in net.w.values()]
    opt = torch.optim.Adam(params, lr=1e-4, betas=(0.9, 0.99))
    x, y = x / unit, y / unit

    def step():
        opt.zero_grad()
        loss = F.mse_loss(net.f(y, True), x)
        loss.backward()
        opt.step()
        with torch.no_grad():
            net.project()
        return loss.detach()

    return step


def setup_conv(req):
    c, h, stride = req["c"], req["h"], req["stride"]
    torch.manual_seed(0)
    x, w = torch.randn(1, c, h, h), torch.randn(c, c, 3, 3)
    y = F.conv2d(x, w, None, stride, 1)
    if req["what"] == "forward":

        def run():
            with torch.no_grad():
                return F.conv2d(x, w, None, stride, 1)

        return run
    mask = [False, True, False] if req["what"] == "weight" else [True, False, False]
    args = ([stride] * 2, [1, 1], [1, 1], False, [0, 0], 1, mask)
    return lambda: torch.ops.aten.convolution_backward(y, x, w, None, *args)


def setup_fft(req):
    x = np.random.default_rng(0).standard_normal((req["h"], req["w"])).astype(np.float32)
    return lambda: scipy.fft.rfft2(x, workers=req["threads"])


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

    return back if req["back"] else project


SETUP = {"fan": setup_fan, "prox": setup_prox, "train": setup_train, "conv": setup_conv, "fft": setup_fft}


def answer(req, live):
    if req["do"] == "hello":
        return {
            "torch": torch.__version__ if np and torch else "",
            "scipy": scipy.__version__ if np and scipy else "",
        }
    if req["do"] == "setup":
        if torch:
            torch.set_flush_denormal(True)
            torch.set_num_threads(req["threads"])
        live["run"] = SETUP[req["kind"]](req)
        out = live["run"]()
        if "out" in req:
            np.asarray(out).tofile(req["out"])
        return {"value": float(out) if req["kind"] == "train" else 0.0}
    # This thread alone: pools of other threads may spin.
    clock = time.thread_time if req["cpu"] else time.perf_counter
    start = clock()
    for _ in range(req["times"]):
        live["run"]()
    return {"ms": (clock() - start) * 1e3 / req["times"]}


def main():
    live = {}
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line), live)
        except Exception as e:  # the other side reports it
            reply = {"error": "%s: %s" % (type(e).__name__, str(e).split("\n")[0])}
        print(json.dumps(reply), flush=True)


main()
