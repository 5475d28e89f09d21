/* meter.c: runs one client and measures it with all its processes: meter RESULT PROGRAM ARGUMENT…
 *
 * RESULT becomes "STATUS WALL CPU PEAK": the exit status; seconds until the program ended; seconds
 * of CPU (user and system) of all its descendants, those included that it leaves behind (a
 * connection kept for later), which are told to end; kB that the largest process had at its peak.
 * In C for its own small size: a process begins with the peak of the one that made it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void end_children(void)
{
	FILE *file = fopen("/proc/thread-self/children", "r");
	int pid;
	while (file && fscanf(file, "%d", &pid) == 1)
		kill(pid, SIGTERM);
	if (file)
		fclose(file);
}

int main(int argc, char **argv)
{
	if (argc < 3 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return 1;
	double began = now(), ended = 0;
	pid_t child = fork(), pid;
	int status, result = -1;
	if (child == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	while (child > 0 && ((pid = wait(&status)) > 0 || errno == EINTR)) {
		if (pid == child) {
			ended = now();
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
		if (ended > 0)
			end_children();
	}
	struct rusage usage;
	getrusage(RUSAGE_CHILDREN, &usage);
	FILE *file = fopen(argv[1], "w");
	if (!file)
		return 1;
	fprintf(file, "%d %.6f %.6f %ld\n", result, ended - began,
	        seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss);
	return fclose(file) ? 1 : 0;
}
