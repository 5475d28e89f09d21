/* main.c: gpufleet: reads the command line, runs one command, prints its error. */
#include <signal.h>
#include <stdio.h>

#include "controller/commands/command.h"
#include "controller/commands/command_line.h"
#include "controller/commands/process_limits.h"
#include "controller/terminal/escape.h"

int main(int argc, char **argv)
{
	struct command_context context = {0};
	struct gf_err err = {0};
	int status = -1;

	process_limits_secrets();
	signal(SIGPIPE, SIG_IGN);
	if (command_line_parse(argc, argv, &context, &status, &err))
		status = STATUS_INPUT;
	else if (status < 0)
		status = context.command->function(&context, &err);
	if (err.code) {
		char message[2 * sizeof(err.msg)];

		fprintf(stderr, "%s\n", escape_text(err.msg, message, sizeof(message), 0));
	}
	if (fflush(stdout) && status == STATUS_DONE) {
		perror("standard output");
		status = STATUS_INPUT;
	}
	return status;
}
