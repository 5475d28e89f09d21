/* test_fleet_stopped.c: the sshd of one host stops, at every moment of a rollout, and stays so: the
 * others end when they would have ended without that, as long as they have slots and connections
 * left; and once it goes on, the same command does what is left, and nothing twice.
 */
#include "tests/unit/fleet/fleet_case.h"

#define HOSTS 6
/* What one of the others may be late by. They share the journal, which writes one thing at a time,
 * and the source of jitter: that a host is up again is seen at its next try, earlier or later by a
 * back-off and a try. A stopped host costs at least the minute after which it is given up. */
#define BACKOFF_MS 18000
/* Before anything is changed, the plan is waited for, with every host in it: by the deadlines of
 * one that is looked at. */
#define LOOKING_MS 120000

static uint64_t undisturbed[HOSTS], last_undisturbed;

struct lateness {
	unsigned moments, hosts;
	double sum, most; /* of each host; seconds */
	double last;      /* of the last one */
};

static void fleet_make(unsigned slots, unsigned forks, uint64_t seed)
{
	world_init(&world, HOSTS, seed);
	rollout()->max_unavailable = slots;
	rollout()->max_failures = 1;
	world.forks = forks;
	for (size_t i = 0; i < HOSTS; i++) {
		struct world_host *host = &world.hosts[i];

		host->apply_ms = 9000 + (unsigned)i * 4000;
		host->boot_ms = 60000 + (unsigned)i * 17000;
		host->latency_ms = 5 + (unsigned)i * 20;
		host->tries = i % 2;
	}
}

/* How many moments there are in a run without a fault, and when each of its hosts was done. */
static size_t moments(unsigned slots, unsigned forks, uint64_t seed)
{
	size_t effects;

	fleet_make(slots, forks, seed);
	assert_int_equal(world_run(&world), 0);
	effects = world.effects;
	last_undisturbed = 0;
	for (size_t i = 0; i < HOSTS; i++) {
		undisturbed[i] = world.hosts[i].finished_at;
		if (undisturbed[i] > last_undisturbed)
			last_undisturbed = undisturbed[i];
	}
	world_free(&world);
	return effects;
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("gpu%02zu stopped at moment %zu: %s: %s: %s", stopped + 1, nth,   \
			         host->name, #condition, host->err.msg);                           \
	} while (0)

/* The same command, with the host back. */
static void resumed(size_t stopped, size_t nth)
{
	world.hosts[stopped].stopped = false;
	/* Its trial may not have been confirmed meanwhile: then there is one more reboot, and a
	 * stage more. */
	world_wait(&world, 3600000);
	world_run(&world);
	for (size_t i = 0; i < HOSTS; i++) {
		const struct world_host *host = &world.hosts[i];

		CHECK(world_proven(host));
		CHECK(host->reboots == 1 || (i == stopped && host->expirations));
		CHECK(world_open_intents(&world, i) == 0);
	}
	assert_int_equal(world.status, 0);
	assert_true(world_ok(&world));
}

/* The stopped host's own end: of one of which nothing was begun it is another than of one that was
 * in the middle of something. */
static void stopped_host_ends(const struct world_host *host, size_t stopped, size_t nth)
{
	if (host->verdict == HOST_UNREACHABLE) {
		CHECK(world.status == 4);
		CHECK(host->reboots == 0 && host->begun == 0);
	} else if (host->verdict == HOST_FAILED) {
		CHECK(world.status == 2);
		/* The journal can't tell whether the last thing asked for was begun. */
		CHECK(host->begun > 0 || world.records[stopped].operation_open);
	} else { /* it was over */
		CHECK(host->verdict == HOST_DONE && world.status == 0);
	}
}

static void late_add(struct lateness *late, size_t stopped)
{
	double last = 0;

	for (size_t i = 0; i < HOSTS; i++) {
		double by = ((double)world.hosts[i].finished_at - (double)undisturbed[i]) / 1000;
		double behind =
		    ((double)world.hosts[i].finished_at - (double)last_undisturbed) / 1000;

		if (i == stopped)
			continue;
		late->hosts++;
		late->sum += by;
		late->most = by > late->most ? by : late->most;
		last = behind > last ? behind : last;
	}
	late->last = last > late->last ? last : late->last;
	late->moments++;
}

/* LATE[1] if it had been let act by then, else LATE[0]. */
static void stop_at(size_t stopped, size_t nth, struct lateness late[2])
{
	world_fault_add(&world, &(struct world_fault){.moment = MOMENT_EFFECT,
	                                              .kind = FAULT_STOPPED,
	                                              .nth = nth,
	                                              .run = 1,
	                                              .other = stopped});
	world_run(&world);
	for (size_t i = 0; i < HOSTS; i++) {
		const struct world_host *host = &world.hosts[i];

		CHECK(i == stopped || (host->verdict == HOST_DONE && host->reboots == 1));
	}
	stopped_host_ends(&world.hosts[stopped], stopped, nth);
	assert_true(world_ok(&world));
	late_add(&late[world.hosts[stopped].started], stopped);
	resumed(stopped, nth);
}

/* Each host at every HOSTS-th moment, so that something is stopped at all of them; against a run
 * without the fault that has so many slots and connections. */
static void stop_anywhere(unsigned slots, unsigned slots_undisturbed, struct lateness late[2])
{
	for (size_t stopped = 0; stopped < HOSTS; stopped++) {
		size_t effects = moments(slots_undisturbed, slots_undisturbed, stopped);

		for (size_t nth = 1 + stopped; nth <= effects; nth += HOSTS) {
			fleet_make(slots, slots, stopped);
			stop_at(stopped, nth, late);
			world_free(&world);
		}
	}
	printf("%u slots and connections: %u moments while it is looked at, others late by %.1f s "
	       "at most; %u while it acts, by %.1f s at most, %.2f s on average; the last by %.1f "
	       "s\n",
	       slots, late[0].moments, late[0].most, late[1].moments, late[1].most,
	       late[1].sum / late[1].hosts, late[1].last);
}

static void others_end_as_if_nothing_was(void **state)
{
	struct lateness late[2] = {{0}};

	(void)state;
	stop_anywhere(HOSTS, HOSTS, late);
	assert_true(late[1].moments > 400);
	assert_true(late[1].most * 1000 < BACKOFF_MS);
	assert_true(late[1].sum / late[1].hosts < 2);
	assert_true(late[0].moments > 20);
	assert_true(late[0].most * 1000 < LOOKING_MS);
}

/* It keeps the slot and the connection that it has, and no other one: the rest is done as soon as a
 * fleet that never had them is. */
static void takes_one_slot_and_connection(void **state)
{
	static const unsigned rounds = HOSTS / 2; /* each may be late by a back-off */
	struct lateness late[2] = {{0}};

	(void)state;
	stop_anywhere(3, 2, late);
	assert_true(late[1].last * 1000 < rounds * BACKOFF_MS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(others_end_as_if_nothing_was),
	    cmocka_unit_test(takes_one_slot_and_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
