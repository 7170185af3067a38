#include "http/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"

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
