/* test_probe.c: the kernel is asked for a group step by step, refuses at each, hangs, or is not
 * asked since somebody uses the group. The kernel is made up. */
#include "tests/unit/agent_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/mman.h>

#include "node-agent/facts/probe.h"

#define CONTAINER 1000
#define GROUP     1001
#define DEVICE    1002

/* Shared with the child in which the probe runs. */
struct fake {
	enum probe_step fails; /* at this step, */
	int error;             /* with this; 0 at PROBE_STATUS: not viable */
	bool hangs, first_only;
	int open, opened;
	unsigned asked; /* groups */
};

static struct fake *fake;

static int result(enum probe_step step, int value)
{
	if (fake->fails != step)
		return value;
	if (fake->hangs)
		for (;;)
			pause();
	errno = fake->error;
	return -1;
}

static int fake_open(const char *path)
{
	bool container = strcmp(path, "/dev/vfio/vfio") == 0;
	int fd =
	    container ? result(PROBE_OPEN_CONTAINER, CONTAINER) : result(PROBE_OPEN_GROUP, GROUP);
	fake->asked += !container;
	fake->open += fd >= 0;
	fake->opened += fd >= 0;
	return fd;
}

static int fake_close(int fd)
{
	(void)fd;
	fake->open--;
	return 0;
}

/* A memory BAR that can be mapped, and one of ports that can't. */
static int fake_region(struct vfio_region_info *region)
{
	region->size = region->index < 2 ? 4096 : 0;
	region->flags = region->index == 0 ? VFIO_REGION_INFO_FLAG_MMAP : 0;
	region->offset = (uint64_t)region->index << 40;
	return 0;
}

static int fake_map(int fd, uint64_t offset)
{
	assert_int_equal(fd, DEVICE);
	assert_int_equal(offset, 0);
	return result(PROBE_MAP, 0);
}

static int fake_status(struct vfio_group_status *status)
{
	bool unviable = fake->fails == PROBE_STATUS && fake->error == 0;
	status->flags = unviable ? 0 : VFIO_GROUP_FLAGS_VIABLE;
	return unviable ? 0 : result(PROBE_STATUS, 0);
}

static int fake_control(int fd, unsigned long request, void *argument)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return result(PROBE_API_VERSION, VFIO_API_VERSION);
	case VFIO_CHECK_EXTENSION:
		return !fake->first_only;
	case VFIO_GROUP_GET_STATUS:
		return fd == GROUP ? fake_status(argument) : -1;
	case VFIO_GROUP_SET_CONTAINER:
		return *(int *)argument == CONTAINER ? result(PROBE_SET_CONTAINER, 0) : -1;
	case VFIO_SET_IOMMU:
		return (uintptr_t)argument == (fake->first_only ? 1 : 3)
		           ? result(PROBE_SET_IOMMU, 0)
		           : -1;
	case VFIO_GROUP_GET_DEVICE_FD:
		if (strncmp(argument, "0000:", 5) != 0 || result(PROBE_DEVICE_FD, 0) < 0)
			return -1;
		fake->open++;
		fake->opened++;
		return DEVICE;
	case VFIO_DEVICE_GET_REGION_INFO:
		return fd == DEVICE ? fake_region(argument) : -1;
	default:
		return 0;
	}
}

static const struct probe_kernel kernel = {fake_open, fake_control, fake_map, fake_close};

static int setup(void **state)
{
	*fake = (struct fake){.fails = PROBE_DONE};
	return agent_root_setup(state);
}

static json_t *facts_of(const char *guests, const char *nic_driver)
{
	char text[1024];
	json_t *facts;
	snprintf(text, sizeof(text),
	         "{\"host\":{\"guests\":%s},\"pci\":["
	         "{\"address\":\"0000:00:01.0\",\"header\":\"bridge\",\"driver\":\"pcieport\","
	         "\"iommu_group\":8},"
	         "{\"address\":\"0000:01:00.0\",\"header\":\"endpoint\",\"driver\":\"vfio-pci\","
	         "\"iommu_group\":8},"
	         "{\"address\":\"0000:01:00.1\",\"header\":\"endpoint\",\"driver\":\"%s\","
	         "\"iommu_group\":8},"
	         "{\"address\":\"0000:02:00.0\",\"header\":\"endpoint\",\"driver\":\"igb\","
	         "\"iommu_group\":9}]}",
	         guests, nic_driver);
	facts = json_loads(text, 0, NULL);
	assert_non_null(facts);
	return facts;
}

/* What is said of the card after a probe. */
static void expect(const struct root *root, const char *guests, const char *driver,
                   const char *expected)
{
	json_t *facts = facts_of(guests, driver);
	probe_facts(root, &kernel, facts);
	json_t *devices = json_object_get(facts, "pci");
	json_t *probe = json_object_get(json_array_get(devices, 1), "probe");
	assert_non_null(probe);
	assert_null(json_object_get(json_array_get(devices, 0), "probe"));
	assert_null(json_object_get(json_array_get(devices, 3), "probe"));
	assert_json(json_incref(probe), expected);
	json_decref(facts);
	assert_int_equal(fake->open, 0); /* whatever was opened is closed */
}

static void test_answers(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	expect(root, "[]", "vfio-pci",
	       "{'result':'ok','step':'','message':'/dev/vfio/8, type 1 version 2, 2 devices'}");
	assert_int_equal(fake->asked, 1); /* once for both functions */
	assert_int_equal(fake->opened, 4);
	fake->first_only = true;
	expect(root, "[]", "vfio-pci",
	       "{'result':'ok','step':'','message':'/dev/vfio/8, type 1 version 1, 2 devices'}");
}

static void test_refusals(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	static const struct {
		enum probe_step step;
		int error;
		const char *expected;
	} cases[] = {
	    {PROBE_OPEN_CONTAINER, ENOENT,
	     "{'result':'failed','step':'open /dev/vfio/vfio','message':'/dev/vfio/8: No such "
	     "file or directory'}"},
	    {PROBE_API_VERSION, EINVAL,
	     "{'result':'failed','step':'VFIO_GET_API_VERSION','message':'/dev/vfio/8: Invalid "
	     "argument'}"},
	    {PROBE_OPEN_GROUP, EBUSY,
	     "{'result':'failed','step':'open /dev/vfio/GROUP','message':'/dev/vfio/8: Device or "
	     "resource busy'}"},
	    {PROBE_STATUS, 0,
	     "{'result':'failed','step':'VFIO_GROUP_GET_STATUS','message':'/dev/vfio/8: the group "
	     "is not viable'}"},
	    {PROBE_SET_CONTAINER, EINVAL,
	     "{'result':'failed','step':'VFIO_GROUP_SET_CONTAINER','message':'/dev/vfio/8: Invalid "
	     "argument'}"},
	    {PROBE_SET_IOMMU, EPERM,
	     "{'result':'failed','step':'VFIO_SET_IOMMU','message':'/dev/vfio/8: Operation not "
	     "permitted'}"},
	    {PROBE_DEVICE_FD, EBUSY,
	     "{'result':'failed','step':'VFIO_GROUP_GET_DEVICE_FD','message':'/dev/vfio/8: Device "
	     "or resource busy'}"},
	    {PROBE_MAP, EBUSY,
	     "{'result':'failed','step':'mmap of a BAR','message':'/dev/vfio/8: Device or "
	     "resource busy'}"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake->fails = cases[i].step;
		fake->error = cases[i].error;
		expect(root, "[]", "vfio-pci", cases[i].expected);
	}
}

/* Nobody's device is touched. */
static void test_not_asked(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	expect(root, "[{\"name\":\"vm7\",\"devices\":[\"0000:01:00.1\"]}]", "vfio-pci",
	       "{'result':'skipped','step':'','message':'vm7 uses 0000:01:00.1'}");
	expect(root, "null", "vfio-pci",
	       "{'result':'skipped','step':'','message':'it could not be seen who uses devices "
	       "here'}");
	expect(root, "[]", "snd_hda_intel",
	       "{'result':'skipped','step':'','message':'0000:01:00.1 in its group is not on "
	       "vfio-pci'}");
	json_t *facts = facts_of("[]", "vfio-pci");
	probe_facts(root, NULL, facts);
	assert_json(
	    json_incref(json_object_get(json_array_get(json_object_get(facts, "pci"), 1), "probe")),
	    "{'result':'skipped','step':'','message':'a simulated host has no kernel to "
	    "ask'}");
	json_decref(facts);
	assert_int_equal(fake->asked, 0);
}

static void test_hang(void **state)
{
	struct probe_group group = {.path = "/dev/vfio/8", .device_count = 0};
	struct probe_answer answer;
	(void)state;
	fake->fails = PROBE_SET_IOMMU;
	fake->hangs = true;
	assert_false(probe_ask_apart(&kernel, &group, 1, &answer));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, agent_root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_answers), TEST(test_refusals),
	                                   TEST(test_not_asked), TEST(test_hang)};
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC); /* memory that a child shares */
	assert_true(zero >= 0);
	fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
	assert_true(fake != MAP_FAILED);
	close(zero);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
