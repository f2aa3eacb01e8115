#!/usr/bin/env bash
# Talks to `inferd-policy drive` as a simulator would, replays what it recorded, and shows it lines that are no good.
# Arguments: the program, with an emulator before it where one is needed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
rungs='{"rungs":[{"name":"big","variant":"a","width":224,"height":224,"channels":3,"lane":0,"threads":1,"accuracy":0.8,"prior_us":60000,"power_w":2,"later":[1]},{"name":"small","variant":"b","accuracy":0.5,"prior_us":5000}],"lanes":1}'

fail() {
	echo "check_drive: $*"
	exit 1
}

# A device five times slower than its priors: 300 and 25 ms of 200.
simulate() {
	echo "$rungs"
	for ((i = 1; i <= 40; i++)); do
		echo "{\"t_us\":$((i * 250000)),\"deadline_us\":200000,\"queue_us\":0,\"unknown\":{\"a\":null},\"temp_c\":null}"
		echo '{"observed":{"rung":"small","us":25000}}'
	done
	echo '{"t_us":11000000,"deadline_us":200000,"queue_us":300000}'
}

simulate | "$@" drive --trace "$folder/trace" >"$folder/answers"
[ "$(wc -l <"$folder/answers")" = 42 ] || fail "one answer for the first line and for each frame"
[ "$(head -n 1 "$folder/answers")" = '{"ready":true}' ] || fail "not ready: $(head -n 1 "$folder/answers")"
sed -n 2,41p "$folder/answers" | grep -vE '^\{"rung":"(big|small)","reason":".+"\}$' && fail "an answer of another form"
sed -n 30,41p "$folder/answers" | grep -q '"rung":"big"' && fail "300 ms do not fit into 200"
tail -n 1 "$folder/answers" | grep -q '^{"rung":null,"reason":".*"}$' || fail "a frame whose deadline has passed is dropped"
"$@" replay "$folder/trace" >"$folder/replay" || fail "not the same again: $(cat "$folder/replay")"
echo '{"policy":{"version":"bold","rung_spread":0.5}}' >"$folder/params"
"$@" replay "$folder/trace" --params "$folder/params" | grep -q 'parameters bold' || fail "other parameters"
sed 's/"rung":"small","cause"/"rung":"big","cause"/' "$folder/trace" >"$folder/forged"
! "$@" replay "$folder/forged" >/dev/null || fail "a forged record passes"

# 60 ms fit into 200, but not into a share of 30; the replay has the share from the trace.
share() {
	echo "$rungs"
	echo '{"t_us":1000000,"deadline_us":200000,"queue_us":0,"share_us":30000}'
	echo '{"observed":{"rung":"small","us":5000}}'
	echo '{"t_us":1250000,"deadline_us":200000,"queue_us":0}'
}
share | "$@" drive --trace "$folder/trace" >"$folder/answers"
sed -n 2p "$folder/answers" | grep -q '"rung":"small"' || fail "60 ms do not fit into a share of 30"
sed -n 3p "$folder/answers" | grep -q '"rung":"big"' || fail "without a share the best fits"
"$@" replay "$folder/trace" >"$folder/replay" || fail "not the same again: $(cat "$folder/replay")"

# Every line that is no good ends the conversation with its number, and answers what came before.
refuse() { # pattern, lines...
	local pattern=$1 status=0
	shift
	printf '%s\n' "$@" >"$folder/lines"
	"${program[@]}" drive <"$folder/lines" >"$folder/out" 2>"$folder/err" || status=$?
	[ "$status" = 1 ] || fail "status $status for: $*"
	grep -qE "$pattern" "$folder/err" || fail "says '$(cat "$folder/err")', not '$pattern'"
}
program=("$@")
refuse 'line 1: no value at byte' 'garbage'
refuse 'line 1: .*no list "rungs"' '{}'
refuse 'line 1: 0 rungs' '{"rungs":[]}'
refuse 'line 1: two rungs are named "a"' '{"rungs":[{"name":"a","prior_us":1},{"name":"a","prior_us":1}]}'
refuse 'line 1: lane "c" is one more' '{"rungs":[{"name":"a","prior_us":1,"lane":"b"},{"name":"d","prior_us":1,"lane":"c"}],"lanes":1}'
refuse 'line 1: rung "a" has no "prior_us"' '{"rungs":[{"name":"a"}]}'
refuse 'line 2: "observed" before any frame' "$rungs" '{"observed":{"rung":"big","us":1}}'
refuse 'line 2: neither a frame' "$rungs" '{"temp_c":20}'
refuse 'line 3: no rung is named "x"' "$rungs" '{"t_us":1,"deadline_us":1000}' '{"observed":{"rung":"x","us":1}}'
refuse 'line 2: "t_us" is no number' "$rungs" '{"t_us":"now"}'
refuse 'line 2: "share_us" is -1' "$rungs" '{"t_us":1,"share_us":-1}'
refuse 'line 2: "cpu_load" is 7' "$rungs" '{"t_us":1,"cpu_load":7}'
refuse 'line 2: a control character|line 2: ' "$rungs" $'{"t_us":\001}'
head -c 2000000 /dev/zero | tr '\0' '[' >"$folder/long"
status=0
"${program[@]}" drive <"$folder/long" >/dev/null 2>"$folder/err" || status=$?
[ "$status" = 1 ] && grep -q 'line 1: longer than' "$folder/err" || fail "a line without end"
"${program[@]}" drive </dev/null || fail "an empty conversation is none that failed"
"${program[@]}" drive --nonsense 2>/dev/null && fail "an unknown option is a wrong call"
"${program[@]}" simulate --seeds 5-6 --setting 80ms-free --json | grep -q '"policy":"inferd","seeds":2,' || fail "simulate"
