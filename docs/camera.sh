#!/usr/bin/env bash
# Prints what `lpn restore` makes of simulated camera pictures, nothing given: the PSNR
# before and after of each, and the mean of each level. Needs a folder of truths xNN.png
# and measurements yNN_LEVEL.png or .jpg:
#
#     docs/camera.sh DIR
set -euo pipefail
dir=${1:?docs/camera.sh DIR}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/lpn" ./cmd/lpn
for y in "$dir"/y*; do
	name=$(basename "$y")
	"$work/lpn" restore --quiet --force --reference "$dir/x${name:1:2}.png" "$y" -o "$work/out.png" 2>"$work/said" |
		sed -n "s/.*PSNR \([0-9.]*\) -> \([0-9.]*\) dB.*/${name%.*} \1 \2/p"
done | awk '
	{ level = substr($1, 5); n[level]++; a[level] += $2; b[level] += $3; print; if ($3 < $2 - 0.05) worse++ }
	END {
		for (level in n) printf "mean of %-6s %.2f -> %.2f\n", level, a[level]/n[level], b[level]/n[level]
		printf "%d of %d below the input by more than 0.05 dB\n", worse, NR
	}'
