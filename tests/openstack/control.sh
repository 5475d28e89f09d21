#!/bin/bash
# Runs in the control host, once: from installed packages to databases, messages, Keystone, Placement, Glance and
# Nova's API, scheduler and conductor at work. control.sh SECRET MY_IP
set -euo pipefail

secret=$1 my_ip=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
endpoint=http://ctl1

log()
{
	printf '[ctl1 %4ds] %s\n' "$SECONDS" "$*"
}

as()
{
	local user=$1
	shift
	runuser -u "$user" -- "$@" </dev/null
}

ini()
{
	python3 "$here/ini_set.py" "$@"
}

# credentials USER: how a service logs in to Keystone, as lines for ini_set.py.
credentials()
{
	printf '%s\n' "auth_url=$endpoint:5000/v3" auth_type=password "username=$1" "password=$secret" project_name=service \
		user_domain_name=Default project_domain_name=Default region_name=RegionOne "www_authenticate_uri=$endpoint:5000"
}

database()
{
	echo "mysql+pymysql://$1:$secret@ctl1/$1"
}

databases()
{
	local name
	# A bed is thrown away: nothing needs to be safe on the disk.
	cat >/etc/mysql/mariadb.conf.d/99-bed.cnf <<-'END'
		[mysqld]
		bind-address = 0.0.0.0
		innodb_flush_log_at_trx_commit = 0
		innodb_doublewrite = 0
		max_connections = 500
	END
	systemctl start mariadb
	for name in keystone placement glance nova_api nova nova_cell0; do
		echo "CREATE DATABASE $name; GRANT ALL ON $name.* TO '$name'@'%' IDENTIFIED BY '$secret';"
	done | mysql
}

messages()
{
	systemctl start rabbitmq-server
	# rabbitmqctl swallows standard input.
	rabbitmqctl -q add_user nova "$secret" </dev/null
	rabbitmqctl -q set_permissions nova '.*' '.*' '.*' </dev/null
}

# Debian's packages start 8 or 16 processes of each.
fewer_processes()
{
	sed -i -E 's/^processes *=.*/processes = 2/' /etc/{keystone/keystone,placement/placement-api,nova/nova-api}-uwsgi.ini
	ini /etc/glance/glance-api.conf DEFAULT workers=1 </dev/null
	ini /etc/nova/nova.conf scheduler workers=1 </dev/null
	ini /etc/nova/nova.conf conductor workers=1 </dev/null
}

configure()
{
	local name
	ini /etc/keystone/keystone.conf database "connection=$(database keystone)" </dev/null
	ini /etc/placement/placement.conf placement_database "connection=$(database placement)" </dev/null
	ini /etc/placement/placement.conf api auth_strategy=keystone </dev/null
	credentials placement | ini /etc/placement/placement.conf keystone_authtoken
	ini /etc/glance/glance-api.conf database "connection=$(database glance)" </dev/null
	ini /etc/glance/glance-api.conf paste_deploy flavor=keystone </dev/null
	credentials glance | ini /etc/glance/glance-api.conf keystone_authtoken
	bash "$here/nova.sh" "$secret" "$my_ip"
	ini /etc/nova/nova.conf database "connection=$(database nova)" </dev/null
	ini /etc/nova/nova.conf api_database "connection=$(database nova_api)" </dev/null
	fewer_processes
}

nova_databases()
{
	as nova nova-manage api_db sync
	as nova nova-manage cell_v2 map_cell0 --database_connection "$(database nova_cell0)"
	as nova nova-manage cell_v2 create_cell --name cell1
	as nova nova-manage db sync
}

other_databases()
{
	as placement placement-manage db sync
	as glance glance-manage db_sync
}

keystone()
{
	local name type path
	as keystone keystone-manage db_sync
	keystone-manage fernet_setup --keystone-user keystone --keystone-group keystone
	keystone-manage credential_setup --keystone-user keystone --keystone-group keystone
	keystone-manage bootstrap --bootstrap-password "$secret" --bootstrap-region-id RegionOne \
		--bootstrap-admin-url $endpoint:5000/v3/ --bootstrap-internal-url $endpoint:5000/v3/ \
		--bootstrap-public-url $endpoint:5000/v3/ 2>/dev/null
	chown -R keystone: /var/log/keystone
	systemctl start keystone
	bash "$here/answers.sh" $endpoint:5000/v3
	# One process for all of it: most of an openstack command is its start.
	{
		echo "project create --domain default service"
		while read -r name type path; do
			echo "user create --domain default --password $secret $name"
			echo "role add --project service --user $name admin"
			echo "service create --name $name $type"
			for interface in public internal admin; do
				echo "endpoint create --region RegionOne $type $interface $endpoint:$path"
			done
		done <<-'END'
			placement placement 8778
			glance image 9292
			nova compute 8774/v2.1
			neutron network 9696
		END
	} | openstack >/dev/null
}

image()
{
	head -c 65536 /dev/zero >/root/empty.raw
	openstack image create --disk-format raw --container-format bare --public --file /root/empty.raw empty >/dev/null
}

umask 077
cat >/root/openrc <<END
export OS_AUTH_URL=$endpoint:5000/v3 OS_USERNAME=admin OS_PASSWORD=$secret OS_PROJECT_NAME=admin
export OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default OS_IDENTITY_API_VERSION=3 OS_COMPUTE_API_VERSION=2.37
END
umask 022
# shellcheck source=/dev/null
. /root/openrc
log 'databases and messages'
databases
messages
log 'configuration and schemas'
configure
nova_databases >/var/log/bed-nova.log 2>&1 &
nova_pid=$!
other_databases >/var/log/bed-other.log 2>&1 &
other_pid=$!
keystone
log 'Keystone is up'
wait "$other_pid" || { cat /var/log/bed-other.log && exit 1; }
systemctl start placement-api glance-api
wait "$nova_pid" || { cat /var/log/bed-nova.log && exit 1; }
log 'starting Nova'
bash "$here/start.sh" ctl1
image
log 'the control plane is up'
