#!/bin/sh
# Installs what the real-client tests need and is not there yet.
#
#   sh tests/clients/install.sh
#
# System packages come from apt (only as root); npm and pip packages go into
# ${CAMPANILE_TOOLS:-target/tools}, a relative path counting from the root of the
# checkout. Running it again changes nothing. It stops at the first failure.
set -eu

clients=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd -- "$clients/../.."
tools=${CAMPANILE_TOOLS:-target/tools}

main() {
    install_system_packages
    mkdir -p -- "$tools"
    install_node_packages
    install_python_packages
    say "ready: the tools folder is $tools"
}

install_system_packages() {
    packages=
    need php php-cli
    if ! php -r 'exit((int) !extension_loaded("curl"));' 2>/dev/null; then
        packages="$packages php-curl"
    fi
    need curl curl
    need haproxy haproxy
    need nginx nginx
    if [ ! -f /usr/lib/nginx/modules/ngx_stream_module.so ]; then
        packages="$packages libnginx-mod-stream"
    fi
    need prometheus prometheus
    need ip iproute2
    need node nodejs
    need npm npm
    need python3 python3
    if ! has chromium && ! has chromium-browser && [ -z "${CHROMIUM:-}" ]; then
        packages="$packages chromium"
    fi
    # Debian ships the venv module without its pip unless this package is there.
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        packages="$packages python3-venv"
    fi
    if [ -z "$packages" ]; then
        say "system packages: all there"
        return
    fi
    has apt-get || fail "missing system packages:$packages; install them with your package manager"
    [ "$(id -u)" -eq 0 ] || fail "missing system packages:$packages; run as root: apt-get install$packages"
    export DEBIAN_FRONTEND=noninteractive
    quietly apt-get update
    # One word per package is meant here.
    # shellcheck disable=SC2086
    quietly apt-get install --yes --no-install-recommends $packages
    say "system packages: installed$packages"
}

install_node_packages() {
    if cmp -s "$clients/package.json" "$tools/package.json" && [ -f "$tools/node_modules/.complete" ]; then
        say "npm packages: all there"
        return
    fi
    cp -- "$clients/package.json" "$tools/package.json"
    (cd -- "$tools" && quietly npm install --no-package-lock --no-audit --no-fund)
    touch -- "$tools/node_modules/.complete"
    say "npm packages: installed from package.json"
}

install_python_packages() {
    if cmp -s "$clients/requirements.txt" "$tools/venv/requirements.txt"; then
        say "Python packages: all there"
        return
    fi
    quietly python3 -m venv --clear "$tools/venv"
    quietly "$tools/venv/bin/python" -m pip install --disable-pip-version-check -r "$clients/requirements.txt"
    cp -- "$clients/requirements.txt" "$tools/venv/requirements.txt"
    say "Python packages: installed from requirements.txt"
}

# need COMMAND PACKAGE
need() {
    has "$1" || packages="$packages $2"
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# Runs a command whose output matters only when it fails.
quietly() {
    if ! output=$("$@" 2>&1); then
        printf '%s\n' "$output" >&2
        fail "this command failed: $*"
    fi
}

say() {
    printf 'install.sh: %s\n' "$*"
}

fail() {
    say "$*" >&2
    exit 1
}

main
