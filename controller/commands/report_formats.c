/* report_formats.c: see report_formats.h. */
#include "controller/commands/report_formats.h"

#include <string.h>

#include "controller/report/report_ansible.h"
#include "controller/report/report_csv.h"
#include "controller/report/report_html.h"
#include "controller/report/report_libvirt.h"
#include "controller/report/report_openstack.h"
#include "controller/report/report_prometheus.h"
#include "inventory/suggest.h"

static int write_text(const struct report_output *output, FILE *out, struct gf_err *err)
{
	return report_text(output->report, output->inventory_path, out, output->color, err);
}

static int write_json(const struct report_output *output, FILE *out, struct gf_err *err)
{
	return report_json(output->report, output->compact, out, err);
}

static int write_html(const struct report_output *output, FILE *out, struct gf_err *err)
{
	return report_html(output->report, out, err);
}

static int write_openstack(const struct report_output *output, FILE *out, struct gf_err *err)
{
	return report_openstack(output->report, output->inventory, output->hosts, output->count,
	                        out, err);
}

static int write_libvirt(const struct report_output *output, FILE *out, struct gf_err *err)
{
	return report_libvirt(output->report, output->hosts, output->count, out, err);
}

static int write_csv(const struct report_output *output, FILE *out, struct gf_err *err)
{
	return report_csv(output->report, output->hosts, output->count, out, err);
}

static int write_prometheus(const struct report_output *output, FILE *out, struct gf_err *err)
{
	return report_prometheus(output->report, output->hosts, output->count, out, err);
}

static int write_ansible(const struct report_output *output, FILE *out, struct gf_err *err)
{
	return report_ansible(output->report, output->hosts, output->count, out, err);
}

static const struct report_format formats[] = {
    {"text", write_text, 0},
    {"json", write_json, 0},
    {"csv", write_csv, 0},
    {"html", write_html, 0},
    /* The node exporter, which is another user, reads it. */
    {"prometheus", write_prometheus, 0644},
    {"openstack", write_openstack, 0},
    {"libvirt", write_libvirt, 0},
    {"ansible-inventory", write_ansible, 0},
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

const struct report_format *report_format_find(const char *name, struct gf_err *err)
{
	const char *names[FORMATS], *near;
	char all[256];
	size_t used = 0;

	for (size_t i = 0; i < FORMATS; i++) {
		const char *comma = i == 0 ? "" : i + 1 == FORMATS ? " or " : ", ";

		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
		names[i] = formats[i].name;
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", comma, names[i]);
	}
	near = suggest_nearest(name, names, FORMATS);
	gf_err_set(err, GF_E_USAGE, "--format %.40s is not a format%s%s%s; use %s", name,
	           near ? "; did you mean " : "", near ? near : "", near ? "?" : "", all);
	return NULL;
}
