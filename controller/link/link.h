/* link.h: one authenticated way to run commands on one host, whatever carries it: SSH
 * (controller/ssh), a fault that wraps another link, or a simulated network.
 *
 * All calls and callbacks happen on the loop's thread. A callback may call any function of its
 * link, link_close included; it is never called again after link_close has returned. At most one
 * command runs on a link at a time.
 */
#ifndef GPUFLEET_LINK_H
#define GPUFLEET_LINK_H

#include <stddef.h>

#include "inventory/inventory.h"
#include "node-agent/wire/error.h"

struct link;

struct link_events {
	/* Authenticated: link_exec may be called now. Called once. */
	void (*ready)(void *ctx, struct link *link);
	/* A person is being asked for something that this link waits for: its owner's deadlines
	 * should be put off. Called every few seconds meanwhile. Optional (NULL). */
	void (*waiting)(void *ctx, struct link *link);
	/* Bytes from the command; they are the callee's only during the call. */
	void (*output)(void *ctx, struct link *link, int fd, const char *data,
	               size_t size); /* fd 1, 2 */
	/* All written bytes so far have left: more may be written. Optional (NULL). */
	void (*drained)(void *ctx, struct link *link);
	/* The command ended and its output was delivered: exit status 0-255, or 128+N for signal N.
	 */
	void (*exited)(void *ctx, struct link *link, int status);
	/* The link failed at whatever state it was in; only link_close may follow. */
	void (*failed)(void *ctx, struct link *link, const struct gf_err *err);
};

struct link_ops {
	int (*exec)(struct link *link, const char *command, struct gf_err *err);
	int (*write)(struct link *link, const void *data, size_t size, struct gf_err *err);
	void (*write_eof)(struct link *link);
	void (*close)(struct link *link);
};

/* The head of every implementation's own struct. */
struct link {
	const struct link_ops *ops;
	const struct link_events *events;
	void *ctx;
};

/* Opens links: what a fleet is given in place of "SSH". */
struct link_opener {
	/* Starts to connect and authenticate to HOST (borrowed until link_close). NULL with *err
	 * only for what can be known at once; everything else arrives by events->failed. Never
	 * calls back before it has returned. */
	struct link *(*open)(struct link_opener *opener, const struct inventory_host *host,
	                     const struct link_events *events, void *ctx, struct gf_err *err);
};

/* Starts COMMAND (a fixed string: nothing from an inventory is ever put into it). */
static inline int link_exec(struct link *link, const char *command, struct gf_err *err)
{
	return link->ops->exec(link, command, err);
}

/* Queues bytes for the command's standard input (copied). */
static inline int link_write(struct link *link, const void *data, size_t size, struct gf_err *err)
{
	return link->ops->write(link, data, size, err);
}

static inline void link_write_eof(struct link *link)
{
	link->ops->write_eof(link);
}

/* Ends the link and frees it (later, on the loop); no event follows. */
static inline void link_close(struct link *link)
{
	link->ops->close(link);
}

#endif
