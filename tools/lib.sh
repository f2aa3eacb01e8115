# Shell functions that the scripts of this folder share; read with `source`, not run.

# A heading on a terminal or in a log.
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

die() {
	printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
	exit 1
}

# Installs those of the named Debian packages that are absent; without root it names them and ends the script.
install_missing() { # packages
	local package missing=()
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
	done
	((${#missing[@]})) || return 0
	[ "$(id -u)" = 0 ] || die "these packages are absent, and installing them needs root: ${missing[*]}"
	say "Installing ${missing[*]}"
	apt-get update -qq || apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Unpacks arm64 packages of this Debian release into a folder, once.  The machine's own packages, lists and
# architectures stay as they are, and no root is needed.
unpack_arm64() { # folder, packages
	local folder=$1 host package options
	shift
	[ "$(cat "$folder/.packages" 2>/dev/null)" != "$*" ] || return 0
	rm -rf "$folder"
	mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial"
	host=$(dpkg --print-architecture)
	options=(-qq -o "APT::Architecture=$host" -o "APT::Architectures::=$host" -o APT::Architectures::=arm64
		-o "Dir::State::lists=$PWD/$folder/apt/lists" -o "Dir::Cache=$PWD/$folder/apt/cache"
		-o APT::Sandbox::User=root)
	apt-get "${options[@]}" update
	(cd "$folder/apt" && apt-get "${options[@]}" download "${@/%/:arm64}")
	for package in "$folder"/apt/*.deb; do
		dpkg-deb -x "$package" "$folder"
	done
	rm -rf "$folder/apt"
	echo "$*" >"$folder/.packages"
}
