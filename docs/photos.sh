#!/bin/bash
# Makes the pictures of docs/photos.md in docs/img/photos, and prints the command of each
# with what it printed. Run it from the root of the repository; it takes two minutes on
# one core.
set -euo pipefail
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin" ./cmd/lpn ./internal/photos
"$bin/photos" "$bin/lpn" assets/images/still-life.png docs/img/photos
