#include "worker/task_options.h"

#include <stdarg.h>
#include <stdio.h>

#include "config/settings.h"

int
task_limits(struct task_options *o, struct err *e)
{
	long long bytes;

	if (setting_number(SETTING_MAX_OUTPUT, &bytes, e) < 0)
		return -1;
	o->max_output = (uint64_t)bytes;
	return setting_number(SETTING_MAX_ATTEMPTS, &o->max_attempts, e);
}

void
task_report(const struct task_options *o, bool trouble, const char *what, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (o->report != NULL)
		o->report(o->report_arg, trouble, what, text);
}
