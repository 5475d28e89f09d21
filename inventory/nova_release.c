/* nova_release.c: see nova_release.h. */
#include "inventory/nova_release.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/suggest.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* By number from NOVA_RELEASE_FIRST on. Since 2023 a release has a series, too. */
static const struct {
	const char *name, *series, *shown;
} releases[] = {
    {"pike", NULL, "Pike"},
    {"queens", NULL, "Queens"},
    {"rocky", NULL, "Rocky"},
    {"stein", NULL, "Stein"},
    {"train", NULL, "Train"},
    {"ussuri", NULL, "Ussuri"},
    {"victoria", NULL, "Victoria"},
    {"wallaby", NULL, "Wallaby"},
    {"xena", NULL, "Xena"},
    {"yoga", NULL, "Yoga"},
    {"zed", NULL, "Zed"},
    {"antelope", "2023.1", "2023.1 Antelope"},
    {"bobcat", "2023.2", "2023.2 Bobcat"},
    {"caracal", "2024.1", "2024.1 Caracal"},
    {"dalmatian", "2024.2", "2024.2 Dalmatian"},
    {"epoxy", "2025.1", "2025.1 Epoxy"},
    {"flamingo", "2025.2", "2025.2 Flamingo"},
};
_Static_assert(COUNT(releases) == NOVA_RELEASE_LAST - NOVA_RELEASE_FIRST + 1,
               "a row for each release");

/* The release whose name or series is the first LENGTH bytes of TEXT; -1: none. */
static int by_name(const char *text, size_t length)
{
	for (size_t i = 0; i < COUNT(releases); i++) {
		const char *names[] = {releases[i].name, releases[i].series};

		for (size_t k = 0; k < COUNT(names); k++) {
			if (names[k] && strlen(names[k]) == length &&
			    memcmp(names[k], text, length) == 0)
				return NOVA_RELEASE_FIRST + (int)i;
		}
	}
	return -1;
}

/* "26", "26.2.1", "26.2.1-1": the number before the first dot; "2023.1.4": the series. */
static int by_version(const char *text)
{
	size_t digits = strspn(text, "0123456789"), series;
	int number;

	if (digits == 4 && text[4] == '.') {
		series = 5 + strspn(text + 5, "0123456789");
		return by_name(text, series);
	}
	if (digits == 0 || digits > 2 || isalpha((unsigned char)text[digits]))
		return -1;
	number = atoi(text);
	return number >= NOVA_RELEASE_FIRST && number <= NOVA_RELEASE_LAST ? number : -1;
}

/* A tag such as "zed-rocky-9", "stable-zed", "2023.1-ubuntu-jammy": the first word that is one. */
static int by_tag(const char *tag)
{
	for (;;) {
		size_t length = strcspn(tag, "-_+~");
		int number = by_name(tag, length);

		if (number > 0)
			return number;
		tag += length;
		if (!*tag)
			return -1;
		tag++;
	}
}

int nova_release_from_version(const char *version)
{
	const char *slash, *colon;
	char text[256];
	int number;

	if (!version || strlen(version) >= sizeof(text))
		return -1;
	strcpy(text, version);
	text[strcspn(text, "@")] = '\0'; /* an image's digest says nothing */
	slash = strrchr(text, '/');
	version = slash ? slash + 1 : text;
	/* What stands before a colon is an image's name or a package's epoch. */
	colon = strchr(version, ':');
	if (colon)
		version = colon + 1;
	else if (slash)
		return -1;
	number = by_version(version);
	return number > 0 ? number : by_tag(version);
}

static int unknown(const char *text, struct gf_err *err)
{
	static const char *const older[] = {"juno", "kilo", "liberty", "mitaka", "newton", "ocata"};
	const char *names[2 * COUNT(releases)], *near;
	size_t count = 0;

	for (size_t i = 0; i < COUNT(releases); i++) {
		names[count++] = releases[i].name;
		if (releases[i].series)
			names[count++] = releases[i].series;
	}
	for (size_t i = 0; i < COUNT(older); i++) {
		if (strcmp(text, older[i]) == 0)
			return gf_err_set(err, GF_E_INPUT,
			                  "it is older than \"pike\", the first that is known");
	}
	near = suggest_nearest(text, names, count);
	if (near && isalpha((unsigned char)*text))
		return gf_err_set(err, GF_E_INPUT, "did you mean \"%s\"?", near);
	return gf_err_set(err, GF_E_INPUT,
	                  "known are pike, queens, rocky, stein, train, ussuri, victoria, wallaby, "
	                  "xena, yoga, zed, 2023.1, 2023.2, 2024.1, 2024.2, 2025.1, 2025.2, and "
	                  "Nova's numbers %d to %d",
	                  NOVA_RELEASE_FIRST, NOVA_RELEASE_LAST);
}

int nova_release_parse(const char *text, struct gf_err *err)
{
	int number = by_name(text, strlen(text));

	/* A version: "26" or "26.2.1", and nothing else behind it. */
	if (number < 0 && strlen(text) <= 12 && text[strspn(text, "0123456789.")] == '\0' &&
	    strcspn(text, ".") == 2 && text[strlen(text) - 1] != '.' && !strstr(text, ".."))
		number = by_version(text);
	return number > 0 ? number : unknown(text, err);
}

const char *nova_release_name(int number)
{
	if (number < NOVA_RELEASE_FIRST || number > NOVA_RELEASE_LAST)
		return "?";
	return releases[number - NOVA_RELEASE_FIRST].shown;
}

const char *nova_release_show(int number, char buffer[NOVA_RELEASE_SHOW_SIZE])
{
	snprintf(buffer, NOVA_RELEASE_SHOW_SIZE, "%d (%s)", number, nova_release_name(number));
	return buffer;
}
