/* bls_update.c: the change of all entries; see bls.h. Happy path: look, run the program, mend what
 * it did beyond what was asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/boot/bls.h"
#include "node-agent/boot/kernel_cmdline.h"

/* Do the entry's arguments, its variables' included, have all of ADD and none of REMOVE? */
static bool entry_is_right(const struct root *root, const struct grub_files *files,
                           const char *options, const json_t *add, const json_t *remove)
{
	size_t i;
	const json_t *token;
	char *line = grub_expand(root, files, options);
	bool right = line != NULL;

	json_array_foreach(add, i, token) right =
	    right && kernel_line_has(line, json_string_value(token));
	json_array_foreach(remove, i, token) right =
	    right && !kernel_line_has(line, json_string_value(token));
	free(line);
	return right;
}

static int entries_mend(const struct root *root, const struct grub_files *files,
                        const struct bls_list *former, const json_t *add, const json_t *remove,
                        struct gf_err *err)
{
	int result = 0;

	for (size_t i = 0; i < former->count && result == 0; i++) {
		if (!root_exists(root, former->entries[i].path))
			continue;
		char *options = bls_options(root, files, former->entries[i].options, add, remove);
		result = options ? bls_mend(root, former->entries[i].path, options, err)
		                 : gf_err_set(err, GF_E_MEMORY, "out of memory");
		free(options);
	}
	return result;
}

int bls_update(const struct root *root, const struct grub_files *files, const char *directory,
               bls_program *program, const json_t *add, const json_t *remove, struct gf_err *err)
{
	struct bls_list former;
	bool right = true;

	bls_read(root, directory, &former);
	for (size_t i = 0; i < former.count; i++)
		right =
		    right && entry_is_right(root, files, former.entries[i].options, add, remove);
	char *cmdline = kernel_cmdline_text(root, add, remove);
	int result = right ? 0 : program(root, add, remove, err);
	if (result == 0)
		result = entries_mend(root, files, &former, add, remove, err);
	/* What the next kernel package takes its arguments from. */
	if (result == 0 && cmdline)
		result = kernel_cmdline_write(root, cmdline, err);
	free(cmdline);
	bls_free(&former);
	return result;
}

int bls_refresh(const struct root *root, const char *directory, bls_program *program,
                struct gf_err *err)
{
	struct bls_list former;

	bls_read(root, directory, &former);
	int result = program(root, NULL, NULL, err);
	if (result == 0)
		result = entries_mend(root, NULL, &former, NULL, NULL, err);
	bls_free(&former);
	return result;
}
