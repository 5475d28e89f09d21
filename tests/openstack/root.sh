#!/bin/bash
# Builds the root file system that the bed's containers start from: Debian 12 with
# systemd, sshd and Debian's OpenStack (Zed), none of it configured. Prints its path,
# which is in ~/.cache/gpufleet/openstack. Needs root (mounts, chroot).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for nspawn/root.sh
base=systemd,systemd-sysv,dbus,udev,openssh-server,iproute2,kmod,procps,pciutils,initramfs-tools,grub2-common,zstd
kernel=linux-image-cloud-amd64
openstack=(mariadb-server python3-pymysql rabbitmq-server keystone placement-api glance-api
	nova-api nova-scheduler nova-conductor nova-compute nova-compute-kvm python3-openstackclient python3-osc-placement)
# Enabled by their packages; the bed starts each by name, when it has been configured.
units=(mariadb rabbitmq-server epmd.socket keystone placement-api glance-api nova-api nova-api-metadata nova-scheduler
	nova-conductor nova-compute libvirtd libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirt-guests
	virtlogd.socket virtlockd.socket open-iscsi iscsid)

# shellcheck source=tests/nspawn/root.sh
. "$here/../nspawn/root.sh"

furnish()
{
	local unit
	log "the kernel's package"
	install_packages "$kernel"
	log "OpenStack's packages"
	install_packages "${openstack[@]}"
	for unit in "${units[@]}"; do
		in_root systemctl -q disable "$unit" 2>/dev/null || true
	done
}

root_cached openstack "$here/root.sh"
