/* unit_model.c: systemd, as far as units are concerned that somebody put into a target's .wants in
 * /etc: units with an absolute ConditionPathExists and an ExecStart, run in the order of their
 * names; those of Type=simple go on in the background. Their programs really run, below the host's
 * root.
 */
#include "sim.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 16

/* A word that names something on the host is taken below its root; a state directory is named as
 * the host itself does. */
static void word_place(const struct sim_host *host, const char *word, bool as_it_is,
                       char place[SIM_PATH])
{
	sim_path(place, "%.700s%.300s", host->root, word);
	if (*word != '/' || as_it_is || access(place, F_OK))
		sim_path(place, "%.1000s", word);
}

/* Type=simple: nobody waits for it. It dies with the host (server.c finds it by its root). */
#define IN_BACKGROUND "\"$@\" >/dev/null 2>&1 &"

static void exec_start(const struct sim_host *host, char *line, const char *environment,
                       bool background)
{
	static const char *const shell[] = {"/bin/sh", "-c", IN_BACKGROUND, "sh"};
	char words[WORDS_MAX][SIM_PATH], sysroot[SIM_PATH + 32], own[SIM_PATH + 64] = "UNUSED=";
	const char *argv[WORDS_MAX + 5] = {NULL};
	const char *env[] = {sysroot, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", own, NULL};
	const char *value = strchr(environment, '=');
	char *save = NULL, place[SIM_PATH];
	bool state = false;
	size_t count = 0, first = background ? sizeof(shell) / sizeof(shell[0]) : 0;

	memcpy(argv, shell, first * sizeof(*argv));
	for (char *word = strtok_r(line, " ", &save); word && count < WORDS_MAX;
	     word = strtok_r(NULL, " ", &save)) {
		word_place(host, word, state, words[count]);
		argv[first + count] = words[count];
		count++;
		state = !strcmp(word, "--state-dir");
	}
	snprintf(sysroot, sizeof(sysroot), "GPUFLEET_SYSROOT=%s", host->root);
	if (value) {
		word_place(host, value + 1, false, place);
		snprintf(own, sizeof(own), "%.*s=%s", (int)(value - environment), environment,
		         place);
	}
	if (count)
		sim_run_status(argv, env);
}

static void unit_run(const struct sim_host *host, const char *path)
{
	char *text = sim_read(path), *save = NULL, *start = NULL;
	const char *environment = "";
	bool wanted = true, background = false;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char place[SIM_PATH];

		if (!strncmp(line, "ConditionPathExists=", 20)) {
			sim_path(place, "%.700s%.300s", host->root, line + 20);
			wanted = wanted && !access(place, F_OK);
		} else if (!strncmp(line, "Environment=", 12)) {
			environment = line + 12;
		} else if (!strcmp(line, "Type=simple")) {
			background = true;
		} else if (!strncmp(line, "ExecStart=", 10)) {
			start = line + 10;
		}
	}
	if (wanted && start)
		exec_start(host, start, environment, background);
	free(text);
}

void unit_model_run(const struct sim_host *host, const char *target)
{
	char pattern[SIM_PATH];
	glob_t units;

	sim_path(pattern, "%.800s/etc/systemd/system/%s.wants/*.service", host->root, target);
	if (glob(pattern, 0, NULL, &units))
		return;
	for (size_t i = 0; i < units.gl_pathc; i++) {
		char path[SIM_PATH];

		/* The link leads to where the host has the unit. */
		sim_path(path, "%.700s/etc/systemd/system/%s", host->root,
		         strrchr(units.gl_pathv[i], '/') + 1);
		unit_run(host, path);
	}
	globfree(&units);
}
