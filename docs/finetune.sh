#!/bin/bash
# What 10, 50 and 200 pictures of a new kind bring: a prior started from the shipped one
# and one trained from nothing, in STEPS steps each, against the shipped one as it is.
# Prints the PSNR of denoising (25/255) every 20th picture of DIR, held back. Run it from
# the root of the repository:
#
#   docs/finetune.sh DIR [STEPS] [COUNT...]
#
# DIR has PNG files of one kind. Text scans and cells can be drawn:
#
#   go run ./internal/drawnpictures text DIR
#   go run ./internal/drawnpictures cells DIR
#
# LPN names the program (default: lpn), FLAGS are added to every training.
set -euo pipefail
lpn=${LPN:-lpn}
steps=${2:-400}
counts=("${@:3}")
((${#counts[@]})) || counts=(10 50 200)
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
mkdir "$dir/all" "$dir/held"
i=0
for f in $(find "$1" -name '*.png' | sort); do
	i=$((i + 1))
	if ((i % 20)); then cp "$f" "$dir/all/$(printf %05d $i).png"; else cp "$f" "$dir/held"; fi
done

psnr() { "$lpn" eval --json --quiet --gray --noise 25/255 --prior "$1" "$dir/held" | sed 's/.*"mean":{"psnr":\([0-9.]*\).*/\1/' | xargs printf '%.2f dB'; }

echo "| pictures | started from gray-25 | from nothing |"
echo "|---|---|---|"
echo "| 0 | $(psnr gray-25) | |"
for n in "${counts[@]}"; do
	rm -rf "$dir/some"
	mkdir "$dir/some"
	# Evenly spread over the folder.
	ls "$dir/all" | awk -v n="$n" '{ f[NR] = $0 } END { for (k = 0; k < n && k < NR; k++) print f[1 + int(k * (NR > n ? NR / n : 1))] }' | while read -r f; do cp "$dir/all/$f" "$dir/some"; done
	for from in "--start gray-25" "--arch natural"; do
		"$lpn" train --quiet $from --channels 1 --data "$dir/some" --valid "$dir/held" --steps "$steps" --every "$steps" ${FLAGS:-} --force -o "$dir/p.safetensors" || exit
		psnr "$dir/p.safetensors" > "$dir/${from// /_}"
	done
	echo "| $(ls "$dir/some" | wc -l) | $(cat "$dir/--start_gray-25") | $(cat "$dir/--arch_natural") |"
done
