/* text_rules.h: what the strings of an inventory or a playbook may look like. Whatever reaches a
 * command line, a file on a host or a file name here is checked by one of these.
 */
#ifndef GPUFLEET_TEXT_RULES_H
#define GPUFLEET_TEXT_RULES_H

#include "inventory/fields.h"

extern const struct text_rule rule_name;          /* fleet, group, domain, flavor, alias */
extern const struct text_rule rule_host_name;     /* a host's name or address */
extern const struct text_rule rule_user;          /* a login name */
extern const struct text_rule rule_jump;          /* [user@]host[:port], several with commas */
extern const struct text_rule rule_path;          /* a file here; `~` is expanded */
extern const struct text_rule rule_absolute_path; /* a file on the host */
extern const struct text_rule rule_host_key;      /* SHA256:… */
extern const struct text_rule rule_kernel_arg;    /* one token of the kernel's command line */
extern const struct text_rule rule_hex4;          /* a PCI id; made lower-case */
extern const struct text_rule rule_subsystem;     /* 1462:3609 */
extern const struct text_rule rule_pci_address;   /* made 0000:01:00.0 */
extern const struct text_rule rule_resource;      /* a Placement resource class or trait */
extern const struct text_rule rule_line;          /* one line of text, not empty */
extern const struct text_rule rule_text;          /* any text */
extern const struct text_rule rule_module;        /* a kernel module's name */
extern const struct text_rule rule_unit;          /* a systemd unit's name */
extern const struct text_rule rule_argument;      /* an argument of a program */
extern const struct text_rule rule_playbook;      /* a shipped name or a path */
extern const struct text_rule rule_clock;         /* 22:00 */
extern const struct text_rule rule_time_zone;     /* Europe/Berlin */
extern const struct text_rule rule_mode;          /* 0644 */
extern const struct text_rule rule_owner;         /* root or root:root */

/* `~/…` with the user's home put in; a copy. */
char *path_expand(const char *path);

bool host_name_valid(const char *text);

#endif
