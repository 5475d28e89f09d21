/* GRUB's default entry and the trial's copy of it; our block in custom.cfg. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node-agent/trial/grub_custom.h"
#include "node-agent/trial/grub_entry.h"
#include "node-agent/trial/grub_text.h"

#define HEADER(choice)                                                                             \
	"if [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\n   set next_entry=\n"  \
	"else\n   set default=\"" choice "\"\nfi\n"

#define ENTRY(indent, title, id, version, more)                                                    \
	indent "menuentry '" title "' --class debian $menuentry_id_option '" id "' {\n" indent     \
	       "\tload_video\n" indent                                                             \
	       "\tif [ x$grub_platform = xxen ]; then insmod xzio; fi\n" indent                    \
	       "\tlinux\t/boot/vmlinuz-" version " root=UUID=1 ro quiet" more "\n" indent          \
	       "\tinitrd\t/boot/initrd.img-" version "\n" indent "}\n"

#define MENU                                                                                       \
	ENTRY("", "Debian GNU/Linux", "simple", "6.1.0-2", "")                                     \
	"submenu 'Advanced options' $menuentry_id_option 'advanced' {\n" ENTRY(                    \
	    "\t", "Debian, with Linux 6.1.0-2", "advanced-2", "6.1.0-2", "")                       \
	    ENTRY("\t", "Debian, with Linux 6.1.0-1", "advanced-1", "6.1.0-1",                     \
	          "") "}\n" ENTRY("", "memtest", "memtest", "5.0", "")

static void picks(const char *config, const char *environment, const char *version)
{
	struct grub_entry entry;
	struct gf_err err = {0};

	assert_int_equal(grub_entry_default(config, environment, &entry, &err), 0);
	assert_string_equal(entry.version, version);
	assert_memory_equal(entry.text, "menuentry ", 10);
	assert_int_equal(entry.text[entry.length - 2], '}');
}

static void the_default_is_found(void **state)
{
	(void)state;
	picks(HEADER("0") MENU, NULL, "6.1.0-2");
	picks(HEADER("2") MENU, NULL, "5.0");
	picks(HEADER("memtest") MENU, NULL, "5.0");
	picks(HEADER("1>1") MENU, NULL, "6.1.0-1");
	picks(HEADER("advanced>advanced-1") MENU, NULL, "6.1.0-1");
	picks(HEADER("Advanced options>Debian, with Linux 6.1.0-1") MENU, NULL, "6.1.0-1");
	picks(HEADER("${saved_entry}") MENU, "# GRUB Environment Block\nsaved_entry=memtest\n#####",
	      "5.0");
	/* What GRUB does, too: nothing saved, or an entry that is gone, is the first. */
	picks(HEADER("${saved_entry}") MENU, "# GRUB Environment Block\n#####", "6.1.0-2");
	picks(HEADER("gone") MENU, NULL, "6.1.0-2");
	picks(HEADER("1>7") MENU, NULL, "6.1.0-2");
	picks(HEADER("9") MENU, NULL, "6.1.0-2");
}

static void refuses(const char *config, const char *why)
{
	struct grub_entry entry;
	struct gf_err err = {0};

	assert_int_equal(grub_entry_default(config, NULL, &entry, &err), -1);
	assert_non_null(strstr(err.msg, why));
}

static void what_is_not_understood_is_refused(void **state)
{
	(void)state;
	refuses("", "can't be told");
	refuses(HEADER("0") "menuentry 'x' {\n\tlinux /boot/vmlinuz-1 ro\n", "can't be told");
	refuses(HEADER("0") "menuentry 'x' {\n\tchainloader +1\n}\n", "vmlinuz-VERSION");
	refuses(HEADER("0") "menuentry 'x' {\n\tlinux /boot/bzImage ro\n\tinitrd /boot/i\n}\n",
	        "vmlinuz-VERSION");
	refuses(HEADER("0") "menuentry 'x' {\n\tlinux /vmlinuz-1 ro\n\tinitrd /initrd.img-2\n}\n",
	        "no initramfs of its kernel's version");
	refuses(HEADER("0") "menuentry 'x' {\n\tlinux /vmlinuz-1 ro\n}\n", "no initramfs");
	refuses(HEADER("0") "menuentry 'x' {\n\tif a; then\n\tlinux /vmlinuz-1 ro\n\tinitrd "
	                    "/initrd.img-1\n\telse\n"
	                    "\tlinux /vmlinuz-1 ro panic=-1\n\tfi\n}\n",
	        "vmlinuz-VERSION");
	refuses("set default=\"${chosen}\"\n" MENU, "computed when it boots");
}

static char *copy_of(const char *config, const char *add, const char *remove, const char *image)
{
	struct grub_entry entry;
	struct gf_err err = {0};
	json_t *adds = json_loads(add, 0, NULL), *removes = json_loads(remove, 0, NULL);
	struct grub_entry_copy copy = {
	    .title = "trial", .id = "t", .add = adds, .remove = removes, .image = image};

	assert_int_equal(grub_entry_default(config, NULL, &entry, &err), 0);
	char *text = grub_entry_write(&entry, &copy, &err);
	json_decref(adds);
	json_decref(removes);
	return text;
}

static void copy_is(const char *config, const char *add, const char *remove, const char *image,
                    const char *expected)
{
	char *text = copy_of(config, add, remove, image);

	assert_string_equal(text, expected);
	free(text);
}

static void the_copy_has_the_other_line(void **state)
{
	(void)state;
	copy_is(HEADER("0") ENTRY("", "Debian", "d", "6.1", " iommu=off isolcpus=1,2"),
	        "[\"iommu=pt\",\"quiet\",\"gpufleet.op=R-1\"]", "[\"iommu=off\",\"isolcpus=\"]",
	        "trial.img",
	        "menuentry 'trial' --id t {\n"
	        "\tload_video\n"
	        "\tif [ x$grub_platform = xxen ]; then insmod xzio; fi\n"
	        "\tlinux /boot/vmlinuz-6.1 root=UUID=1 ro quiet iommu=pt gpufleet.op=R-1 panic=30\n"
	        "\tinitrd /boot/trial.img\n"
	        "}\n");
	/* Microcode stays; GRUB's own words stay as they are; a separate /boot. */
	copy_is(
	    HEADER("0") "menuentry \"x\" --unrestricted --id 'y' {\n\trecordfail\n\tsavedefault\n"
	                "\tlinux\t/vmlinuz-6.1 root=/dev/sda1 dyndbg=\"file a +p\" "
	                "panic=5 $vt_handoff\n"
	                "\tinitrd\t/ucode.img /initrd-6.1\n}\n",
	    "[\"a\"]", "[]", "t.img",
	    "menuentry 'trial' --id t --unrestricted {\n"
	    "\tlinux /vmlinuz-6.1 root=/dev/sda1 dyndbg=\"file a +p\" panic=5 $vt_handoff a\n"
	    "\tinitrd /ucode.img /t.img\n}\n");
	/* The default's own image, and a panic= that somebody asked for. */
	copy_is(HEADER("0") "menuentry 'x' {\n\tlinuxefi /boot/vmlinuz-6.1\n\tinitrdefi "
	                    "/boot/initramfs-6.1.img\n}\n",
	        "[\"panic=0\"]", "[]", NULL,
	        "menuentry 'trial' --id t {\n\tlinuxefi /boot/vmlinuz-6.1 panic=0\n"
	        "\tinitrdefi /boot/initramfs-6.1.img\n}\n");
}

static void a_line_that_is_too_long_is_refused(void **state)
{
	char add[2600];

	(void)state;
	memset(add, 'a', sizeof(add));
	add[0] = '[';
	add[1] = '"';
	snprintf(add + sizeof(add) - 3, 3, "\"]");
	assert_null(copy_of(HEADER("0") MENU, add, "[]", NULL));
}

static void round_trip(const char *before)
{
	size_t size, back;
	bool found;
	char *with = grub_custom_add(before, strlen(before), "menuentry 'a' {\n}\n", &size);
	char *again = grub_custom_add(with, size, "menuentry 'b' {\n}\n", &back);

	assert_int_equal(size, strlen(with));
	assert_memory_equal(with, before, strlen(before));
	assert_non_null(strstr(with, "\nmenuentry 'a' {\n}\n"));
	assert_null(strstr(again, "'a'"));
	assert_non_null(strstr(again, "\nmenuentry 'b' {\n}\n"));
	free(with);
	with = grub_custom_cut(again, strlen(again), &back, &found);
	assert_true(found);
	assert_int_equal(back, strlen(before));
	assert_string_equal(with, before);
	free(with);
	free(again);
}

static void custom_keeps_what_is_not_ours(void **state)
{
	size_t size;
	bool found;

	(void)state;
	round_trip("");
	round_trip("menuentry 'mine' {\n}\n");
	round_trip("menuentry 'mine' {\n}");
	round_trip("\n");
	round_trip("\n\n# no end");
	/* What somebody wrote after it stays, too; half a block is nobody's. */
	char *with = grub_custom_add("one", 3, "x\n", &size);
	char *more = malloc(size + 6);
	memcpy(more, with, size);
	strcpy(more + size, "two\n");
	char *cut = grub_custom_cut(more, size + 4, &size, &found);
	assert_string_equal(cut, "onetwo\n");
	free(cut);
	*strstr(more, "### END") = '!';
	cut = grub_custom_cut(more, strlen(more), &size, &found);
	assert_false(found);
	assert_string_equal(cut, more);
	free(cut);
	free(more);
	free(with);
}

static void the_environment_is_read(void **state)
{
	char value[32];

	(void)state;
	grub_environment_get("# GRUB Environment Block\nnext_entry=a b\nx=\n###", "next_entry",
	                     value, sizeof(value));
	assert_string_equal(value, "a b");
	grub_environment_get("# GRUB Environment Block\nnext_entry=a\n###", "entry", value,
	                     sizeof(value));
	assert_string_equal(value, "");
	grub_environment_get(NULL, "x", value, sizeof(value));
	assert_string_equal(value, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_default_is_found),
	    cmocka_unit_test(what_is_not_understood_is_refused),
	    cmocka_unit_test(the_copy_has_the_other_line),
	    cmocka_unit_test(a_line_that_is_too_long_is_refused),
	    cmocka_unit_test(custom_keeps_what_is_not_ours),
	    cmocka_unit_test(the_environment_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
