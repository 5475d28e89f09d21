/* The default entry of hosts whose GRUB takes its entries from files: which one it is, what GRUB
 * makes of it, and what is not guessed at. */
#include "tests/unit/agent_root.h"

#include "node-agent/trial/bls_entry.h"

#define CONFIG      "/boot/grub2/grub.cfg"
#define CUSTOM      "/boot/grub2/custom.cfg"
#define ENVIRONMENT "/boot/grub2/grubenv"

#define HEADER                                                                                     \
	"if [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\nelse\n"                \
	"   set default=\"${saved_entry}\"\nfi\n"
#define COUNTING                                                                                   \
	"### BEGIN /etc/grub.d/08_fallback_counting ###\nif [ \"${boot_counter}\" = 0 ]; then\n"   \
	"    set default=1\nfi\n### END /etc/grub.d/08_fallback_counting ###\n"
#define LINUX                                                                                      \
	"### BEGIN /etc/grub.d/10_linux ###\nsearch --no-floppy --fs-uuid --set=root 1\n"          \
	"if [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=/dev/a ro fallback\"\nfi\n"    \
	"insmod blscfg\nblscfg\n### END /etc/grub.d/10_linux ###\n"
#define FIRMWARE "menuentry 'UEFI Firmware Settings' --id 'uefi-firmware' {\n\tfwsetup\n}\n"
#define STOCK    HEADER COUNTING LINUX FIRMWARE

static const struct grub_files files = {.config = CONFIG, .environment = ENVIRONMENT};

static void entry_write(const struct root *root, const char *id, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "/boot/loader/entries/%s.conf", id);
	agent_root_file(root, path, text);
}

/* An entry of that version, MORE being its further lines. */
static void entry_make(const struct root *root, const char *version, const char *more)
{
	char id[128], path[256], text[2048];

	snprintf(id, sizeof(id), "6f1d-%s", version);
	snprintf(path, sizeof(path), "/boot/initramfs-%s.img", version);
	agent_root_file(root, path, "x");
	snprintf(text, sizeof(text),
	         "title Linux %s\nversion %s\nlinux /vmlinuz-%s\ninitrd /initramfs-%s.img%s\n%s",
	         version, version, version, version, " $tuned_initrd", more);
	entry_write(root, id, text);
}

static void environment_write(const struct root *root, const char *text)
{
	char block[1024];

	snprintf(block, sizeof(block), "# GRUB Environment Block\n%s#####", text);
	agent_root_file(root, ENVIRONMENT, block);
}

#define OPTIONS "options root=/dev/a ro $tuned_params\ngrub_users $grub_users\n"

static int stock_setup(void **state)
{
	assert_int_equal(agent_root_setup(state), 0);
	const struct root *root = &((struct agent *)*state)->root;
	agent_root_file(root, CONFIG, STOCK);
	environment_write(root, "saved_entry=6f1d-5.14.0-9\n");
	entry_make(root, "0-rescue-6f1d", OPTIONS);
	entry_make(root, "5.14.0-9", OPTIONS);
	entry_make(root, "5.14.0-10", OPTIONS);
	return 0;
}

static void picks(const struct root *root, const char *version)
{
	struct grub_entry entry;
	struct gf_err err = {.code = GF_OK};
	char *text = NULL;

	if (bls_entry_default(root, &files, CUSTOM, &text, &entry, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(entry.version, version);
	free(text);
}

static void refuses(const struct root *root, const char *why)
{
	struct grub_entry entry;
	struct gf_err err = {.code = GF_OK};
	char *text = NULL;

	assert_int_equal(bls_entry_default(root, &files, CUSTOM, &text, &entry, &err), -1);
	assert_null(text);
	if (!strstr(err.msg, why))
		fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
}

static void makes(const struct root *root, const char *expected)
{
	struct grub_entry entry;
	struct gf_err err = {.code = GF_OK};
	char *text = NULL;

	if (bls_entry_default(root, &files, CUSTOM, &text, &entry, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(text, expected);
	assert_ptr_equal(entry.text, text);
	free(text);
}

static void the_saved_entry_is_found(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;

	picks(root, "5.14.0-9");
	environment_write(root, "saved_entry=Linux 5.14.0-9\n");
	picks(root, "5.14.0-9");
	/* The menu: newest first, the rescue entry last; GRUB's own entries after them. */
	environment_write(root, "saved_entry=1\n");
	picks(root, "5.14.0-9");
	environment_write(root, "saved_entry=0\n");
	picks(root, "5.14.0-10");
	environment_write(root, "");
	picks(root, "5.14.0-10");
	environment_write(root, "saved_entry=6f1d-5.14.0-8\n"); /* a kernel that is gone */
	picks(root, "5.14.0-10");
	agent_root_file(root, CONFIG, "set default=\"0\"\n" LINUX);
	picks(root, "5.14.0-10");
	/* A one-time choice is not the default, nor is what nobody counts down to. */
	agent_root_file(root, CONFIG, STOCK);
	environment_write(root, "next_entry=6f1d-5.14.0-10\nsaved_entry=6f1d-5.14.0-9\n");
	picks(root, "5.14.0-9");
}

static void what_is_not_certain_is_refused(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	static const char *const own[] = {
	    "uefi-firmware",         "UEFI Firmware Settings", "mine", "a>b", "3",
	    "1000000000000000000000"};

	agent_root_file(root, CUSTOM, "menuentry 'mine' {\n}\n");
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		char text[128];
		snprintf(text, sizeof(text), "saved_entry=%s\n", own[i]);
		environment_write(root, text);
		refuses(root, "which entry GRUB boots by default can't be told");
	}
	environment_write(root, "saved_entry=6f1d-5.14.0-9\nboot_counter=1\n");
	refuses(root, "boot_counter");
	environment_write(root, "saved_entry=6f1d-5.14.0-9\nblsdir=/elsewhere\n");
	refuses(root, "where GRUB's boot entries lie");
	environment_write(root, "");
	agent_root_file(root, CONFIG, HEADER FIRMWARE LINUX);
	refuses(root, "which entry GRUB boots by default");
	agent_root_file(root, CONFIG, STOCK "blscfg\n");
	refuses(root, "where GRUB's boot entries lie");
	agent_root_file(root, CONFIG, HEADER "blscfg --path /boot/other\n");
	refuses(root, "where GRUB's boot entries lie");
	agent_root_file(root, CONFIG, "set default=\"${chosen}\"\n" LINUX);
	refuses(root, "computed when it boots");
	/* Older GRUBs sort by version, newer ones by the file's name. */
	agent_root_file(root, CONFIG, STOCK);
	entry_write(root, "zzz", "title x\nversion 1.0\nlinux /vmlinuz-1.0\n" OPTIONS);
	refuses(root, "which entry GRUB boots by default");
	environment_write(root, "saved_entry=6f1d-5.14.0-9\n");
	picks(root, "5.14.0-9");
	/* Two of one title. */
	environment_write(root, "saved_entry=Linux 5.14.0-9\n");
	entry_write(root, "6f1e-5.14.0-9",
	            "title Linux 5.14.0-9\nversion 5.14.0-9\nlinux /vmlinuz-5.14.0-9\n" OPTIONS);
	refuses(root, "which entry GRUB boots by default");
}

#define BEGIN(version)                                                                             \
	"menuentry 'default' --unrestricted {\n\tload_video\n\tset gfxpayload=keep\n"              \
	"\tinsmod gzio\n\tlinux ($root)/vmlinuz-" version

static void grub_s_entry_is_made(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
#define IMAGE "\n\tinitrd ($root)/initramfs-5.14.0-9.img $tuned_initrd"

	makes(root, BEGIN("5.14.0-9") " root=/dev/a ro $tuned_params" IMAGE "\n}\n");
	/* Red Hat 8: the arguments of all entries are one variable. */
	entry_make(root, "5.14.0-9", "# a remark\noptions $kernelopts $tuned_params\n");
	makes(root, BEGIN("5.14.0-9") " root=/dev/a ro fallback $tuned_params" IMAGE "\n}\n");
	environment_write(root, "saved_entry=6f1d-5.14.0-9\nkernelopts=root=/dev/b rhgb \n");
	makes(root, BEGIN("5.14.0-9") " root=/dev/b rhgb  $tuned_params" IMAGE "\n}\n");
	/* No arguments of its own. */
	entry_make(root, "5.14.0-9", "");
	environment_write(root, "saved_entry=6f1d-5.14.0-9\ndefault_kernelopts=root=/dev/c\n");
	makes(root, BEGIN("5.14.0-9") " root=/dev/c" IMAGE "\n}\n");
	/* Several images, quotes, and a user that GRUB asks for. */
	entry_make(root, "5.14.0-9",
	           "initrd /more.img\noptions dyndbg=\"file a +p\" x='1 2'\ngrub_users root\n"
	           "grub_arg --unrestricted\n\n");
	environment_write(root, "saved_entry=6f1d-5.14.0-9\nearly_initrd=a.cpio b.cpio\n");
	makes(root, "menuentry 'default' {\n\tload_video\n\tset gfxpayload=keep\n\tinsmod gzio\n"
	            "\tlinux ($root)/vmlinuz-5.14.0-9 dyndbg=\"file a +p\" x='1 2'\n"
	            "\tinitrd ($root)/a.cpio ($root)/b.cpio ($root)/initramfs-5.14.0-9.img "
	            "$tuned_initrd ($root)/more.img\n}\n");
	/* /boot on the root file system. */
	environment_write(root, "saved_entry=b\n");
	entry_write(root, "b",
	            "linux /boot/vmlinuz-5.14.0-9\ninitrd /boot/initramfs-5.14.0-9.img\n"
	            "options a\n");
	makes(root, "menuentry 'default' --unrestricted {\n\tload_video\n\tset gfxpayload=keep\n"
	            "\tinsmod gzio\n\tlinux ($root)/boot/vmlinuz-5.14.0-9 a\n"
	            "\tinitrd ($root)/boot/initramfs-5.14.0-9.img\n}\n");
}

static void an_entry_that_is_more_is_refused(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	static const char *const more[] = {"options a; reboot\n",
	                                   "options a {\n",
	                                   "options \"a\n",
	                                   "options a\\\n",
	                                   "options a$b\n",
	                                   "options ${b}\n",
	                                   "options \"$b\"\n",
	                                   "options a\noptions b\n",
	                                   "options a\nlinux /vmlinuz-2\n",
	                                   "\noptions a\n",
	                                   "options\n",
	                                   "options a\ndevicetree /x\n",
	                                   "options a #b\n",
	                                   "options $a/b\n",
	                                   "options a\001b\n",
	                                   "initrd b\noptions a\n",
	                                   "initrd /b;c\noptions a\n",
	                                   ""};
	char nul[] = "linux /vmlinuz-5.14.0-9\ninitrd /initramfs-5.14.0-9.img\noptions a\0b\n";

	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		entry_make(root, "5.14.0-9", more[i]);
		refuses(root, "boots can't be told");
	}
	agent_root_bytes(root, "/boot/loader/entries/6f1d-5.14.0-9.conf", nul, sizeof(nul) - 1);
	refuses(root, "boots can't be told");
	entry_write(root, "6f1d-5.14.0-9", "efi /EFI/Linux/a.efi\n");
	refuses(root, "boots can't be told");
	entry_write(root, "6f1d-5.14.0-9", "linux /vmlinuz-5.14.0-9\noptions a\n");
	refuses(root, "boots can't be told");
	/* kernel-install's own layout: there is no room beside such an image in /boot. */
	entry_write(root, "6f1d-5.14.0-9",
	            "linux /6f1d/vmlinuz-5.14.0-9\ninitrd /6f1d/initramfs-5.14.0-9.img\noptions "
	            "a\n");
	refuses(root, "is not in /boot itself");
	entry_write(root, "6f1d-5.14.0-9",
	            "linux /vmlinuz-5.14.0-8\ninitrd /initramfs-5.14.0-8.img\noptions a\n");
	refuses(root, "is not in /boot itself");
	entry_write(root, "6f1d-5.14.0-9",
	            "linux /vmlinuz-5.14.0-9\ninitrd /initramfs-5.14.0-10.img\noptions a\n");
	refuses(root, "no initramfs of its kernel's version");
	entry_make(root, "5.14.0-9", "options $kernelopts\n");
	agent_root_file(root, CONFIG, HEADER "blscfg\n");
	refuses(root, "boots can't be told");
}

static void it_is_told_from_other_menus(void **state)
{
	(void)state;
	assert_true(bls_entry_is_used(STOCK));
	assert_true(bls_entry_is_used("if x; then\n\t blscfg\nfi\n"));
	assert_false(bls_entry_is_used("insmod blscfg\n# blscfg\nmenuentry 'x' {\n}\n"));
}

static void a_variable_s_argument_stays(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	struct gf_err err = {.code = GF_OK};
	json_t *one = json_pack("[s]", "nohz=on"), *any = json_pack("[s]", "nohz=");
	json_t *other = json_pack("[s]", "nohz=off");
	static const char text[] =
	    "menuentry 'x' {\n\tlinux ($root)/vmlinuz-1 a $tuned_params\n}\n";

	environment_write(root, "tuned_params=isolcpus=1 nohz=on\n");
	assert_int_equal(bls_entry_check(root, &files, text, other, &err), 0);
	assert_int_equal(bls_entry_check(root, &files, text, NULL, &err), 0);
	assert_int_equal(bls_entry_check(root, &files, text, one, &err), -1);
	assert_non_null(strstr(err.msg, "nohz=on cannot be taken off the boot entry"));
	assert_non_null(strstr(err.msg, "$tuned_params of tuned's active profile"));
	assert_int_equal(bls_entry_check(root, &files, text, any, &err), -1);
	json_decref(one);
	json_decref(any);
	json_decref(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, stock_setup, agent_root_teardown)
	    T(the_saved_entry_is_found),    T(what_is_not_certain_is_refused),
	    T(grub_s_entry_is_made),        T(an_entry_that_is_more_is_refused),
	    T(a_variable_s_argument_stays), cmocka_unit_test(it_is_told_from_other_menus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
