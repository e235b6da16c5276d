"""The denoisers that peerbench compares with. peer.py runs them.

Pictures are float32 in [0,1], gray (H,W) or colour (H,W,3), with white noise of a known
sigma.
"""


class DnCNN(torch.nn.Module if torch else object):
    """The shape of DnCNN (Zhang et al., IEEE TIP 2017), batch normalisation folded in: 17
    convolutions of 64 channels. The weights are random."""

    def __init__(self, channels):
        super().__init__()
        layers = [torch.nn.Conv2d(channels, 64, 3, padding=1)]
        for _ in range(15):
            layers += [torch.nn.ReLU(inplace=True), torch.nn.Conv2d(64, 64, 3, padding=1)]
        layers += [torch.nn.ReLU(inplace=True), torch.nn.Conv2d(64, channels, 3, padding=1)]
        self.noise = torch.nn.Sequential(*layers)

    def forward(self, y):
        return y - self.noise(y)


class Block(torch.nn.Module if torch else object):
    def __init__(self, c):
        super().__init__()
        self.a = torch.nn.Conv2d(c, c, 3, padding=1, bias=False)
        self.b = torch.nn.Conv2d(c, c, 3, padding=1, bias=False)

    def forward(self, x):
        return x + self.b(torch.relu_(self.a(x)))


class DRUNet(torch.nn.Module if torch else object):
    """The shape of DRUNet (Zhang et al., IEEE TPAMI 2021): four scales of 64 to 512 channels,
    four residual blocks at each on the way down and up, no biases, a map of the noise beside
    the picture. The weights are random. Sides are multiples of 8."""

    def __init__(self, channels):
        super().__init__()
        nn, c = torch.nn, (64, 128, 256, 512)
        blocks = lambda n: [Block(n) for _ in range(4)]
        self.head = nn.Conv2d(channels + 1, c[0], 3, padding=1, bias=False)
        self.down = nn.ModuleList(nn.Sequential(*blocks(c[i]), nn.Conv2d(c[i], c[i + 1], 2, 2, bias=False)) for i in range(3))
        self.body = nn.Sequential(*blocks(c[3]))
        self.up = nn.ModuleList(nn.Sequential(nn.ConvTranspose2d(c[i + 1], c[i], 2, 2, bias=False), *blocks(c[i])) for i in (2, 1, 0))
        self.tail = nn.Conv2d(c[0], channels, 3, padding=1, bias=False)

    def forward(self, y):
        x = self.head(torch.cat((y, torch.full_like(y[:, :1], 25 / 255)), 1))
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        # The skip around the body, and one around every scale.
        x = self.body(x) + x
        for up in self.up:
            x = up(x) + skips.pop()
        return self.tail(x)


def network_denoiser(shape):
    def setup(y, sigma, _, compile):
        torch.manual_seed(0)
        t = torch.from_numpy(y)
        t = t[None, None] if y.ndim == 2 else t.permute(2, 0, 1)[None].contiguous()
        return evaluations(shape(t.shape[1]), t, compile)

    return setup


def opencv(y, sigma, strength):
    import cv2

    cv2.setNumThreads(torch.get_num_threads() if torch else 1)
    bytes8 = (y.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    if y.ndim == 2:
        return lambda: cv2.fastNlMeansDenoising(bytes8, None, strength * 255 * sigma) / np.float32(255)
    return lambda: cv2.fastNlMeansDenoisingColored(bytes8, None, strength * 255 * sigma, strength * 255 * sigma) / np.float32(255)


def bm3d(y, sigma, _):
    import bm3d as package

    f = package.bm3d if y.ndim == 2 else package.bm3d_rgb
    return lambda: f(y, sigma)


def tv(y, sigma, strength):
    from skimage.restoration import denoise_tv_chambolle

    return lambda: denoise_tv_chambolle(y, strength * sigma, channel_axis=None if y.ndim == 2 else -1)


def nonlocal_means(y, sigma, strength):
    from skimage.restoration import denoise_nl_means

    return lambda: denoise_nl_means(y, 5, 6, strength * sigma, fast_mode=True, sigma=sigma, channel_axis=None if y.ndim == 2 else -1)


NETWORKS = {"DnCNN": network_denoiser(DnCNN), "DRUNet": network_denoiser(DRUNet)}
DENOISERS = {"OpenCV": opencv, "BM3D": bm3d, "TV": tv, "NLM": nonlocal_means}


def setup_denoise(req):
    c = req["channels"]
    y = np.fromfile(req["file"], np.float32)
    y = y.reshape(req["h"], req["w"]) if c == 1 else np.ascontiguousarray(y.reshape(c, req["h"], req["w"]).transpose(1, 2, 0))
    planar = lambda out: np.ascontiguousarray(out if c == 1 else np.moveaxis(out, -1, 0), np.float32)
    if req["method"] in NETWORKS:
        return NETWORKS[req["method"]](y, req["sigma"], req["strength"], req["compile"])
    run = DENOISERS[req["method"]](y, req["sigma"], req["strength"])
    return {("", ""): lambda: planar(run())}
