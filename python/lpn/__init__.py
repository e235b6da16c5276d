"""Learned proximal networks: priors of the Go program lpn, in NumPy and PyTorch.

    import lpn
    prior = lpn.Prior.open("assets/priors/gray-25.safetensors")
    x = prior(y)                     # f(y), the denoised pictures, N x C x H x W in [0,1]
    value = prior.value(x[0])        # R(x), with the residual and the gap that it is known to

Reading and writing files (`read_prior`, `write_prior`, `read_measurement`) needs NumPy alone;
`Prior` needs PyTorch, and `lpn.deepinv` and `lpn.pyproximal` the libraries of these names.
"""

from .files import find_prior, read_measurement, read_prior, write_prior

__all__ = ["Network", "Prior", "find_prior", "read_measurement", "read_prior", "write_prior"]


def __getattr__(name):
    # PyTorch is imported when it is wanted.
    if name == "Prior":
        from .prior import Prior

        return Prior
    if name == "Network":
        from .network import Network

        return Network
    raise AttributeError(f"module 'lpn' has no attribute {name!r}")
