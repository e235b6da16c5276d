#!/bin/bash
# Prints the table of JPEG files of docs/results.md: pictures are written at a
# quality and restored at the defaults.
#
#   docs/jpeg.sh FOLDER [EVERY [QUALITY...]]
#
# FOLDER holds pictures (cbsd68), EVERY takes every so many-th of them (default:
# all). LPN names the program (default: lpn), FLAGS are added to restore.
set -euo pipefail
folder=$1
every=${2:-1}
shift $(($# < 2 ? $# : 2))
lpn=${LPN:-lpn}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/truth"
i=0
for f in "$folder"/*.png; do
	((i++ % every)) || cp "$f" "$work/truth/"
done

# mean KEY prints the mean of a number of every result.
mean() {
	grep -o "\"$1\":[-0-9.e+]*" "$work/json" | awk -F: '{ s += $2 } END { printf "%.2f", s / NR }'
}

echo "| quality | file | restored | gain | worst gain | certified |"
echo "|---|---|---|---|---|---|"
(($#)) || set -- 10 20 40 75 90 95
for quality in "$@"; do
	files=$work/$quality
	mkdir "$files"
	"$lpn" degrade --quiet --noise 0 --quality "$quality" "$work/truth" -o "$files/{name}.jpg" > /dev/null
	"$lpn" restore --quiet --json ${FLAGS:-} --reference "$work/truth" "$files" -o "$work/out-$quality" > "$work/json"
	worst=$(paste -d' ' <(grep -o '"psnr":[0-9.]*' "$work/json" | cut -d: -f2) <(grep -o '"input_psnr":[0-9.]*' "$work/json" | cut -d: -f2) |
		awk '{ d = $1 - $2; if (NR == 1 || d < w) w = d } END { printf "%+.2f", w }')
	in=$(mean input_psnr)
	out=$(mean psnr)
	certified=$(grep -o '"certified":true' "$work/json" | wc -l)
	count=$(grep -o '"certified":' "$work/json" | wc -l)
	awk -v q="$quality" -v a="$in" -v b="$out" -v w="$worst" -v c="$certified/$count" \
		'BEGIN { printf "| %s | %s | %s | %+.2f | %s | %s |\n", q, a, b, b - a, w, c }'
done
