#!/bin/bash
# Compares the speed of two builds of a program that give the same result:
#
#   docs/turns.sh OLD NEW ROUNDS ARGUMENT...
#
# runs OLD ARGUMENT... and NEW ARGUMENT... in turn, on one thread, and prints the
# median and the least of the seconds of the processor of each, and the median of the
# ratios new/old of the rounds. On a busy machine these are fairer than wall time.
set -euo pipefail
old=$1 new=$2 rounds=$3
shift 3
export GOMAXPROCS=1
TIMEFORMAT='%U %S'
spent() { { time "$@" > /dev/null 2>&1; } 2>&1 | awk '{ print $1 + $2 }'; }
for ((k = 0; k < rounds; k++)); do
	if ((k % 2)); then
		b=$(spent "$new" "$@") a=$(spent "$old" "$@")
	else
		a=$(spent "$old" "$@") b=$(spent "$new" "$@")
	fi
	echo "$a $b"
done | awk '
	function median(v, n,  i, j, t) {
		for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] < v[j-1]; j--) { t = v[j]; v[j] = v[j-1]; v[j-1] = t }
		return n % 2 ? v[(n + 1) / 2] : (v[n/2] + v[n/2+1]) / 2
	}
	{ old[NR] = $1; new[NR] = $2; ratio[NR] = $1 > 0 ? $2 / $1 : 1 }
	END {
		a = median(old, NR); b = median(new, NR)
		printf "old %.2f (least %.2f), new %.2f (least %.2f), ratio %.3f\n", a, old[1], b, new[1], median(ratio, NR)
	}'
