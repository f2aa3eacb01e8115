#!/usr/bin/env bash
# Shows inferd at work: installs what is missing, builds, fetches networks and photographs, and runs them through
# a daemon of its own: classes, a face, and which of some clips is on a screen; then a hot device, then a reload.  Leaves nothing running.
#
#   tools/demo.sh [BUILD_DIR]     (default: build; fetched files are kept in BUILD_DIR/demo)
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
build=${1:-build}
mkdir -p "$build"
build=$(realpath "$build")
data=$build/demo

write_config() { # top_k
	cat >"$run/inferd.yaml" <<-YAML
		socket: $run/inferd.sock
		models:
		  - name: imagenet
		    task: classify
		    labels: $data/imagenet_labels.txt
		    top_k: $1
		    deadline_ms: 500
		    variants:
		      - {name: lite2, file: $data/efficientnet_lite2.param, accuracy: 0.776}
		      - {name: lite1, file: $data/efficientnet_lite1.param, accuracy: 0.767}
		      - {name: lite0, file: $data/efficientnet_lite0.param, accuracy: 0.751}
		    preprocess: {fit: crop, crop: 0.875, mean: [127, 127, 127], scale: 0.0078125}
		    inputs: [192, 160, 128]
		    gray: true
		  - name: face
		    task: detect
		    detector: blazeface
		    deadline_ms: 500
		    variants: [{name: short, file: $data/face_detection_short_range.tflite}]
		    preprocess: {fit: letterbox, sampling: point, mean: 127.5, scale: 0.00784313725}
		  - name: look
		    task: embed
		    deadline_ms: 500
		    variants: [{name: lite0, file: $data/efficientnet_lite0_features.param}]
		    preprocess: {mean: [127, 127, 127], scale: 0.0078125}
		    gallery: {sure: 0.7, maybe: 0.5}
		policy: {temp_high_c: 75, temp_critical_c: 90}
	YAML
}

# A made-up device: what /sys and /proc would say on one this warm.
write_device() { # degrees
	mkdir -p "$run/device/sys/class/thermal/thermal_zone0" "$run/device/proc"
	echo cpu-thermal >"$run/device/sys/class/thermal/thermal_zone0/type"
	echo "$1000" >"$run/device/sys/class/thermal/thermal_zone0/temp"
}

ctl() { "$inferctl" --socket "$run/inferd.sock" "$@"; }

start_daemon() { # extra options
	"$inferd" --config "$run/inferd.yaml" --state-dir "$run" "$@" 2>>"$run/log" &
	daemon=$!
	for ((i = 0; i < 600; i++)); do
		ctl status >/dev/null 2>&1 && return
		kill -0 "$daemon" 2>/dev/null || break
		sleep 0.05
	done
	cat "$run/log" >&2
	die "the daemon did not come up"
}

stop_daemon() {
	[ -n "${daemon:-}" ] || return 0
	kill -TERM "$daemon"
	wait "$daemon" || die "the daemon ended with status $?"
	daemon=
}

cleanup() {
	[ -z "${daemon:-}" ] || kill -KILL "$daemon" 2>/dev/null || true
	rm -rf "$run"
}

install_missing build-essential cmake pkg-config libuv1-dev libmsgpack-dev libyaml-dev libturbojpeg0-dev libpng-dev \
	libsqlite3-dev python3 python3-pip python3-pil
say "Building in $build"
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DINFERD_TESTS=OFF >/dev/null
cmake --build "$build" -j "$(nproc)" | tail -n 1
inferd=$build/daemon/inferd
inferctl=$build/client-lib/inferctl/inferctl
say "Fetching a classifier, a face detector and photographs"
tools/models.sh --into "$data" imagenet faces vectors
python3 tools/fetch.py --into "$data" photos people
photos=("$data"/photos/*)
run=$(mktemp -d)
daemon=
trap cleanup EXIT

say "A cool device: every photograph on the rung the policy finds best"
write_config 5
write_device 40
start_daemon --sysroot "$run/device"
ctl models
ctl run imagenet "${photos[@]}"

say "A face, drawn on its photograph"
ctl run face "$data"/people/* --annotate "$data/faces"
drawn=("$data"/faces/*.png)
echo "The drawing is in ${drawn[*]}"

say "Clips are enrolled; then a camera looks at a screen that plays one of them, and at one that plays something else"
/usr/bin/python3 tools/demo_clips.py "$run" --clips "${photos[@]}" --camera "$data"/photos/coffee.png "$data"/people/*
for clip in "$run"/clips/*.y4m; do
	ctl gallery add clips "$(basename "$clip" .y4m)" "$clip" --model look
done
for view in "$run"/camera/*.y4m; do
	echo "On the screen: $(basename "$view" .y4m)"
	ctl run look "$view" --gallery clips --top 2 | tail -n 6
done

say "The same photographs with the device at 82 C, over temp_high_c: a cheaper rung, and why"
stop_daemon
write_device 82
start_daemon --sysroot "$run/device"
ctl run imagenet "${photos[@]}"

say "Reload by SIGHUP: top_k becomes 2"
write_config 2
kill -HUP "$daemon"
for ((i = 0; i < 200; i++)); do
	[ "$(ctl --json run imagenet "${photos[0]}" | grep -o '"index"' | wc -l)" = 2 ] && break
	sleep 0.05
done
ctl run imagenet "${photos[0]}"

say "Stopping"
stop_daemon
echo "The daemon ended with status 0."
