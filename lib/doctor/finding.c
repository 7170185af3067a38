#include "doctor/private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process/process.h"

const char *
doctor_grade_name(enum doctor_grade grade)
{
	static const char *const names[] = {"ok", "warn", "bad"};

	return names[grade];
}

static void
report_finding(struct doctor *d, struct doctor_finding *f, const char *fmt, va_list ap)
{
	(void)vsnprintf(f->text, sizeof f->text, fmt, ap);
	err_clean(f->text);
	if (f->grade > d->worst)
		d->worst = f->grade;
	d->wrong += f->grade != DOCTOR_OK;
	d->report(d->arg, f);
}

void
doctor_report(struct doctor *d, enum doctor_grade grade, const char *check, const char *fmt, ...)
{
	struct doctor_finding f = {.check = check, .grade = grade};
	va_list ap;

	va_start(ap, fmt);
	report_finding(d, &f, fmt, ap);
	va_end(ap);
}

void
doctor_advise(struct doctor *d, enum doctor_grade grade, const char *check, const char *advice,
	      const char *fmt, ...)
{
	struct doctor_finding f = {.check = check, .grade = grade};
	va_list ap;

	(void)snprintf(f.advice, sizeof f.advice, "%s", advice);
	va_start(ap, fmt);
	report_finding(d, &f, fmt, ap);
	va_end(ap);
}

void
doctor_fail(struct doctor *d, enum doctor_grade grade, const char *check, const struct err *e)
{
	doctor_advise(d, grade, check, e->hint, "%s", e->message);
}

char *
doctor_find(const char *name)
{
	static const char *const more[] = {"/usr/local/sbin", "/usr/sbin", "/sbin"};
	char path[256];
	struct err e;
	char *found = process_find(name, &e);

	for (size_t i = 0; found == NULL && i < sizeof more / sizeof more[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", more[i], name);
		if (access(path, X_OK) == 0)
			found = strdup(path);
	}
	return found;
}
