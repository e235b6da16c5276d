"""Writes imagemagick.npz: the picture of resample.npz made smaller by ImageMagick.

    apt-get install imagemagick; pip install numpy
    python imagemagick.py resample.npz imagemagick.npz [/usr/bin/convert]
"""
import subprocess
import sys

import numpy as np

convert = (sys.argv + ["convert"])[3]
version = subprocess.run([convert, "-version"], check=True, capture_output=True, text=True).stdout
if not version.startswith("Version: ImageMagick"):
    sys.exit(f"{convert} is not ImageMagick")
picture = np.load(sys.argv[1])["picture"].astype(np.uint8)
pgm = b"P5 %d %d 255\n" % picture.shape[::-1] + picture.tobytes()


def made(bits, kind, *how):
    done = subprocess.run([convert, "pgm:-", *how, "-depth", bits, "-endian", "LSB", "gray:-"], input=pgm, check=True, capture_output=True)
    return np.frombuffer(done.stdout, kind)


arrays = {"version": np.frombuffer(version.split(" http")[0].encode(), np.uint8)}
filters = {"box": "Box", "bilinear": "Triangle", "bicubic": "Catrom", "lanczos3": "Lanczos"}
for w, h in (37, 30), (14, 11):
    size = f"{w}x{h}!"
    ways = {name: ("-filter", f, "-resize", size) for name, f in filters.items()}
    ways["area"] = ("-scale", size)
    ways["unnamed"] = ("-resize", size)
    for name, how in ways.items():
        arrays[f"{name}-{w}x{h}"] = made("16", "<u2", *how).reshape(h, w)
    arrays[f"lanczos3-{w}x{h}-8"] = made("8", np.uint8, *ways["lanczos3"]).reshape(h, w)
np.savez_compressed(sys.argv[2], **arrays)
