/* facts.c: the facts document and what its parts share. */
#include "node-agent/facts/facts.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node-agent/wire/frame.h"

void facts_set_text(json_t *object, const char *key, const char *text)
{
	json_t *value = text && *text ? frame_text(text, strlen(text)) : json_null();
	json_object_set_new(object, key, value);
}

static int entry_is_real(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* alphasort follows the locale; these lists must not. */
static int entry_compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int facts_each_entry(const struct root *root, const char *path,
                     void (*each)(void *ctx, const char *name), void *ctx)
{
	struct dirent **entries = NULL;
	int n = scandir(root_path(root, path).text, &entries, entry_is_real, entry_compare);
	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		each(ctx, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

json_t *facts_collect(const struct root *root, struct gf_err *err)
{
	char kernel[256], observed[32];
	root_read_line(root, "/proc/sys/kernel/osrelease", kernel, sizeof(kernel));
	if (strchr(kernel, '/'))
		kernel[0] = '\0';
	struct module_index *modules = module_index_open(root, kernel);
	json_t *pci = pci_facts(root, modules, err);
	module_index_free(modules);
	if (!pci)
		return NULL;
	time_t now = time(NULL);
	struct tm tm;
	strftime(observed, sizeof(observed), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	json_t *facts = json_object();
	json_object_set_new(facts, "facts", json_integer(1));
	json_object_set_new(facts, "observed", json_string(observed));
	json_object_set_new(facts, "host", host_facts(root));
	json_object_set_new(facts, "pci", pci);
	json_object_set_new(facts, "nova", nova_facts(root));
	if (json_object_size(facts) != 5) {
		json_decref(facts);
		gf_err_set(err, GF_E_MEMORY, "no memory for this host's facts");
		return NULL;
	}
	return facts;
}
