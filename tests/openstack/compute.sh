#!/bin/bash
# Runs in the compute host, once: nova-compute, joined to the control host. compute.sh SECRET MY_IP
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bash "$here/nova.sh" "$@"
python3 "$here/ini_set.py" /etc/nova/nova-compute.conf DEFAULT compute_driver=gpufleet_bed.GpuDriver </dev/null
bash "$here/start.sh" cmp1
