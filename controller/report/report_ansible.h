/* report_ansible.h: the fleet as an inventory for Ansible, grouped by what the report says. */
#ifndef GPUFLEET_REPORT_ANSIBLE_H
#define GPUFLEET_REPORT_ANSIBLE_H

#include "controller/report/report.h"

/* A static inventory in the shape that Ansible's `yaml` plugin reads from a file whose name ends in
 * .json (`ansible -i report.json`); the shape with `_meta` is for programs only. Groups: role_…,
 * domain_…, verdict_…, alias_… and check_… (hosts on which that check fails), with every character
 * that Ansible refuses in a group's name as `_`; of two that become the same, the later gets a
 * number. The verdicts and roles are there even when no host is in them.
 *
 * Ansible evaluates variables as templates. No brace of a text gets through: `{` and `}` become
 * `(` and `)`, so that a host can't have a program run by what it calls a driver. How a host is
 * reached is told as far as the inventory says it; keys and passwords are not.
 *
 * REPORT is report_build's, of the COUNT hosts HOSTS. Returns 0, or -1 with *err when OUT can't be
 * written or memory is short. */
int report_ansible(const json_t *report, const struct report_host *hosts, size_t count, FILE *out,
                   struct gf_err *err);

#endif
