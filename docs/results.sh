#!/bin/bash
# Prints the table of docs/results.md: the built-in priors at their defaults
# against classical methods whose strengths are tuned on training pictures.
# Run it from the root of the repository:
#
#   docs/results.sh DATA [IMAGES [ROW...]]
#
# DATA holds set12, bsd400-gray, ct-lung and kernels-levin09; IMAGES is how many
# pictures of each test set are used (default: all of them); ROW picks rows by
# their first word. LPN names the program (default: lpn).
set -eu
data=$1
count=${2:-1000}
shift $(($# < 2 ? $# : 2))
rows=" $* "
lpn=${LPN:-lpn}

# row NAME TEST TRAIN FLAGS... prints one line of the table.
row() {
	local name=$1 test=$2 train=$3
	shift 3
	[[ $rows == "  " || $rows == *" ${name%% *} "* ]] || return 0
	mapfile -t images < <(ls "$data/$test"/*.png | head -n "$count")
	"$lpn" eval --quiet --seed 1 --images 3 --crop 96 --baseline tv,wavelet,wiener --tune-on "$data/$train" "$@" "${images[@]}" |
		awk -v name="$name" '$1 == "mean" {
			printf "| %s | %s / %s | %s / %s | %s / %s | %s / %s |\n", name, $2, $3, $4, $5, $6, $7, $8, $9
		}'
}

kernels=$data/kernels-levin09
echo "| measurement | learned prior | TV | wavelet | Wiener |"
echo "|---|---|---|---|---|"
row "gaussian-blur 1.6 px, noise 0.01" set12 bsd400-gray --boundary circular --operator blur:gaussian,sigma=1.6 --noise 0.01
row "levin0 motion blur, noise 0.01" set12 bsd400-gray --boundary circular --operator "blur:kernel=$kernels/levin0.npy" --noise 0.01
row "levin0-noisy motion blur, noise 0.03" set12 bsd400-gray --boundary circular --operator "blur:kernel=$kernels/levin0.npy" --noise 0.03
row "levin3 motion blur, noise 0.01" set12 bsd400-gray --boundary circular --operator "blur:kernel=$kernels/levin3.npy" --noise 0.01
row "levin3-noisy motion blur, noise 0.03" set12 bsd400-gray --boundary circular --operator "blur:kernel=$kernels/levin3.npy" --noise 0.03
row "inpaint half of the pixels, noise 0.01" set12 bsd400-gray --operator inpaint:ratio=0.5 --noise 0.01
row "sr by 2, noise 0.01" set12 bsd400-gray --operator sr:factor=2 --noise 0.01
row "mri 4-fold, noise 0.01" set12 bsd400-gray --crop 128 --operator mri:accel=4 --noise 0.01
row "cs a quarter, CT, noise 0.001" ct-lung/test ct-lung/train --crop 256 --operator cs:ratio=0.25 --noise 0.001
row "tomo 200 angles x 400 detectors, CT, noise 0.1" ct-lung/test ct-lung/train --crop 256 --operator tomo:angles=200,detectors=400 --noise 0.1
