#!/bin/sh
# Makes a local image by the name of the Dockerfile's base, for buildah where no image registry can be reached: with
# Debian's Python 3.11 instead of Docker's. It asks the mirror that this machine's apt asks, and takes this machine's
# certificates and settings of pip along, so what is built on it is for tests alone. Needs root, buildah and debootstrap.
#
#   tests/images/base.sh [NAME]
set -eu
name=${1:-docker.io/library/python:3.11-slim-bookworm}
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | grep '/debian/$' | head -n 1)

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip bookworm "$root" "${mirror:-http://deb.debian.org/debian}"
ln -s /usr/bin/python3 "$root/usr/local/bin/python"
rm -rf "$root"/usr/lib/python3.11/EXTERNALLY-MANAGED "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"

container=$(buildah from scratch)
buildah copy --quiet "$container" "$root" / > /dev/null
buildah config --cmd python3 "$container"
buildah commit --quiet --rm "$container" "$name"
