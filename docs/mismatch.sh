#!/bin/bash
# Restores pictures with an operator or a noise level that are not quite those
# of the measurement, by the built-in priors at their defaults, and prints by
# how many decibels the result is better than the measurement: the mean over
# the pictures and the worst. Run it from the root of the repository:
#
#   docs/mismatch.sh [PICTURE...]
#
# Default: the still life, gray and in colour. LPN names the program (default:
# lpn), FLAGS are added to every restoration, such as --prior FILE.
set -euo pipefail
lpn=${LPN:-lpn}
images=("$@")
((${#images[@]})) || images=(assets/images/still-life-gray.png assets/images/still-life.png)
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT

# field NAME reads a number from JSON.
field() { sed -n "s/.*\"$1\":\\(-\\?[0-9.e-]*\\).*/\\1/p"; }

# row WAS NOISE TOLD NOISE prints one line of the table.
row() {
	for image in "${images[@]}"; do
		"$lpn" degrade --quiet --force --bits 16 --seed 1 --operator "$1" --noise "$2" "$image" -o "$dir/measured.png" >&2
		"$lpn" restore --json --quiet --force --operator "$3" --noise "$4" --reference "$image" ${FLAGS:-} \
			"$dir/measured.png" -o "$dir/restored.png" > "$dir/result.json"
		echo "$(field psnr < "$dir/result.json") $(field input_psnr < "$dir/result.json")"
	done | awk -v was="$1, $2" -v told="$3, $4" '
		{ d = $1 - $2; sum += d; if (NR == 1 || d < worst) worst = d }
		END { printf "| %s | %s | %+.2f | %+.2f |\n", was, told, sum / NR, worst }'
}

motion() { echo "blur:motion,length=$1,angle=$2"; }
gauss() { echo "blur:gaussian,sigma=$1"; }

echo "| measurement | restored as | mean | worst |"
echo "|---|---|---|---|"
for noise in 0.01 0.004; do
	row "$(motion 9 30)" $noise "$(motion 9 30)" $noise
	for angle in 15 28 32 45; do row "$(motion 9 30)" $noise "$(motion 9 $angle)" $noise; done
	for length in 7 11; do row "$(motion 9 30)" $noise "$(motion $length 30)" $noise; done
	row "$(gauss 1.6)" $noise "$(gauss 1.6)" $noise
	for width in 1.2 2 3.2; do row "$(gauss 1.6)" $noise "$(gauss $width)" $noise; done
	for factor in 0.5 2; do
		told=$(awk "BEGIN { print $noise * $factor }")
		row "$(motion 9 30)" $noise "$(motion 9 30)" "$told"
		row "$(motion 9 30)" $noise "$(motion 11 32)" "$told"
		row "$(gauss 1.6)" $noise "$(gauss 1.6)" "$told"
		row "$(gauss 1.6)" $noise "$(gauss 2)" "$told"
	done
done
for noise in 5 15 25 50; do
	for factor in 0.5 2; do row denoise $noise/255 denoise "$(awk "BEGIN { print $noise * $factor / 255 }")"; done
done
