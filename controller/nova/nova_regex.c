/* nova_regex.c: see nova_regex.h. The pattern comes from a host's file: its length and the work
 * that a match may take are bounded. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "controller/nova/nova_regex.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN_MAX 1024
#define MATCH_LIMIT 100000

struct nova_regex {
	pcre2_code *code; /* NULL: it can't be judged */
	pcre2_match_data *data;
	pcre2_match_context *context;
};

/* What follows "(?" and means the same to both. */
static bool group_known(const char *text)
{
	static const char *const known[] = {":", "=", "!", "<=", "<!", "P<", "P=", "#"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strncmp(text, known[i], strlen(known[i])) == 0)
			return true;
	}
	return false;
}

/* FACT_NO: Python refuses it. FACT_UNKNOWN: PCRE2 may read it otherwise. */
static enum fact pattern_alike(const char *pattern)
{
	if (strlen(pattern) > PATTERN_MAX)
		return FACT_UNKNOWN;
	for (const char *at = pattern; *at; at++) {
		if ((unsigned char)*at >= 0x80)
			return FACT_UNKNOWN;
		if (*at == '\\') {
			at++;
			if (!*at)
				return FACT_NO;
			/* Python knows few letters after a backslash, and refuses the others. */
			if (isalpha((unsigned char)*at) && !strchr("AbBdDsSwWZafnrtvx", *at))
				return strchr("uUN", *at) ? FACT_UNKNOWN : FACT_NO;
			continue;
		}
		if (at[0] == '(' && at[1] == '?' && !group_known(at + 2))
			return FACT_UNKNOWN;
		if (at[0] == '(' && at[1] == '*')
			return FACT_NO; /* to PCRE2 a verb */
		if (at[0] == '{' && at[1] == ',')
			return FACT_UNKNOWN;
		if (at[0] == '[' && (at[1] == ':' || at[1] == '.' || at[1] == '=' || at[1] == '['))
			return FACT_UNKNOWN;
		/* Possessive quantifiers came to Python with 3.11. */
		if (strchr("*+?}", *at) && at[1] == '+')
			return FACT_UNKNOWN;
	}
	return FACT_YES;
}

struct nova_regex *nova_regex_new(const char *pattern, bool *invalid)
{
	enum fact alike = pattern_alike(pattern);
	struct nova_regex *regex;
	int code;
	PCRE2_SIZE at;

	*invalid = alike == FACT_NO;
	regex = *invalid ? NULL : calloc(1, sizeof(*regex));
	if (!regex || alike == FACT_UNKNOWN)
		return regex;
	regex->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
	                            PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
	if (!regex->code) {
		*invalid = true;
		nova_regex_free(regex);
		return NULL;
	}
	regex->data = pcre2_match_data_create(1, NULL);
	regex->context = pcre2_match_context_create(NULL);
	if (!regex->data || !regex->context) {
		nova_regex_free(regex);
		return NULL;
	}
	pcre2_set_match_limit(regex->context, MATCH_LIMIT);
	pcre2_set_depth_limit(regex->context, MATCH_LIMIT);
	return regex;
}

enum fact nova_regex_match(const struct nova_regex *regex, const char *text)
{
	int rc;

	if (!regex->code)
		return FACT_UNKNOWN;
	rc = pcre2_match(regex->code, (PCRE2_SPTR)text, strlen(text), 0, 0, regex->data,
	                 regex->context);
	if (rc == PCRE2_ERROR_NOMATCH)
		return FACT_NO;
	return rc >= 0 ? FACT_YES : FACT_UNKNOWN;
}

void nova_regex_free(struct nova_regex *regex)
{
	if (!regex)
		return;
	pcre2_code_free(regex->code);
	pcre2_match_data_free(regex->data);
	pcre2_match_context_free(regex->context);
	free(regex);
}
