#include "http/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

static const char *program; /* set before there are threads */

void
http_log_name(const char *name)
{
	program = name;
}

void
http_log(const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_clean(text);
	(void)dprintf(STDERR_FILENO, "%s: %s\n", program, text);
}

bool
http_log_due(atomic_llong *logged)
{
	long long now = clock_steady(), last = atomic_load(logged);

	return (last == 0 || now - last >= 60000) &&
	       atomic_compare_exchange_strong(logged, &last, now);
}
