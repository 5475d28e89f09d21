/* recorder.c: what a host and a controller say to each other, kept for gpufleet-crowd: of each
 * command that a session starts control/conversation.N, N counting from 1. A line of it is "> " and
 * a line that the host was sent, or "< " and one that it wrote.
 */
#include "sim.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recorder_way {
	char *line;
	size_t size;
};

struct recorder {
	FILE *file;
	struct recorder_way in, out;
};

struct recorder *recorder_open(const struct sim_host *host)
{
	static atomic_uint last;
	struct recorder *recorder;
	char path[SIM_PATH];

	if (!host->record)
		return NULL;
	recorder = calloc(1, sizeof(*recorder));
	if (!recorder)
		sim_die("out of memory");
	sim_path(path, "%.900s/conversation.%u", host->control, atomic_fetch_add(&last, 1) + 1);
	recorder->file = fopen(path, "we");
	if (!recorder->file)
		sim_die("cannot write %s", path);
	return recorder;
}

void recorder_add(struct recorder *recorder, bool from_host, const void *data, size_t size)
{
	struct recorder_way *way;
	char *end;

	if (!recorder)
		return;
	way = from_host ? &recorder->out : &recorder->in;
	way->line = realloc(way->line, way->size + size);
	if (!way->line)
		sim_die("out of memory");
	memcpy(way->line + way->size, data, size);
	way->size += size;
	while ((end = memchr(way->line, '\n', way->size))) {
		size_t length = (size_t)(end - way->line) + 1;

		fputs(from_host ? "< " : "> ", recorder->file);
		fwrite(way->line, 1, length, recorder->file);
		way->size -= length;
		memmove(way->line, end + 1, way->size);
	}
	fflush(recorder->file);
}

void recorder_close(struct recorder *recorder)
{
	if (!recorder)
		return;
	free(recorder->in.line);
	free(recorder->out.line);
	fclose(recorder->file);
	free(recorder);
}
