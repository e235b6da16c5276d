#!/bin/bash
# Prints the tables of docs/measure.md and docs/pictures.md that are not of photographs made
# smaller (docs/sr.sh has those): scans, coils and kernels simulated where the truth is
# known, against classical methods, and small inputs that other machines measured. Run it
# from the root of the repository:
#
#   docs/measure.sh DATA CASES [ROW...]
#
# DATA holds set12 and ct-lung; CASES holds small inputs that programs fail at. ROW picks
# rows: tomo counts mri kernels units cases. SIDE is how many pixels of the slices are
# used (default 160), SLICES how many slices (2), PICTURES how many pictures for mri (4).
# Beside other work the row tomo took 8 minutes of one core, kernels 12 seconds.
set -euo pipefail
data=$1
cases=$2
shift 2
rows=" $* "
side=${SIDE:-160}
slices=${SLICES:-2}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin" ./cmd/lpn ./internal/scanjudge ./internal/noisejudge

# row NAME COMMAND... runs a command and says how long it took.
row() {
	local name=$1 start=$SECONDS
	shift
	[[ $rows == "  " || $rows == *" $name "* ]] || return 0
	"$bin/$1" "${@:2}"
	echo
	echo "$name: $((SECONDS - start)) s" >&2
}

row tomo scanjudge -images "$slices" -side "$side" tomo "$data/ct-lung/test" "$data/ct-lung/train"
row counts scanjudge -images "$slices" -side "$side" counts "$data/ct-lung/test"
row mri scanjudge -images "${PICTURES:-4}" mri "$data/set12"
row kernels scanjudge -images 1 -side 96 kernels "$data/set12"
row units scanjudge -images 1 -side 96 units "$data/set12"
row cases noisejudge -lpn "$bin/lpn" measured "$cases"
