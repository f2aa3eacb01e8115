#!/usr/bin/env bash
# Gives `inferd-policy fit` traces whose answer is known, traces and records that tell nothing, and what is neither.
# Arguments: make_record, inferd, then inferd-policy, each with an emulator before it (as one word) where one is needed.
set -euo pipefail

read -ra make_record <<<"$1"
read -ra inferd <<<"$2"
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
	echo "check_fit: $*"
	exit 1
}

# Minutes at four frames a second on one rung of 40 ms, which takes `capped` times as long in every other minute, when
# half of the clock is gone.
make_trace() { # minutes, capped
	awk -v minutes="$1" -v capped="$2" 'BEGIN {
		print "{\"segment\":{\"lost\":0}}"
		print "{\"params\":{\"version\":\"shipped-7\",\"cap_share\":0.7}}"
		print "{\"model\":\"m\",\"lanes\":1,\"rungs\":[{\"name\":\"big\",\"variant\":0,\"accuracy\":0.8,\"prior_us\":40000}," \
			"{\"name\":\"small\",\"variant\":1,\"accuracy\":0.5,\"prior_us\":8000}]}"
		for (i = 0; i < minutes * 240; i++) {
			t = 1000000 + i * 250000
			cap = int(i / 240) % 2 ? 0.5 : 1
			us = 40000 * (cap < 1 ? capped : 1) * (1 + 0.02 * ((i * 7919) % 11 - 5) / 5)
			printf "{\"model\":\"m\",\"stream\":1,\"t_us\":%d,\"deadline_us\":200000,\"queue_us\":0,\"freq_cap\":[%g],\"rung\":\"big\"}\n", t, cap
			printf "{\"model\":\"m\",\"observed\":{\"rung\":\"big\",\"t_us\":%d,\"us\":%d,\"freq_cap\":%g}}\n", t + us, us, cap
			printf "{\"model\":\"m\",\"stream\":1,\"ended\":{\"status\":\"answered\"}}\n"
		}
	}' </dev/null
}

# 1 - c + c / 0.5 = 1.3
make_trace 20 1.3 >"$folder/capped"
"$@" fit --trace "$folder/capped" --out "$folder/proposal.yaml" --version next-8 >"$folder/out" || fail "it failed"
share=$(sed -nE 's/^  cap_share: (.*)$/\1/p' "$folder/proposal.yaml")
awk -v share="$share" 'BEGIN { exit !(share > 0.28 && share < 0.32) }' </dev/null || fail "cap_share is '$share', not 0.3: $(cat "$folder/out")"
grep -q '^  version: next-8$' "$folder/proposal.yaml" || fail "the proposal has no version"
grep -q '^Expected of the proposal' "$folder/out" || fail "it does not say what would have changed"
[ "$(wc -l <"$folder/proposal.yaml")" = 4 ] || fail "more is proposed than is known: $(cat "$folder/proposal.yaml")"
mkdir "$folder/conf.d"
cp "$folder/proposal.yaml" "$folder/conf.d/50-policy.yaml"
printf 'models: []\n' >"$folder/inferd.yaml"
"${inferd[@]}" --config "$folder/inferd.yaml" --check-config >"$folder/check" 2>&1 || fail "the daemon refuses it: $(cat "$folder/check")"

# As slow as the parameters say: nothing to change.
make_trace 20 1.7 >"$folder/right"
"$@" fit --trace "$folder/right" --out "$folder/none.yaml" >"$folder/out" || fail "nothing to propose is no failure"
grep -q '^Nothing is proposed' "$folder/out" || fail "it proposes what is there: $(cat "$folder/out")"
[ ! -e "$folder/none.yaml" ] || fail "it writes a proposal of nothing"

# Too little to tell, and a record that says no more than how hot it was.
make_trace 1 1.3 >"$folder/short"
"${make_record[@]}" "$folder" m 60 >/dev/null
"$@" fit "$folder/record.db" --trace "$folder/short" >"$folder/out" || fail "a record and a trace"
grep -q '^Nothing is proposed' "$folder/out" || fail "it proposes from nothing: $(cat "$folder/out")"
grep -q 'clocks were capped from 7[5-9]' "$folder/out" || fail "it does not read the record: $(cat "$folder/out")"
grep -q 'frames exceeded it' "$folder/out" || fail "it does not tell coverage: $(cat "$folder/out")"

refuse() { # status, pattern, arguments...
	local due=$1 pattern=$2 status=0
	shift 2
	"${program[@]}" fit "$@" >/dev/null 2>"$folder/err" || status=$?
	[ "$status" = "$due" ] || fail "status $status for: $*"
	grep -qE "$pattern" "$folder/err" || fail "says '$(cat "$folder/err")', not '$pattern'"
}
program=("$@")
refuse 2 usage
refuse 2 usage --nonsense
refuse 2 'letters, digits' --trace "$folder/short" --version 'a b'
refuse 1 'absent.db: ' "$folder/absent.db"
refuse 1 'capped: ' "$folder/capped"
head -c -20 "$folder/short" >"$folder/cut"
refuse 1 'cut: line 723: ' --trace "$folder/cut"
head -c 5000 "$folder/record.db" >"$folder/torn.db"
refuse 1 'torn.db: ' "$folder/torn.db"
