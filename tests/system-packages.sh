#!/bin/sh
# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages that tests use and that are missing. Acts only for root on a system
# with apt-get; elsewhere it says what is missing, and the tests concerned say why they are skipped.
#
# With `deployment` also those that build and run a container and a cluster.
set -eu

# command:package
wanted="unshare:util-linux curl:curl node:nodejs npm:npm rclone:rclone buildah:buildah"
[ "${1:-}" != deployment ] || wanted="$wanted runc:runc debootstrap:debootstrap slurmctld:slurm-wlm munged:munge"

PATH="$PATH:/usr/sbin:/sbin"
missing=""
for pair in $wanted; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Not installed, some tests will be skipped:$missing" >&2
    exit 0
fi
echo "Installing$missing …"
apt-get -qq update
# shellcheck disable=SC2086  # a list of names
DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $missing >/dev/null
