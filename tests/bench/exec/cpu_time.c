/* cpu_time.c: runs a program and writes the CPU time (user and system, in microseconds) of it and
 * of all that it waited for to a file: cpu_time FILE PROGRAM ARGUMENT… Ends with the program's
 * status. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 3)
		return 1;
	pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	struct rusage usage;
	getrusage(RUSAGE_CHILDREN, &usage);
	FILE *file = fopen(argv[1], "w");
	if (!file)
		return 1;
	fprintf(file, "%ld\n",
	        (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
	            usage.ru_stime.tv_usec);
	fclose(file);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
