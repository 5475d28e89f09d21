/* secret_tty.c: see secret_tty.h. Possible failure modes: no terminal; nobody answers in time; the
 * terminal goes away; ^D. */
#include "controller/secret/secret_tty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "controller/secret/secret.h"

struct secret_tty {
	uv_poll_t poll;
	uv_timer_t timer;
	int fd, open_handles;
	struct termios before;
	secret_tty_cb *cb;
	void *ctx;
	size_t size;
	char text[SECRET_SIZE];
};

static void closed_cb(uv_handle_t *handle)
{
	struct secret_tty *tty = handle->data;
	if (--tty->open_handles > 0)
		return;
	close(tty->fd);
	munlock(tty, sizeof(*tty));
	free(tty);
}

void secret_tty_free(struct secret_tty *tty)
{
	if (!tty)
		return;
	explicit_bzero(tty->text, sizeof(tty->text));
	/* What was typed ahead is thrown away, as it was not meant for what comes next. */
	tcsetattr(tty->fd, TCSAFLUSH, &tty->before);
	if (write(tty->fd, "\n", 1) < 0)
		errno = 0; /* the terminal has gone: nothing is lost */
	uv_poll_stop(&tty->poll);
	uv_close((uv_handle_t *)&tty->poll, closed_cb);
	uv_close((uv_handle_t *)&tty->timer, closed_cb);
}

static void fail(struct secret_tty *tty, const char *why)
{
	struct gf_err err = {0};
	gf_err_set(&err, GF_E_AUTH, "%s", why);
	uv_timer_stop(&tty->timer);
	tty->cb(tty->ctx, NULL, &err);
}

static void late_cb(uv_timer_t *timer)
{
	fail(timer->data, "nobody answered the question for a password in time");
}

static void typed_cb(uv_poll_t *poll, int status, int events)
{
	struct secret_tty *tty = poll->data;
	(void)events;
	ssize_t got = status < 0
	                  ? 0
	                  : read(tty->fd, tty->text + tty->size, sizeof(tty->text) - 1 - tty->size);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		fail(tty, "the question for a password was not answered");
		return;
	}
	tty->size += (size_t)got;
	char *end = memchr(tty->text, '\n', tty->size);
	if (!end && tty->size < sizeof(tty->text) - 1)
		return;
	if (!end) {
		fail(tty, "the answer was too long for a password");
		return;
	}
	*end = '\0';
	uv_timer_stop(&tty->timer);
	tty->cb(tty->ctx, tty->text, NULL);
}

static void show(int fd, const char *prompt)
{
	char text[1024];
	size_t size = 0;
	for (; *prompt && size < sizeof(text); prompt++)
		text[size++] = *prompt >= 0x20 && *prompt < 0x7f ? *prompt : '?';
	if (write(fd, text, size) < 0)
		errno = 0; /* the read will show that it has gone */
}

struct secret_tty *secret_tty_ask(uv_loop_t *loop, const char *terminal, const char *prompt,
                                  unsigned answer_ms, secret_tty_cb *cb, void *ctx,
                                  struct gf_err *err)
{
	struct secret_tty *tty = calloc(1, sizeof(*tty));
	if (!tty) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	mlock(tty, sizeof(*tty));
	tty->fd =
	    open(terminal ? terminal : "/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (tty->fd < 0 || tcgetattr(tty->fd, &tty->before) != 0) {
		gf_err_set(err, GF_E_AUTH, "there is no terminal to ask on");
		goto err_close;
	}
	if (uv_poll_init(loop, &tty->poll, tty->fd) != 0) {
		gf_err_set(err, GF_E_AUTH, "the terminal cannot be waited for");
		goto err_close;
	}
	uv_timer_init(loop, &tty->timer);
	tty->open_handles = 2;
	tty->poll.data = tty->timer.data = tty;
	tty->cb = cb;
	tty->ctx = ctx;
	struct termios quiet = tty->before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	quiet.c_lflag |= ICANON | ISIG;
	tcsetattr(tty->fd, TCSAFLUSH, &quiet);
	show(tty->fd, prompt);
	uv_poll_start(&tty->poll, UV_READABLE, typed_cb);
	uv_timer_start(&tty->timer, late_cb, answer_ms, 0);
	return tty;
err_close:
	if (tty->fd >= 0)
		close(tty->fd);
	munlock(tty, sizeof(*tty));
	free(tty);
	return NULL;
}
