#!/bin/bash
# Runs in a host: starts what was configured, and waits until it answers. start.sh ctl1|cmp1
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ "$1" = cmp1 ]; then
	systemctl start nova-compute
	exit
fi
systemctl start mariadb rabbitmq-server
systemctl start keystone placement-api glance-api nova-conductor nova-scheduler nova-api
systemctl is-active --quiet bed-no-ports || systemd-run --quiet --unit=bed-no-ports /usr/bin/python3 "$here/no_ports.py"
for port in 5000/v3 8778 9292 8774; do
	bash "$here/answers.sh" "http://ctl1:$port"
done
