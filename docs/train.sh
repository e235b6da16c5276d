#!/bin/bash
# Trains small priors from clean pictures and from noisy ones alone, and prints the
# PSNR on clean held-back pictures of each: the table of docs/train.md. Every 20th
# picture is held back. Run it from the root of the repository:
#
#   docs/train.sh DIR [STEPS]
#
# LPN names the program (default: lpn), FLAGS are added to every training, such as
# --threads 1. It takes 7 trainings of STEPS (default 2000) steps.
set -euo pipefail
lpn=${LPN:-lpn}
steps=${2:-2000}
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
mkdir "$dir/clean" "$dir/valid"
i=0
for f in $(find "$1" -name '*.png' | sort); do
	i=$((i + 1))
	if ((i % 20)); then cp "$f" "$dir/clean"; else cp "$f" "$dir/valid"; fi
done

# noisy NAME SEED NOISE makes noisy pictures, of which nothing is clipped.
noisy() { "$lpn" degrade --quiet --seed "$2" --noise "$3" -o "$dir/$1/{name}.npy" "$dir/clean" > /dev/null; }
noisy white 1 25/255
noisy second 2 25/255
noisy counts 1 poisson:gain=0.009612 # of 25/255 at white

# row WHAT FLAG... prints one line of the table.
row() {
	"$lpn" train --json --quiet --valid "$dir/valid" --steps "$steps" --every "$steps" ${FLAGS:-} "${@:2}" \
		--force -o "$dir/prior.safetensors" > "$dir/result.json"
	sed -n 's/.*"seconds":\([0-9]*\).*"psnr":\([0-9]*\.[0-9][0-9]\).*/\2 dB | \1 s/p' "$dir/result.json" | sed "s#^#| $1 | #; s#\$# |#"
}
echo "| trained on | held back | time |"
echo "|---|---|---|"
row "clean pictures" --data "$dir/clean" --sigma 25/255
row "noise 25/255, Stein's estimate" --data "$dir/white" --noisy 25/255
row "the same, noise estimated" --data "$dir/white" --noisy auto --sigma 26/255
row "two exposures" --data "$dir/white" --pairs "$dir/second" --sigma 26/255
row "counts, 104 at white, Stein's estimate" --data "$dir/counts" --noisy poisson:gain=0.009612
row "recorrupted pairs, sigma 35.4/255" --data "$dir/white" --noisy 25/255 --recorrupt
row "clean pictures, sigma 35.4/255" --data "$dir/clean" --sigma 35.355/255
