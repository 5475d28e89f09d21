/* nova_regex.h: Python's regular expressions, as Nova uses them for the parts of an address in a
 * device_spec: anchored at the start (re.match), on subjects of a few ASCII characters. PCRE2 does
 * the work; what it would read otherwise than Python's re is told, never guessed.
 */
#ifndef GPUFLEET_NOVA_REGEX_H
#define GPUFLEET_NOVA_REGEX_H

#include <stdbool.h>

#include "controller/readiness/host_facts.h"

struct nova_regex;

/* Compiles PATTERN. *invalid: Python's re would refuse it (NULL is returned). A pattern that can't
 * be judged gives an object whose matches are all FACT_UNKNOWN. NULL with *invalid false: out of
 * memory. The caller frees it. */
struct nova_regex *nova_regex_new(const char *pattern, bool *invalid);

/* Would re.match find PATTERN at the start of TEXT? */
enum fact nova_regex_match(const struct nova_regex *regex, const char *text);

void nova_regex_free(struct nova_regex *regex);

#endif
