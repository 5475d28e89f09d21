#!/bin/bash
# Runs in both hosts: what Nova's services need to reach the others. nova.sh SECRET MY_IP
set -euo pipefail

secret=$1 my_ip=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
conf=/etc/nova/nova.conf
endpoint=http://ctl1

# section NAME USER: Keystone's credentials.
section()
{
	printf '%s\n' "auth_url=$endpoint:5000/v3" auth_type=password "username=$2" "password=$secret" project_name=service \
		user_domain_name=Default project_domain_name=Default region_name=RegionOne | python3 "$here/ini_set.py" $conf "$1"
}

ini()
{
	python3 "$here/ini_set.py" $conf "$@" </dev/null
}

ini DEFAULT "transport_url=rabbit://nova:$secret@ctl1:5672/" "my_ip=$my_ip" "state_path=/var/lib/nova" \
	report_interval=5 service_down_time=30 update_resources_interval=10 periodic_fuzzy_delay=0
ini keystone_authtoken "www_authenticate_uri=$endpoint:5000"
section keystone_authtoken nova
section service_user nova
ini service_user send_service_user_token=true
section placement placement
section neutron neutron
ini glance "api_servers=$endpoint:9292"
ini vnc enabled=false
ini oslo_concurrency lock_path=/var/lock/nova
