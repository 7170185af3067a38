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

static void
log_line(const char *fmt, va_list ap)
{
	char text[1200];

	(void)vsnprintf(text, sizeof text, fmt, ap);
	err_clean(text);
	(void)dprintf(STDERR_FILENO, "%s: %s\n", program, text);
}

void
http_log(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(fmt, ap);
	va_end(ap);
}

void
http_log_rarely(atomic_llong *logged, const char *fmt, ...)
{
	long long now = clock_steady(), last = atomic_load(logged);
	va_list ap;

	if ((last != 0 && now - last < 60000) ||
	    !atomic_compare_exchange_strong(logged, &last, now))
		return;
	va_start(ap, fmt);
	log_line(fmt, ap);
	va_end(ap);
}
