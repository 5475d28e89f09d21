/* A diff of nova.conf shows no secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node-agent/tasks/config_mask.h"

static void test_table(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
	    {"", ""},
	    {"[pci]\ndevice_spec = {\"address\": \"0000:01:00.0\"}\n",
	     "[pci]\ndevice_spec = {\"address\": \"0000:01:00.0\"}\n"},
	    {"[pci]\nalias = {\n\t\"name\": \"a\"}\n", "[pci]\nalias = {\n\t\"name\": \"a\"}\n"},
	    {"[DEFAULT]\ntransport_url = rabbit://u:p@h\n", "[DEFAULT]\ntransport_url = ***\n"},
	    {"[DEFAULT]\nmy_ip: 192.0.2.1", "[DEFAULT]\nmy_ip: ***"},
	    {"[DEFAULT]\nreserved_host_cpus = 2\n", "[DEFAULT]\nreserved_host_cpus = 2\n"},
	    {"[database]\nconnection=mysql://a:b@c\n  ?x=y\n\n  more\n",
	     "[database]\nconnection=***\n  ***\n\n  ***\n"},
	    {"[database]\n#connection = mysql://a:b@c\n; password: x\n# words only\n",
	     "[database]\n#connection = ***\n; password: ***\n# words only\n"},
	    {"# see mysql+pymysql://nova:pw@db/nova and a://b:c@d\n",
	     "# see mysql+pymysql://***@db/nova and a://***@d\n"},
	    {"# see a://u:p/w@h,v:x@i/y\n", "# see a://***@i/y\n"},
	    {"[pci]\npassword = x\nadmin_token=y\n", "[pci]\npassword = ***\nadmin_token=***\n"},
	    {"[pci]\nalias = rabbit://u:p@h\n", "[pci]\nalias = rabbit://***@h\n"},
	    {"[pci]\n[Database]\nalias = x\n", "[pci]\n[Database]\nalias = ***\n"},
	    {"[pci]\nalias = x\rpassword = y\nmore\n", "[pci]\nalias = x\r***\n***\n"},
	    {"[pci]\r\nalias = x\r\n", "[pci]\r\nalias = x\r\n"},
	    {"[DEFAULT]\n# gpufleet: took out: pci_alias = {\"name\": \"a\"}\n",
	     "[DEFAULT]\n# gpufleet: took out: pci_alias = {\"name\": \"a\"}\n"},
	    {"no section\nkey = value\n", "***\nkey = ***\n"},
	    {"[pci]\npass word\n", "[pci]\n***\n"},
	    {"[neutron]\nmetadata_proxy_shared_secret =\n \tx\n",
	     "[neutron]\nmetadata_proxy_shared_secret =\n \t***\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t size;
		char *text = config_mask(cases[i].text, strlen(cases[i].text), &size);
		assert_non_null(text);
		assert_string_equal(text, cases[i].shown);
		assert_int_equal(size, strlen(text));
		free(text);
	}
}

static void test_urls(void **state)
{
	char line[] = "ERROR cannot reach amqp://nova:geheim@ctl:5672// and x://a@b";

	(void)state;
	config_mask_urls(line);
	assert_string_equal(line, "ERROR cannot reach amqp://***@ctl:5672// and x://*@b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_table),
	                                   cmocka_unit_test(test_urls)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
