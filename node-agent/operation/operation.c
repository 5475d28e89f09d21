/* operation.c: operations as directories: making, looking at and listing them (see operation.h). */
#include "node-agent/operation/operation.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/facts/early_binding.h"
#include "node-agent/facts/facts.h"
#include "node-agent/tasks/task_types.h"

/* How long a created operation may be without a worker before it counts as never started. */
#define START_GRACE_S 30
#define RESERVE_SIZE  16384

bool operation_id_valid(const char *id)
{
	size_t length = strlen(id);
	if (length == 0 || length > OPERATION_ID_MAX || *id == '.' || *id == '-')
		return false;
	for (const char *p = id; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return false;
	return true;
}

struct root_name operation_path(const struct agent *agent, const char *id, const char *file)
{
	return root_pathf(&agent->root, "%s/operations/%s%s%s", agent->state, id, *file ? "/" : "",
	                  file);
}

const char *operation_state_name(enum operation_state state)
{
	static const char *const names[] = {"starting", "running", "done", "failed", "unknown"};
	return names[state];
}

static void id_each(void *ctx, const char *name)
{
	if (operation_id_valid(name))
		json_array_append_new(ctx, json_string(name));
}

static json_t *ids_list(const struct agent *agent)
{
	char path[PATH_MAX + 16];
	json_t *ids = json_array();
	snprintf(path, sizeof(path), "%s/operations", agent->state);
	facts_each_entry(&agent->root, path, id_each, ids);
	return ids;
}

/* Numbers are given under a lock: they say in which order to undo. */
static json_int_t next_seq(const struct agent *agent)
{
	json_int_t last = 0;
	size_t i;
	json_t *id, *ids = ids_list(agent);
	json_array_foreach(ids, i, id)
	{
		json_t *request = operation_request(agent, json_string_value(id), NULL);
		json_int_t seq = json_integer_value(json_object_get(request, "seq"));
		last = seq > last ? seq : last;
		json_decref(request);
	}
	json_decref(ids);
	return last + 1;
}

/* Room for the result: a stage that fails for want of space must be able to say so. */
static int reserve_make(const char *dir, struct gf_err *err)
{
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/reserve", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	errno = fd < 0 ? errno : posix_fallocate(fd, 0, RESERVE_SIZE);
	int failed = errno ? gf_err_errno(err, GF_E_IO, "cannot make %s", path) : 0;
	if (fd >= 0)
		close(fd);
	return failed;
}

static int create_dir(const struct agent *agent, const char *id, const json_t *request,
                      bool *created, struct gf_err *err)
{
	char now[32];
	struct root_name final = operation_path(agent, id, "");
	struct root_name temporary = operation_path(agent, ".new-XXXXXX", "");
	if (!mkdtemp(temporary.text))
		return gf_err_errno(err, GF_E_IO, "cannot make %s", final.text);
	journal_time(now);
	json_t *record = json_pack("{s:I,s:s,s:o}", "seq", next_seq(agent), "created", now,
	                           "request", json_deep_copy(request));
	char file[PATH_MAX + 32];
	snprintf(file, sizeof(file), "%s/request.json", temporary.text);
	int failed = record ? journal_write_file(file, record, err)
	                    : gf_err_set(err, GF_E_MEMORY, "no memory for the operation");
	json_decref(record);
	if (!failed)
		failed = reserve_make(temporary.text, err);
	if (!failed && rename(temporary.text, final.text) != 0)
		failed = gf_err_errno(err, GF_E_IO, "cannot make %s", final.text);
	if (failed)
		journal_remove_tree(temporary.text);
	else
		*created = true;
	return failed;
}

int operation_create(const struct agent *agent, const char *id, const json_t *request,
                     bool *created, struct gf_err *err)
{
	*created = false;
	if (!operation_id_valid(id))
		return gf_err_set(err, GF_E_INPUT,
		                  "an operation's id is 1 to %d letters, digits, '.', '_' and '-'",
		                  OPERATION_ID_MAX);
	if (journal_make_dirs(operation_path(agent, "", "").text, err) != 0)
		return -1;
	struct root_name dir = operation_path(agent, ".", "");
	int lock = open(dir.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX) != 0) {
		gf_err_errno(err, GF_E_IO, "cannot lock %s", dir.text);
		if (lock >= 0)
			close(lock);
		return -1;
	}
	struct stat st;
	int failed = 0;
	if (stat(operation_path(agent, id, "").text, &st) != 0)
		failed = create_dir(agent, id, request, created, err);
	fsync(lock);
	close(lock);
	return failed;
}

json_t *operation_request(const struct agent *agent, const char *id, struct gf_err *err)
{
	if (!operation_id_valid(id)) {
		gf_err_set(err, GF_E_INPUT, "this is no operation's id");
		return NULL;
	}
	struct gf_err inner;
	json_t *request = journal_read_file(operation_path(agent, id, "request.json").text, &inner);
	if (!request && errno == ENOENT)
		gf_err_set(err, GF_E_INPUT, "this host knows no operation %s", id);
	else if (!request && err)
		*err = inner;
	return request;
}

/* The lock file holds a process id from the first moment: an operation that was begun is never
 * begun again, whatever became of it. */
int operation_mark(int lock, struct gf_err *err)
{
	struct stat st;
	if (fstat(lock, &st) != 0 || st.st_size > 0)
		return gf_err_set(err, GF_E_TASK, "the operation was started before");
	if (dprintf(lock, "%ld\n", (long)getpid()) < 0 || fsync(lock) != 0)
		return gf_err_errno(err, GF_E_IO, "cannot write the operation's lock");
	return 0;
}

/* No worker came in time. One that is only late must not begin what was given up: false when it
 * has.
 */
static bool late_worker_bar(const struct agent *agent, const char *id)
{
	int lock = open(operation_path(agent, id, "lock").text,
	                O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool begun = lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	if (lock >= 0 && !begun)
		operation_mark(lock, NULL);
	if (lock >= 0)
		close(lock);
	return !begun;
}

/* What the lock says: RUNNING, STARTING or UNKNOWN. */
static enum operation_state lock_state(const struct agent *agent, const char *id)
{
	struct stat st;
	int fd = open(operation_path(agent, id, "lock").text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
		bool begun = fstat(fd, &st) == 0 && st.st_size > 0;
		close(fd);
		if (held)
			return OPERATION_RUNNING;
		if (begun)
			return OPERATION_UNKNOWN;
	}
	if (stat(operation_path(agent, id, "request.json").text, &st) == 0 &&
	    labs((long)(time(NULL) - st.st_mtime)) < START_GRACE_S)
		return OPERATION_STARTING;
	return late_worker_bar(agent, id) ? OPERATION_UNKNOWN : OPERATION_RUNNING;
}

static json_t *read_result(const struct agent *agent, const char *id)
{
	return journal_read_file(operation_path(agent, id, "result.json").text, NULL);
}

static enum operation_state result_state(const json_t *result)
{
	const char *state = json_string_value(json_object_get(result, "state"));
	return state && strcmp(state, "done") == 0 ? OPERATION_DONE : OPERATION_FAILED;
}

int operation_look(const struct agent *agent, const char *id, enum operation_state *state,
                   json_t **result, struct gf_err *err)
{
	json_t *request = operation_request(agent, id, err);
	if (!request)
		return -1;
	json_decref(request);
	json_t *found = read_result(agent, id);
	if (!found) {
		*state = lock_state(agent, id);
		/* It may have ended between the two looks. */
		if (*state == OPERATION_UNKNOWN)
			found = read_result(agent, id);
	}
	if (found)
		*state = result_state(found);
	else if (*state == OPERATION_UNKNOWN)
		found =
		    json_pack("{s:s,s:s,s:b,s:b,s:s}", "operation", id, "state", "unknown",
		              "changed", 1, "reboot", 0, "message",
		              "the operation left no result: its process was killed, or the host "
		              "went down while it ran");
	if (result)
		*result = found;
	else
		json_decref(found);
	return 0;
}

static json_t *list_entry(const struct agent *agent, const char *id, json_int_t *seq)
{
	json_t *record = operation_request(agent, id, NULL), *result = NULL;
	enum operation_state state;
	if (!record || operation_look(agent, id, &state, &result, NULL) != 0) {
		json_decref(record);
		return NULL;
	}
	json_t *request = json_object_get(record, "request");
	json_t *run = json_object_get(json_object_get(request, "context"), "run");
	json_t *stage = json_object_get(json_object_get(request, "stage"), "name");
	json_t *kind = json_object_get(request, "request");
	*seq = json_integer_value(json_object_get(record, "seq"));
	json_t *entry = json_object();
	json_object_set_new(entry, "operation", json_string(id));
	json_object_set(entry, "request", kind ? kind : json_null());
	json_object_set(entry, "run", run ? run : json_null());
	json_object_set(entry, "stage", stage ? stage : json_null());
	json_object_set_new(entry, "state", json_string(operation_state_name(state)));
	json_object_set_new(entry, "changed",
	                    json_boolean(json_is_true(json_object_get(result, "changed"))));
	json_object_set_new(
	    entry, "undone",
	    json_boolean(access(operation_path(agent, id, "undone").text, F_OK) == 0));
	json_object_set(entry, "created", json_object_get(record, "created"));
	json_decref(record);
	json_decref(result);
	return entry;
}

/* Insertion by number; there are few operations on a host. */
struct listed {
	json_int_t seq;
	json_t *entry;
};

static int listed_compare(const void *a, const void *b)
{
	json_int_t x = ((const struct listed *)a)->seq, y = ((const struct listed *)b)->seq;
	return x < y ? -1 : x > y;
}

json_t *operation_list(const struct agent *agent, struct gf_err *err)
{
	json_t *ids = ids_list(agent), *list = json_array();
	size_t count = json_array_size(ids), n = 0;
	struct listed *sorted = calloc(count + 1, sizeof(*sorted));
	if (!sorted) {
		json_decref(ids);
		json_decref(list);
		gf_err_set(err, GF_E_MEMORY, "no memory for the list of operations");
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		const char *id = json_string_value(json_array_get(ids, i));
		sorted[n].entry = list_entry(agent, id, &sorted[n].seq);
		n += sorted[n].entry != NULL;
	}
	qsort(sorted, n, sizeof(*sorted), listed_compare);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, sorted[i].entry);
	free(sorted);
	json_decref(ids);
	return list;
}

bool operation_running(const struct agent *agent, const char *run, char id[OPERATION_ID_MAX + 1])
{
	bool running = false;
	size_t i;
	json_t *item, *ids = ids_list(agent);
	json_array_foreach(ids, i, item)
	{
		const char *name = json_string_value(item);
		enum operation_state state;
		json_t *record = NULL;
		if (running || operation_look(agent, name, &state, NULL, NULL) != 0 ||
		    (state != OPERATION_RUNNING && state != OPERATION_STARTING))
			continue;
		record = operation_request(agent, name, NULL);
		const char *owner = json_string_value(json_object_get(
		    json_object_get(json_object_get(record, "request"), "context"), "run"));
		running = !run || (owner && strcmp(owner, run) == 0);
		if (running)
			snprintf(id, OPERATION_ID_MAX + 1, "%s", name);
		json_decref(record);
	}
	json_decref(ids);
	return running;
}

void operation_purge(const struct agent *agent, const char *keep)
{
	size_t i;
	json_t *item, *ids = ids_list(agent);
	json_array_foreach(ids, i, item)
	{
		const char *id = json_string_value(item);
		if (!keep || strcmp(id, keep) != 0)
			journal_remove_tree(operation_path(agent, id, "").text);
	}
	json_decref(ids);
	static const char *const bases[] = {"/var/lib/gpufleet", "/opt/gpufleet", "/run/gpufleet"};
	for (i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		journal_remove_tree(root_pathf(&agent->root, "%s/agent", bases[i]).text);
		rmdir(root_path(&agent->root, bases[i]).text); /* where nothing else is left */
	}
	unlink(root_pathf(&agent->root, "%s/lease.json", agent->state).text);
	unlink(root_pathf(&agent->root, "%s/trial.lock", agent->state).text);
	unlink(root_pathf(&agent->root, "%s/nova-paused.lock", agent->state).text);
	unlink(root_pathf(&agent->root, "%s/reboot-asked.json", agent->state).text);
	unlink(root_path(&agent->root, INITRAMFS_SEEN).text);
	unlink(root_path(&agent->root, IMAGE_SEEN).text);
	journal_remove_tree(root_path(&agent->root, NOVA_UNPROVEN_DIR).text);
	if (!keep) {
		journal_remove_tree(root_pathf(&agent->root, "%s/operations", agent->state).text);
		rmdir(root_path(&agent->root, agent->state).text);
	}
}
