#!/usr/bin/env bash
set -euo pipefail

case ${1:-} in -h | --help)
    echo "usage: run_tests.sh [ARGUMENT...]"
    echo "Run the fast tests of this package; arguments are pytest's: run_tests.sh -k 'search or topics' -x"
    exit ;;
esac
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
exec make -C "$here/../.." test ARGS="packages/axai-pg/tests${*:+$(printf ' %q' "$@")}"
