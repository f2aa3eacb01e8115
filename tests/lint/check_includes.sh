#!/usr/bin/env bash
# Enforces who may include whom between the modules:
#
#   daemon -> config, policy, ipc, engine      client-lib -> ipc      tools -> engine, policy
#   config, policy, ipc, engine -> none of the others
#
# A module's own files include each other freely; others include its faces only, which is <module>/<module>.h and for
# some another one.  The sketch of the field record is for everybody who reads or writes one, inferctl included.  In
# tests/, the tests of a module see all of it.  Prints what is wrong and exits 1; with --self-test it checks itself on made-up files.
set -euo pipefail

declare -A allowed=(
	[config]="" [policy]="" [ipc]="" [engine]=""
	[daemon]="config policy ipc engine" [client-lib]="ipc" [tools]="engine policy"
)
declare -A face=(
	[config]=config/config.h [policy]="policy/policy.h policy/sketch.h policy/trace.h" [ipc]=ipc/ipc.h [engine]=engine/engine.h
	[client-lib]=client-lib/inferd.h
)

# The module a path of the tree belongs to; tests and unknown folders are none.
module_of() {
	case ${1%%/*} in
	config | policy | ipc | engine | daemon | client-lib | tools) echo "${1%%/*}" ;;
	esac
}

# The path of the tree that an include names, or nothing for headers of the system.
resolve() { # including file, name
	local folder=${1%/*} module candidate
	# Beside the file, from the root, and from the folders that targets of the same module add to the search.
	module=${1%%/*}
	for candidate in "$folder/$2" "$2" "$module/$2"; do
		if [ -e "$candidate" ]; then
			realpath -m --relative-to=. "$candidate"
			return
		fi
	done
}

check_one() { # file, line, name
	local from to target
	from=$(module_of "$1")
	target=$(resolve "$1" "$3")
	if [ -z "$target" ]; then
		printf '%s:%s: "%s" is not in the tree\n' "$1" "$2" "$3"
		return
	fi
	to=$(module_of "$target")
	if [ -z "$from" ] || [ -z "$to" ]; then
		[ -z "$from" ] || printf '%s:%s: %s includes %s\n' "$1" "$2" "$from" "$target"
		return
	fi
	# inferctl and the example are written against the installed header alone.
	if [ "$from" = client-lib ] && [ "$target" = client-lib/client.h ] &&
		[[ $1 == client-lib/inferctl/* || $1 == client-lib/example.c ]]; then
		printf '%s:%s: only the library itself includes %s\n' "$1" "$2" "$target"
		return
	fi
	[ "$from" = "$to" ] && return
	[[ $target == policy/sketch.h && $1 == client-lib/inferctl/* ]] && return
	if [[ " ${allowed[$from]} " != *" $to "* ]]; then
		printf '%s:%s: %s must not include %s\n' "$1" "$2" "$from" "$to"
	elif [[ " ${face[$to]-} " != *" $target "* ]]; then
		printf '%s:%s: %s is private to %s\n' "$1" "$2" "$target" "$to"
	fi
}

check() { # files
	local file line name
	# In angle brackets only headers of the system, unless they start with a module's name.
	grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*("|<(config|policy|ipc|engine|daemon|client-lib)/)' "$@" |
		sed -E 's/^([^:]*):([0-9]+):[^"<]*["<]([^">]*)[">].*/\1 \2 \3/' |
		while read -r file line name; do check_one "$file" "$line" "$name"; done
}

self_test() {
	local folder found
	folder=$(mktemp -d)
	trap 'rm -rf "$folder"' RETURN
	cd "$folder"
	mkdir -p engine/kernels ipc daemon client-lib/inferctl tests/engine
	touch engine/engine.h engine/plan.h engine/kernels/kernels.h ipc/ipc.h ipc/body.h daemon/log.h \
		client-lib/inferd.h client-lib/client.h
	printf '#include "engine.h"\n#include "kernels/kernels.h"\n#include <engine/plan.h>\n' >engine/good.c
	printf '#include "../plan.h"\n#include "engine/engine.h"\n' >engine/kernels/good.c
	printf '#include "engine/engine.h"\n#include "ipc/ipc.h"\n#include "log.h"\n' >daemon/good.c
	printf '#include "inferd.h"\n' >client-lib/inferctl/good.c
	printf '#include "engine/plan.h"\n#include "ipc/body.h"\n' >tests/engine/good.c
	printf '#include "ipc/ipc.h"\n' >engine/bad.c
	printf '#include <engine/plan.h>\n' >daemon/bad.c
	printf '#include "../daemon/log.h"\n' >ipc/bad.c
	printf '  #  include "engine/engine.h"\n' >client-lib/bad.c
	printf '#include "client.h"\n' >client-lib/inferctl/bad.c
	printf '#include "absent.h"\n' >daemon/worse.c
	found=$(find . -name '*.c' -printf '%P\n' | xargs bash "$script" --files | cut -d: -f1 | sort | tr '\n' ' ')
	[ "$found" = "client-lib/bad.c client-lib/inferctl/bad.c daemon/bad.c daemon/worse.c engine/bad.c ipc/bad.c " ] ||
		{ echo "check_includes: the self test found: $found" && return 1; }
}

script=$(realpath "$0")
case ${1-} in
--files) # Checks these files of the current folder.
	shift
	check "$@"
	;;
--self-test)
	self_test
	;;
*)
	cd "$(dirname "$script")/../.."
	(self_test) || exit 1
	mapfile -t files < <(git ls-files '*.c' '*.h' '*.inc' '*.cc')
	wrong=$(check "${files[@]}")
	[ -z "$wrong" ] && exit 0
	printf '%s\n' "$wrong"
	exit 1
	;;
esac
