"""psi and f = grad psi in PyTorch: the twin of the Go package lpn.

Pictures are N x C x H x W. Weights have the layout of the files, filters K x K x Ci x Co, so that
what is trained here is written as it is.
"""

import copy
import math

import torch
import torch.nn.functional as F


def parameters(config):
    """Names, dims and constraints of a network's weights, in the order of the files. A constraint is
    "free", "non-negative", "zero-mean" or "unit-gain"."""
    return _softplus_parameters(config) if config.get("softplus") else _pyramid_parameters(config)


def _pyramid_parameters(config):
    p, ci, ps = config["pyramid"], config["channels"], []
    for l, v in enumerate(p["levels"]):
        m, k = v["maps"], v["features"]
        ps += [
            (f"W.{l}", (v["wk"], v["wk"], 4 * ci, m), "free" if l else "zero-mean"),
            (f"A.{l}", (v["ak"], v["ak"], m, k), "free"),
            (f"N.{l}", (v["nk"], v["nk"], k, k), "non-negative"),
        ]
        if l:
            ps.append((f"T.{l}", (1, 1, p["levels"][l - 1]["features"] // p["group"], k), "non-negative"))
        ps += [(f"b.{l}", (k,), "free"), (f"logc.{l}", (k // p["group"],), "free"), (f"loga.{l}", (k,), "free")]
        ci = m
    size = p["lowpass_size"]
    return ps + [(f"V.{k}", (size, size, 1, 1), "unit-gain") for k in range(p["lowpass"])]


def _softplus_parameters(config):
    s, c, ps = config["softplus"], config["channels"], []
    ci, n = c, len(s["layers"])
    for k, l in enumerate(s["layers"]):
        ps.append((f"lin.{k}.weight", (l["k"], l["k"], ci, l["width"]), "non-negative" if k else "free"))
        if k == 0 and s.get("first_bias"):
            ps.append(("lin.0.bias", (l["width"],), "free"))
        if k:
            ps += [(f"res.{k-1}.weight", (l["k"], l["k"], c, l["width"]), "free"), (f"res.{k-1}.bias", (l["width"],), "free")]
        ci = l["width"]
    ps.append((f"lin.{n}.weight", (1, 1, ci, 1), "non-negative"))
    if s.get("last_bias"):
        ps.append((f"lin.{n}.bias", (1,), "free"))
    if s.get("linear_term"):
        ps += [(f"res.{n-1}.weight", (1, 1, c, 1), "free"), (f"res.{n-1}.bias", (1,), "free")]
    return ps


def mirror(n, near, far, device):
    """Where half-sample symmetric reflection finds each sample of an axis of n that is extended by
    near and far samples."""
    j = torch.arange(-near, n + far, device=device) % (2 * n)
    return torch.minimum(j, 2 * n - 1 - j)


def _extend(x, top, bottom, left, right):
    h, w = x.shape[-2:]
    x = x.index_select(-2, mirror(h, top, bottom, x.device))
    return x.index_select(-1, mirror(w, left, right, x.device))


def _inside(cells, px, n, device, dtype):
    """The fraction of each of so many cells of px pixels that lies inside n pixels."""
    return (n - px * torch.arange(cells, device=device)).clamp(0, px).to(dtype) / px


class Network(torch.nn.Module):
    """An input-convex function psi and its gradient f, of pictures of any number, in picture units.

    `config` and `weights` are what read_prior returns. Weights that break a sign on which convexity
    rests are a ValueError.
    """

    def __init__(self, config, weights):
        super().__init__()
        self.config = copy.deepcopy(config)
        self.specs = parameters(config)
        self.weights = torch.nn.ParameterDict()
        for name, dims, constraint in self.specs:
            w = torch.as_tensor(weights[name], dtype=torch.float32).clone()
            if tuple(w.shape) != tuple(dims):
                raise ValueError(f"weight {name} has shape {tuple(w.shape)}, want {tuple(dims)}")
            if constraint == "non-negative" and not bool((w >= 0).all()):
                raise ValueError(f"weight {name} is negative somewhere: convexity needs it non-negative")
            self.weights[name.replace(".", "_")] = torch.nn.Parameter(w)

    def __getitem__(self, name):
        return self.weights[name.replace(".", "_")]

    def arrays(self):
        """The weights as NumPy arrays by name, as write_prior takes them."""
        return {name: self[name].detach().cpu().numpy() for name, _, _ in self.specs}

    def psi(self, y):
        """psi of each picture, N numbers."""
        u = self.config["unit"]
        return u * u * self.psi_units(y / u)

    def f(self, y):
        """f(y) = grad psi(y); can be differentiated again where y or the weights want it."""
        return self.both(y)[0]

    def both(self, y):
        """f(y) and psi(y), for the price of f."""
        further = torch.is_grad_enabled() and (y.requires_grad or any(w.requires_grad for w in self.parameters()))
        with torch.enable_grad():
            y = y if y.requires_grad else y.detach().requires_grad_()
            psi = self.psi(y)
            (f,) = torch.autograd.grad(psi.sum(), y, create_graph=further)
        return (f, psi) if further else (f, psi.detach())

    forward = f

    def f_units(self, y):
        """f in network units, to be differentiated in the weights."""
        y = y.detach().requires_grad_()
        return torch.autograd.grad(self.psi_units(y).sum(), y, create_graph=True)[0]

    def psi_units(self, x):
        """psi in network units, in which one is `unit` of the picture."""
        return self._softplus(x) if self.config.get("softplus") else self._pyramid(x)

    def _conv(self, x, name, stride=1, padding=0):
        return F.conv2d(x, self[name].permute(3, 2, 0, 1), stride=stride, padding=padding)

    def _pyramid(self, x):
        """With S space-to-depth by 2: g_l = W_l S(g_{l-1}), h_l = A_l g_l, q_l = e(h_l),
        p_l = N_l q_l + T_l avgpool(z_{l-1}) + b_l, z_l = gate(p_l), and

            psi = sum_l <w, c_l z_l + a_l q_l> + (1-alpha-slack)/2 sum_k ||V_k x||^2 + alpha/2 ||x||^2,

        w the fraction of a cell that is inside the picture."""
        p, alpha = self.config["pyramid"], self.config["alpha"]
        h, w = x.shape[-2:]
        margin, cell = p["levels"][0]["wk"] // 2 * 2, 2 ** len(p["levels"])
        g = _extend(x, margin, margin - h % -cell, margin, margin - w % -cell)
        psi, z = self._lowpass(x) + alpha / 2 * x.square().sum((1, 2, 3)), None
        for l, v in enumerate(p["levels"]):
            g = self._conv(F.pixel_unshuffle(g, 2), f"W.{l}", padding=v["wk"] // 2 if l else 0)
            q = self._energy(self._conv(g, f"A.{l}", padding=v["ak"] // 2))
            gate = self._conv(q, f"N.{l}", padding=v["nk"] // 2)
            if l:
                gate = gate + self._conv(F.avg_pool2d(z, 2), f"T.{l}")
            z = self._gate(gate + self[f"b.{l}"][:, None, None])
            rows = _inside(q.shape[2], 2 << l, h, x.device, x.dtype)
            cols = _inside(q.shape[3], 2 << l, w, x.device, x.dtype)
            sums = lambda t: torch.einsum("nchw,h,w->nc", t, rows, cols)
            psi = psi + sums(z) @ self[f"logc.{l}"].exp() + sums(q) @ self[f"loga.{l}"].exp()
        return psi

    def _energy(self, h):
        """Huber's function: h^2/2 as far as the threshold, linear beyond."""
        reach = self.config["pyramid"].get("reach", 0)
        if not reach:
            return h * h / 2
        c = h.clamp(-reach, reach)
        return c * (h - c / 2)

    def _gate(self, p):
        per = self.config["pyramid"]["group"]
        groups = p.unflatten(1, (-1, per))
        if self.config["pyramid"]["gate"] == "lse":
            return groups.logsumexp(2)
        s = (groups / 2 + 0.5).clamp(0, 1)  # the hard sigmoid; its integral is s(p + 1 - s)
        return (s * (groups + 1 - s)).sum(2)

    def _lowpass(self, x):
        """(1-alpha-slack)/2 sum_k ||V_k x||^2 of each picture."""
        p = self.config["pyramid"]
        half, (n, c) = p["lowpass_size"] // 2, x.shape[:2]
        v = torch.cat([self[f"V.{k}"].permute(3, 2, 0, 1) for k in range(p["lowpass"])])
        y = F.conv2d(_extend(x, half, half, half, half).flatten(0, 1)[:, None], v)
        return (1 - self.config["alpha"] - p.get("slack", 0)) / 2 * y.square().sum((1, 2, 3)).view(n, c).sum(1)

    def _softplus(self, x):
        """z_1 = s(H_0 x + b_0), z_{k+1} = s(W_k z_k + H_k x + b_k),
        psi = <w, z_K> + <v, x> + alpha/2 ||x||^2, s the softplus; x is resized to each layer's input."""
        s, z = self.config["softplus"], x
        n = len(s["layers"])
        for k, l in enumerate(s["layers"]):
            conv = dict(stride=l["stride"], padding=l["pad"])
            a = self._conv(z, f"lin.{k}.weight", **conv)
            if k:
                at = x
                if z.shape[-2:] != x.shape[-2:]:
                    at = F.interpolate(x, z.shape[-2:], mode="bilinear", align_corners=False)
                a = a + self._conv(at, f"res.{k-1}.weight", **conv) + self[f"res.{k-1}.bias"][:, None, None]
            elif s.get("first_bias"):
                a = a + self["lin.0.bias"][:, None, None]
            beta = s["beta"]
            z = F.softplus(a, beta=beta, threshold=40)
        psi = self._conv(z, f"lin.{n}.weight").sum((1, 2, 3))
        if s.get("last_bias"):
            psi = psi + z.shape[2] * z.shape[3] * self[f"lin.{n}.bias"]
        if s.get("linear_term"):
            psi = psi + self._conv(x, f"res.{n-1}.weight").sum((1, 2, 3)) + x.shape[2] * x.shape[3] * self[f"res.{n-1}.bias"]
        return psi + self.config.get("alpha", 0) / 2 * x.square().sum((1, 2, 3))

    @torch.no_grad()
    def project(self):
        """Restore the constraints on the weights that a training step has moved."""
        for name, _, constraint in self.specs:
            if constraint == "non-negative":
                self[name].clamp_(min=0)
            elif constraint == "zero-mean":
                self[name].sub_(self._plane_means(self[name]))
        low = [self[name] for name, _, c in self.specs if c == "unit-gain"]
        if low:
            gain = math.sqrt(sum(float(v.double().sum()) ** 2 for v in low))
            for v in low:
                v.div_(gain)

    def _plane_means(self, w):
        """The mean of each output filter over the channels that each plane of the picture became."""
        k, _, ci, co = w.shape
        per = w.view(k, k, self.config["channels"], -1, co)
        return per.double().mean((0, 1, 3), keepdim=True).to(w.dtype).expand_as(per).reshape(w.shape)

    @torch.no_grad()
    def project_gradient(self, grads):
        """Take from gradients, one a weight in their order, what project would undo, so that it does not
        set the step of an optimiser that normalises its steps."""
        along, low = 0.0, []
        for (name, _, constraint), g in zip(self.specs, grads):
            if constraint == "zero-mean":
                g.sub_(self._plane_means(g))
            elif constraint == "unit-gain":
                along += float((self[name].double() * g.double()).sum())
                low.append((g, float(self[name].double().sum())))
        for g, gain in low:
            g.sub_(along * gain)

    @torch.no_grad()
    def gain_bound(self, side=128, steps=50, margin=8e-4):
        """The g for which psi(y) <= g/2 ||y||^2 and something linear: R has a minimum if it is at
        most 1. Alpha for softplus networks; for a pyramid whose energies have a threshold the largest
        eigenvalue of its low-pass and alpha terms, by the Lanczos method, and a margin for larger
        pictures."""
        alpha = self.config.get("alpha", 0)
        if self.config.get("softplus"):
            return alpha
        if not self.config["pyramid"].get("reach"):
            raise ValueError("a pyramid without a threshold (reach): `lpn verify` measures its gain bound")
        double = copy.deepcopy(self).double()

        def apply(x):
            with torch.enable_grad():
                x = x.view(1, 1, side, side).requires_grad_()
                (g,) = torch.autograd.grad(double._lowpass(x).sum(), x)
            return g.flatten() + alpha * x.detach().flatten()

        q = torch.randn(side * side, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(self[self.specs[0][0]].device)
        basis, diag, off = [q / q.norm()], [], []
        for _ in range(steps):
            v = apply(basis[-1].clone())
            diag.append(float(v @ basis[-1]))
            for b in basis + basis:  # full reorthogonalisation, twice
                v = v - (v @ b) * b
            off.append(float(v.norm()))
            if off[-1] < 1e-8 * diag[0]:  # nothing is left to find
                break
            basis.append(v / v.norm())
        t = torch.diag(torch.tensor(diag)) + torch.diag(torch.tensor(off[:-1]), 1) + torch.diag(torch.tensor(off[:-1]), -1)
        return float(torch.linalg.eigvalsh(t.double())[-1]) + margin

    @torch.no_grad()
    def make_well_posed(self, room=2e-5, margin=8e-4):
        """Scale all but the alpha term of psi by one factor where gain_bound is above 1."""
        bound, alpha = self.gain_bound(margin=margin), self.config.get("alpha", 0)
        if self.config.get("softplus") or bound <= 1 - room:
            return
        k = (1 - room - margin - alpha) / (bound - margin - alpha)
        slack = 1 - alpha - k * (1 - alpha - self.config["pyramid"].get("slack", 0))
        if slack >= 0.5:
            raise ValueError(f"the low-pass filters amplify by up to {bound:.2f}: a training that went astray")
        for name, _, _ in self.specs:
            if name.startswith("log"):
                self[name].add_(math.log(k))
        self.config["pyramid"]["slack"] = slack
