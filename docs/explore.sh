#!/bin/bash
# Draws the figures of docs/explore.md into docs/img, and prints the numbers
# beside them. Run it from the root of the repository:
#
#   docs/explore.sh DATA [FIGURE...]
#
# DATA holds set12 and mnist (the idx files); FIGURE is laplace, losses, digits,
# natural, path, map, slice, sheet or verify (default: all of them). LPN names
# the program (default: lpn), IMAGES how many pictures of Set12 are used
# (default: all), CROP the side of their middle (default: 96), FLAGS further
# flags of every command, such as --threads 1.
set -eu
data=$1
shift
wanted=" $* "
lpn=${LPN:-lpn}
out=docs/img
still=assets/images/still-life-gray.png
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
read -ra flags <<<"--quiet ${FLAGS:-}"

draws() { [[ $wanted == "  " || $wanted == *" $1 "* ]]; }
run() {
	echo "lpn $*"
	"$lpn" "$@" "${flags[@]}"
}

if draws laplace; then
	run prior curve laplace --force -o "$out/laplace.svg"
fi

# The prior of the same network and data by other losses: two minutes each.
if draws losses; then
	for loss in l1 l2; do
		run train --preset laplace --plan "$loss:6k@5e-3,cosine" --seed 1 -o "$tmp/$loss.safetensors"
	done
	run prior curve laplace "$tmp/l1.safetensors" "$tmp/l2.safetensors" --force -o "$out/losses.svg"
fi

if draws digits; then
	run prior path --prior digits --perturb noise --force "$data/mnist/test-images-idx3-ubyte.gz" -o "$out/digits-noise.svg"
	run prior path --prior digits --perturb blur --force "$data/mnist/test-images-idx3-ubyte.gz" -o "$out/digits-blur.svg"
	run prior path --prior digits --perturb mix --levels 0:0.5:6 --force "$data/mnist/test-images-idx3-ubyte.gz" -o "$out/digits-mix.svg"
fi

if draws natural; then
	mapfile -t images < <(ls "$data"/set12/*.png | head -n "${IMAGES:-1000}")
	for kind in noise blur mix; do
		run prior path --prior gray-25 --perturb $kind --crop "${CROP:-96}" --force "${images[@]}" -o "$out/natural-$kind.svg"
	done
fi

if draws path; then
	run prior path --prior gray-25 --overlay gray-50 --perturb blur --crop 96 --examples --force "$still" -o "$out/path.png"
fi

if draws map; then
	run prior map --prior gray-25 --crop 128 --force "$still" -o "$out/map.png"
fi

if draws slice; then
	run prior slice --prior gray-25 --crop 48 --dirs noise,blur --force "$still" -o "$out/slice.svg"
	run prior slice --prior gray-25 --crop 48 --dirs grad,blur --operator blur:gaussian,sigma=1.6 --noise 0.02 --force "$still" -o "$out/landscape.png"
fi

if draws sheet; then
	run degrade --operator blur:gaussian,sigma=1.6 --noise 0.01 --seed 1 "$still" -o "$tmp/blurred.png"
	run restore --operator blur:gaussian,sigma=1.6 --noise 0.01 "$tmp/blurred.png" --reference "$still" --force \
		--sheet "$out/sheet.png" --plot "$out/convergence.svg" -o "$tmp/sharp.png"
fi

if draws verify; then
	for prior in $("$lpn" priors | awk 'NR > 1 { print $1 }'); do
		run verify "$prior"
	done
fi
