# SPDX-License-Identifier: Apache-2.0
#
# Starts systemd as the first process of namespaces of its own, on a file system
# that is that of the machine, but nothing that is written there stays:
#
#   unshare --fork --kill-child --pid --mount --mount-proc --cgroup --ipc --uts sh boot.sh DIR EVERYTHING NODE UNITS
#
# DIR, at /run/deploycheck from now on, has bin and setup.sh, the commands of the
# README, which run in UNITS. systemd knows no unit of the machine: some of those empty /tmp.
set -eu
dir=$1 everything=$2 node=$3 units=$4
mount --make-rprivate /
mkdir "$dir/layers"
mount -t tmpfs tmpfs "$dir/layers"
for lower in etc usr/local var; do
  mkdir -p "$dir/layers/$lower/upper" "$dir/layers/$lower/work"
  mount -t overlay overlay -o "lowerdir=/$lower,upperdir=$dir/layers/$lower/upper,workdir=$dir/layers/$lower/work" "/$lower"
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock /run/deploycheck /run/targets /run/units
mount --bind "$dir" /run/deploycheck
mount --bind "$units" /run/units
mkdir -p /usr/local/lib/everything/node_modules
mount --bind "$everything" /usr/local/lib/everything/node_modules
: >/usr/local/bin/node
mount --bind "$node" /usr/local/bin/node
ln -sf ../lib/everything/node_modules/.bin/mcp-server-everything /usr/local/bin/mcp-server-everything
cp /run/deploycheck/bin/* /usr/local/bin
mkdir -p /etc/systemd/system
mount -t tmpfs -o mode=755 tmpfs /etc/systemd/system
mount -t tmpfs -o mode=1777 tmpfs /tmp
for target in sysinit basic shutdown network-online multi-user; do
  printf '[Unit]\nDefaultDependencies=no\n' >/run/targets/$target.target
done
cd /run/units
bash -euo pipefail /run/deploycheck/setup.sh
mount --make-rshared / # systemd mounts credentials in a namespace for that
export container=other SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/targets SYSTEMD_GENERATOR_PATH=/run/none
exec /lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=no
