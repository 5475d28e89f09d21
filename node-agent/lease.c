/* lease.c: see lease.h. */
#include "node-agent/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/operation/operation.h"
#include "node-agent/wire/frame.h"

static struct root_name lease_path(const struct agent *agent)
{
	return root_pathf(&agent->root, "%s/lease.json", agent->state);
}

static const char *lease_text(const json_t *lease, const char *key)
{
	const char *text = json_string_value(json_object_get(lease, key));
	return text ? text : "?";
}

json_t *lease_value(const struct agent *agent)
{
	json_t *lease = journal_read_file(lease_path(agent).text, NULL);
	return lease ? lease : json_null();
}

static bool lease_is_live(const struct agent *agent, const json_t *lease)
{
	const char *run = json_string_value(json_object_get(lease, "run"));
	char id[OPERATION_ID_MAX + 1];
	if (!run)
		return false;
	long long age = (long long)time(NULL) -
	                (long long)json_integer_value(json_object_get(lease, "renewed"));
	/* Before now: the clock was set back. */
	return (age >= -60 && age < LEASE_LIFE_S) || operation_running(agent, run, id);
}

/* Two sessions must not both find the lease free. */
static int lease_lock(const struct agent *agent, struct gf_err *err)
{
	struct root_name dir = root_path(&agent->root, agent->state);
	if (journal_make_dirs(dir.text, err) != 0)
		return -1;
	int fd = open(dir.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX) == 0)
		return fd;
	gf_err_errno(err, GF_E_IO, "cannot lock %s", dir.text);
	if (fd >= 0)
		close(fd);
	return -1;
}

static int lease_write(const struct agent *agent, json_t *lease, struct gf_err *err)
{
	json_object_set_new(lease, "renewed", json_integer((json_int_t)time(NULL)));
	return journal_write_file(lease_path(agent).text, lease, err);
}

static int lease_refuse(const json_t *lease, struct gf_err *err)
{
	return gf_err_set(
	    err, GF_E_LEASE,
	    "this host is held by run %.64s, started by %.64s on %.64s at %.32s: wait "
	    "until it has ended, or end it",
	    lease_text(lease, "run"), lease_text(lease, "who"), lease_text(lease, "where"),
	    lease_text(lease, "since"));
}

int lease_take(const struct agent *agent, const char *run, const char *who, const char *where,
               bool take, struct gf_err *err)
{
	int lock = lease_lock(agent, err);
	if (lock < 0)
		return -1;
	json_t *lease = lease_value(agent);
	bool own = strcmp(lease_text(lease, "run"), run) == 0;
	int failed = 0;
	if (!own && !take && lease_is_live(agent, lease)) {
		failed = lease_refuse(lease, err);
	} else if (own) {
		failed = lease_write(agent, lease, err);
	} else {
		char now[32];
		journal_time(now);
		json_t *fresh =
		    json_pack("{s:s,s:o,s:o,s:s}", "run", run, "who", frame_text(who, strlen(who)),
		              "where", frame_text(where, strlen(where)), "since", now);
		failed = fresh ? lease_write(agent, fresh, err)
		               : gf_err_set(err, GF_E_MEMORY, "no memory for the lease");
		json_decref(fresh);
	}
	json_decref(lease);
	close(lock);
	return failed;
}

int lease_release(const struct agent *agent, const char *run, struct gf_err *err)
{
	int lock = lease_lock(agent, err);
	if (lock < 0)
		return -1;
	json_t *lease = lease_value(agent);
	int failed = 0;
	if (strcmp(lease_text(lease, "run"), run) == 0 && unlink(lease_path(agent).text) != 0 &&
	    errno != ENOENT)
		failed = gf_err_errno(err, GF_E_IO, "cannot release the lease");
	json_decref(lease);
	close(lock);
	return failed;
}

int lease_check(const struct agent *agent, const char *run, struct gf_err *err)
{
	if (!root_exists(&agent->root, agent->state))
		return 0;
	int lock = lease_lock(agent, err);
	if (lock < 0)
		return -1;
	json_t *lease = lease_value(agent);
	int failed = 0;
	if (run && strcmp(lease_text(lease, "run"), run) == 0)
		failed = lease_write(agent, lease, err);
	else if (lease_is_live(agent, lease))
		failed = lease_refuse(lease, err);
	json_decref(lease);
	close(lock);
	return failed;
}
