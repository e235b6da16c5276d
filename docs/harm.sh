#!/bin/bash
# Prints the tables of docs/results.md, "Photographs at the defaults": what `lpn restore`
# makes of pictures when it is given nothing. Run it from the root of the repository:
#
#   docs/harm.sh DATA CASES [ROW...]
#
# DATA holds camera, real-noise, bsd68, cbsd68 and ct-lung/test; CASES holds small inputs
# that programs fail at. ROW picks rows: camera clean low varying jpeg counts levels cases real.
# EVERY divides the number of pictures further (default 1). All rows take about 15 minutes
# of one core that does nothing else. A line a file goes to stderr.
set -euo pipefail
data=$1
cases=$2
shift 2
rows=" $* "
every=${EVERY:-1}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin" ./cmd/lpn ./internal/noisejudge

# row NAME COMMAND... runs a command and says how long it took.
row() {
	local name=$1 start=$SECONDS
	shift
	[[ $rows == "  " || $rows == *" $name "* ]] || return 0
	"$@"
	echo
	echo "$name: $((SECONDS - start)) s" >&2
}

# judge EVERY WHAT... looks at every so many-th picture.
judge() {
	local n=$(($1 * every))
	shift
	"$bin/noisejudge" -lpn "$bin/lpn" -files -every "$n" "$@"
}

row camera judge 1 camera "$data/camera"
row clean judge 8 clean "$data/cbsd68"
row clean judge 8 clean "$data/bsd68"
row clean judge 3 clean "$data/ct-lung/test"
row clean judge 1 drawn
row low judge 17 low "$data/cbsd68"
row varying judge 11 varying "$data/cbsd68"
row varying judge 7 varying "$data/bsd68"
row jpeg env LPN="$bin/lpn" docs/jpeg.sh "$data/cbsd68" $((8 * every)) 10 20 40
row counts judge 1 counts "$cases/photon-noise/truth.npy" "$cases/photon-noise/photons.npy"
row levels judge 1 levels "$data/bsd68"
row cases judge 1 cases "$cases"
row real judge 1 real "$data/real-noise"
