#!/usr/bin/env bash
# Makes dav1d.wasm.gz of the sources of dav1d 1.5.4 (downloads.videolan.org) and av1.c:
#
#   build.sh dav1d-1.5.4.tar.xz
#
# Needs Python with ziglang 0.17.1 (PyPI), which brings clang and a C library for
# WebAssembly. The same bytes come out wherever it runs.
set -euo pipefail

source=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
zig="${PYTHON:-python3} -m ziglang"
[ "$($zig version)" = 0.17.1 ] || { echo "ziglang is $($zig version), want 0.17.1" >&2; exit 1; }
echo "686616b7c69eb88d44459391ab25cac13b6647a3b288835c5784e71c1514a5c5  $source" | sha256sum --check --quiet

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cd "$work"
tar -xf "$source" --strip-components=1
echo '#define DAV1D_VERSION "1.5.4"' >vcs_version.h
# What dav1d's own build asks of a system, without assembly: this one has nothing else.
for name in $(grep -ohE '\b(HAVE|ARCH|CONFIG|ENDIANNESS|TRIM)_[A-Z0-9_]+' -r src include | sort -u); do
	case $name in
	CONFIG_8BPC | CONFIG_16BPC | HAVE_ALIGNED_ALLOC | HAVE_SYS_TYPES_H | HAVE_UNISTD_H | HAVE_C11_GENERIC | TRIM_DSP_FUNCTIONS)
		echo "#define $name 1" ;;
	*) echo "#define $name 0" ;;
	esac
done >config.h

# Optimised for size: faster code is hardly faster, and takes wazero ten seconds to compile.
compile() { $zig cc --target=wasm32-wasi -std=c11 -Os -DNDEBUG -D_GNU_SOURCE -w -I. -Iinclude -Iinclude/dav1d -Isrc -ffunction-sections "$@"; }
for name in cdf cpu ctx data decode dequant_tables getbits intra_edge itx_1d lf_mask lib log mem msac obu pal picture \
	qm ref refmvs scan tables thread_task warpmv wedge; do
	compile -c src/$name.c -o $name.o
done
for template in src/*_tmpl.c; do
	for bits in 8 16; do
		compile -DBITDEPTH=$bits -c "$template" -o "$(basename "$template" .c)$bits.o"
	done
done
cp "$here/av1.c" av1.c
compile -c av1.c -o av1.o
$zig cc --target=wasm32-wasi -Os -mexec-model=reactor -Wl,--gc-sections -Wl,--strip-all -Wl,-z,stack-size=1048576 -o dav1d.wasm ./*.o
gzip -9 --no-name <dav1d.wasm >"$here/dav1d.wasm.gz"
cp COPYING "$here/LICENSE"
