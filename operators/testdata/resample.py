"""Writes resample.npz: a picture made smaller by Pillow, and by OpenCV's INTER_AREA.

    pip install pillow opencv-python-headless numpy
    python resample.py resample.npz
"""
import sys

import cv2
import numpy as np
from PIL import Image

y, x = np.mgrid[:45, :56]
picture = np.round(125 + 50 * np.sin(0.35 * x + 0.02 * x * y) + 30 * np.cos(0.5 * y) + 8 * ((3 * x + 5 * y) % 4)).astype(np.uint8)
arrays = {"picture": picture}
kernels = {"box": Image.BOX, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos3": Image.LANCZOS}
for w, h in (28, 15), (37, 30), (19, 45), (14, 11):
    for name, kernel in kernels.items():
        # Mode F keeps floats between the passes; L rounds to 8 bits after each.
        arrays[f"{name}-{w}x{h}"] = np.asarray(Image.fromarray(picture.astype(np.float32)).resize((w, h), kernel))
        arrays[f"{name}-{w}x{h}-8"] = np.asarray(Image.fromarray(picture).resize((w, h), kernel))
    arrays[f"area-{w}x{h}"] = cv2.resize(picture.astype(np.float32), (w, h), interpolation=cv2.INTER_AREA)
arrays["enlarged"] = np.asarray(Image.fromarray(arrays["area-37x30"]).resize((56, 45), Image.BICUBIC))
np.savez_compressed(sys.argv[1], **arrays)
