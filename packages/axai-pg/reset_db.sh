#!/usr/bin/env bash
set -euo pipefail

usage="usage: reset_db.sh [--yes]
Remove all tables of the database that axai-pg names here, with their rows, and make them anew.
It shows which one that is, and asks, unless --yes is passed."
case $#,${1:-} in
    1,-h | 1,--help) echo "$usage"; exit ;;
    0, | 1,-y | 1,--yes) ;;
    *) echo "$usage" >&2; exit 2 ;;
esac
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
PATH=$PATH:$here/../../.venv/bin
command -v axai-pg >/dev/null || {
    echo "reset_db.sh: there is no command axai-pg: call make setup in the repository" >&2
    exit 1
}

status=$(axai-pg status)
echo "$status"
[[ $status == *"is not there yet"* ]] || axai-pg revert --all --quiet "$@"
axai-pg init --quiet
