/* The interfaces to boot loaders and initramfs tools: chosen from the host, images beside the ones
 * in use. */
#include "tests/unit/task_host.h"

#include "node-agent/boot/boot_loader.h"
#include "node-agent/boot/initramfs_tool.h"

static void test_detect(void **state)
{
	struct task_host *host = *state;

	assert_ptr_equal(boot_loader_detect(&host->root), boot_loader_find("update-grub"));
	assert_ptr_equal(initramfs_tool_detect(&host->root),
	                 initramfs_tool_find("initramfs-tools"));
	assert_null(boot_loader_find("lilo"));
	assert_null(initramfs_tool_find("yaird"));
	host_shell(host, "rm usr/sbin/update-grub usr/sbin/update-initramfs");
	assert_null(boot_loader_detect(&host->root));
	assert_null(initramfs_tool_detect(&host->root));
}

static void test_next(void **state)
{
	struct task_host *host = *state;
	const char *source = NULL;
	char *next = boot_loader_detect(&host->root)->next(&host->root, &source);

	assert_string_equal(source, "/boot/grub/grub.cfg");
	assert_non_null(strstr(next, " ro quiet "));
	assert_true(kernel_line_has(next, "root="));
	assert_false(kernel_line_has(next, "iommu=pt"));
	free(next);
	host_shell(host, "rm boot/grub/grub.cfg");
	assert_null(boot_loader_detect(&host->root)->next(&host->root, &source));
}

/* An image is built beside, holds what it should, and replaces nothing. */
static void test_build_beside(void **state)
{
	struct task_host *host = *state;
	const struct initramfs_tool *tool = initramfs_tool_detect(&host->root);
	struct gf_err err;
	char why[300] = "", version[128], before[128];
	json_t *images = initramfs_images(&host->root, tool), *none = json_array();

	assert_int_equal(json_array_size(images), 1);
	const json_t *image = json_array_get(images, 0);
	snprintf(version, sizeof(version), "%s",
	         json_string_value(json_object_get(image, "kernel")));
	snprintf(before, sizeof(before), "%s", host_output(host, "cksum <boot/initrd.img-*"));
	assert_int_equal(initramfs_inspect(&host->root, tool,
	                                   json_string_value(json_object_get(image, "path")), none,
	                                   why, sizeof(why), &err),
	                 1);

	host_shell(host,
	           "mkdir -p etc/gpufleet; "
	           "echo '0000:01:00.0 10de 1b06 1462 3609 vfio-pci' >etc/gpufleet/bind.conf");
	for (size_t i = 0; i < tool->bind_count; i++) {
		FILE *file = fopen(root_path(&host->root, tool->bind_files[i].path).text, "w");
		assert_non_null(file);
		fputs(tool->bind_files[i].text, file);
		fchmod(fileno(file), tool->bind_files[i].mode);
		fclose(file);
	}
	if (tool->build_to(&host->root, version, "/boot/trial.img", &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(
	    initramfs_inspect(&host->root, tool, "/boot/trial.img", none, why, sizeof(why), &err),
	    1);
	assert_string_equal(before, host_output(host, "cksum <boot/initrd.img-*"));
	assert_int_equal(initramfs_inspect(&host->root, tool,
	                                   json_string_value(json_object_get(image, "path")), none,
	                                   why, sizeof(why), &err),
	                 0);
	assert_string_equal(why, "/etc/gpufleet/bind.conf is not in it");
	assert_string_equal(host_output(host, "ls var/tmp"), "");
	json_decref(none);
	json_decref(images);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
	    T(test_detect),
	    T(test_next),
	    T(test_build_beside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
