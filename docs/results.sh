#!/bin/bash
# Prints the table of docs/results.md: the built-in priors at their defaults
# against classical methods whose strengths are tuned on training pictures.
# Run it from the root of the repository:
#
#   docs/results.sh DATA [IMAGES [ROW...]]
#
# DATA holds set12, bsd400-gray, ct-lung and kernels-levin09; IMAGES is how many
# pictures of each test set are used at most (default: all of set12, 3 of
# ct-lung/test); ROW picks rows by their first word. LPN names the program
# (default: lpn), FLAGS are added to every command, TUNED names a folder that
# keeps the tuned strengths for the next time. Seconds of each row go to stderr.
set -euo pipefail
data=$1
count=${2:-}
shift $(($# < 2 ? $# : 2))
rows=" $* "
lpn=${LPN:-lpn}
tuned=${TUNED:-$(mktemp -d)}
mkdir -p "$tuned"

# row NAME TEST IMAGES TRAIN FLAGS... prints one line of the table.
row() {
	local name=$1 test=$2 some=${count:-$3} train=$4 start=$SECONDS
	local strengths=$tuned/${name%% *}.json with=(--quiet --seed 1 --baseline tv,wavelet,wiener ${FLAGS:-})
	shift 4
	[[ $rows == "  " || $rows == *" ${name%% *} "* ]] || return 0
	mapfile -t images < <(ls "$data/$test"/*.png | head -n "$some")
	# The strengths are those of three training pictures; the first test picture
	# is there because eval wants one.
	if [[ ! -s $strengths ]]; then
		"$lpn" eval --json --iters 1 --images 3 --crop 96 --tune-on "$data/$train" "${with[@]}" "$@" "${images[0]}" |
			sed -n 's/.*"strengths":\({[^}]*}\).*/{"baselines":\1}/p' > "$strengths.new"
		mv "$strengths.new" "$strengths"
	fi
	"$lpn" eval --params "$strengths" "${with[@]}" "$@" "${images[@]}" |
		awk -v name="$name" '$1 == "mean" {
			printf "| %s | %s / %s | %s / %s | %s / %s | %s / %s |\n", name, $2, $3, $5, $6, $8, $9, $11, $12
		}'
	echo "${name%% *}: ${#images[@]} pictures, $((SECONDS - start)) s" >&2
}

natural() {
	local name=$1
	shift
	row "$name" set12 12 bsd400-gray "$@"
}

# Sensing and tomography are of the whole scene: larger crops to tune on.
ct() {
	local name=$1 crop=$2
	shift 2
	row "$name" ct-lung/test 3 ct-lung/train --prior ct --crop "$crop" "$@"
}

kernels=$data/kernels-levin09
echo "| measurement | learned prior | TV | wavelet | Wiener |"
echo "|---|---|---|---|---|"
natural "gaussian-blur 1.6 px, noise 0.01" --boundary circular --operator blur:gaussian,sigma=1.6 --noise 0.01
natural "levin0 motion blur, noise 0.01" --boundary circular --operator "blur:kernel=$kernels/levin0.npy" --noise 0.01
natural "levin0-noisy motion blur, noise 0.03" --boundary circular --operator "blur:kernel=$kernels/levin0.npy" --noise 0.03
natural "levin3 motion blur, noise 0.01" --boundary circular --operator "blur:kernel=$kernels/levin3.npy" --noise 0.01
natural "levin3-noisy motion blur, noise 0.03" --boundary circular --operator "blur:kernel=$kernels/levin3.npy" --noise 0.03
natural "inpaint half of the pixels, noise 0.01" --operator inpaint:ratio=0.5 --noise 0.01
natural "sr by 2, every second sample of a blur of 1 px, noise 0.01" --operator sr:factor=2,align=corner --noise 0.01
natural "mri 4-fold, noise 0.01" --crop 128 --operator mri:accel=4 --noise 0.01
ct "cs4 a quarter, CT, noise 0.001" 160 --operator cs:ratio=0.25 --noise 0.001
ct "cs16 a sixteenth, CT, noise 0.001" 160 --operator cs:ratio=0.0625 --noise 0.001
ct "tomo 200 angles x 400 detectors, CT, noise 0.1" 128 --operator tomo:angles=200,detectors=400 --noise 0.1
