#!/bin/bash
# Prints the table of docs/pictures.md of photographs that Pillow made smaller: what lpn
# gains over Pillow's bicubic enlargement, in dB over all channels, 8 bits. Run it from
# the root of the repository:
#
#   docs/sr.sh DIR [EVERY [SIDE]]
#
# DIR holds pictures; of every EVERY-th of them (default 7) the middle is used, SIDE
# pixels wide and high (default: all), rounded down to what 12 divides. LPN names the
# program (default: lpn), PYTHON an interpreter with Pillow and NumPy (default: python3).
# Nothing but the factor and the kernel is given: the noise is found.
set -euo pipefail
dir=$1
every=${2:-7}
side=${3:-100000}
lpn=${LPN:-lpn}
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" - "$dir" "$every" "$work" "$side" <<'PYTHON'
import os
import sys
from PIL import Image

source, every, work, side = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
kernels = {"box": Image.BOX, "bicubic": Image.BICUBIC, "lanczos3": Image.LANCZOS}
for name in ("truth", *kernels):
    os.mkdir(f"{work}/{name}")
names = sorted(n for n in os.listdir(source) if n.lower().endswith((".png", ".jpg")))
for name in names[::every]:
    picture = Image.open(f"{source}/{name}").convert("RGB")
    width, height = (min(n, side) // 12 * 12 for n in picture.size)
    x, y = (picture.width - width) // 2, (picture.height - height) // 2
    picture = picture.crop((x, y, x + width, y + height))
    stem = os.path.splitext(name)[0]
    picture.save(f"{work}/truth/{stem}.png")
    for kernel, how in kernels.items():
        for factor in (1.5, 2, 3, 4):
            folder = f"{work}/{kernel}/{factor:g}"
            os.makedirs(folder, exist_ok=True)
            small = picture.resize((round(picture.width / factor), round(picture.height / factor)), how)
            small.save(f"{folder}/{stem}.png")
PYTHON

echo "| made smaller | Pillow's bicubic | lpn | gain |"
echo "|---|---|---|---|"
for factor in 1.5 2 3 4; do
	for kernel in box bicubic lanczos3; do
		"$lpn" restore --quiet --operator "sr:factor=$factor,kernel=$kernel" -o "$work/out/" --force "$work/$kernel/$factor" >&2
		"$python" - "$work" "$kernel" "$factor" <<'PYTHON'
import os
import sys
import numpy as np
from PIL import Image

work, kernel, factor = sys.argv[1:]
psnr = lambda a, b: 10 * np.log10(255**2 / np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2))
theirs, ours = [], []
for name in sorted(os.listdir(f"{work}/truth")):
    truth = Image.open(f"{work}/truth/{name}")
    small = Image.open(f"{work}/{kernel}/{factor}/{name}")
    theirs.append(psnr(truth, small.resize(truth.size, Image.BICUBIC)))
    ours.append(psnr(truth, Image.open(f"{work}/out/{name}").convert("RGB")))
a, b = np.mean(theirs), np.mean(ours)
print(f"| {factor}-fold, {kernel} | {a:.2f} | {b:.2f} | {b - a:+.2f} |", flush=True)
PYTHON
	done
done
