"""Where the tests find the shipped priors, the golden numbers that the Go tests wrote, and lpn."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "assets" / "priors"
DATA = Path(__file__).parent / "data"

try:
    import torch

    torch.set_num_threads(1)  # the pictures are small
except ImportError:
    pass


def lpn_command(*args):
    """Run lpn: $LPN, or go run; skip where neither is there."""
    if "LPN" in os.environ:
        command = [os.environ["LPN"]]
    elif shutil.which("go"):
        command = ["go", "run", "./cmd/lpn"]
    else:
        pytest.skip("no Go here, and LPN does not name the program lpn")
    done = subprocess.run([*command, *map(str, args)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
