#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const struct {
	const char *name;
	int exit;
	int http;
} codes[ERR_COUNT] = {
    [ERR_NONE] = {"OK", 0, 200},
    [ERR_DECLINED] = {"DECLINED", 69, 403},
    [ERR_DEP_MISSING] = {"DEP_MISSING", 69, 501},
    [ERR_WORKSPACE_TOO_LARGE] = {"WORKSPACE_TOO_LARGE", 65, 413},
    [ERR_WORKSPACE_NOT_FOUND] = {"WORKSPACE_NOT_FOUND", 66, 404},
    [ERR_WORKSPACE_INVALID] = {"WORKSPACE_INVALID", 65, 400},
    [ERR_SENSITIVE_FILES] = {"SENSITIVE_FILES", 77, 403},
    [ERR_WORKDIR_DENIED] = {"WORKDIR_DENIED", 77, 403},
    [ERR_START_EXPIRED] = {"START_EXPIRED", 1, 410},
    [ERR_EXPIRED] = {"EXPIRED", 1, 410},
    [ERR_AUTH_FAILED] = {"AUTH_FAILED", 77, 401},
    [ERR_SETUP_FAILED] = {"SETUP_FAILED", 69, 500},
    [ERR_TASK_FAILED] = {"TASK_FAILED", 1, 500},
    [ERR_CANCELLED] = {"CANCELLED", 1, 409},
    [ERR_TRANSPORT_ERROR] = {"TRANSPORT_ERROR", 69, 502},
    [ERR_CHECKSUM_MISMATCH] = {"CHECKSUM_MISMATCH", 65, 400},
    [ERR_SSE_FAILED] = {"SSE_FAILED", 69, 502},
    [ERR_NOT_FOUND] = {"NOT_FOUND", 66, 404},
    [ERR_USAGE] = {"USAGE", 64, 400},
    [ERR_BAD_MESSAGE] = {"BAD_MESSAGE", 76, 400},
    [ERR_BAD_DATA] = {"BAD_DATA", 65, 400},
    [ERR_TOO_LARGE] = {"TOO_LARGE", 65, 413},
    [ERR_KEY_REUSED] = {"KEY_REUSED", 65, 409},
    [ERR_CONFLICT] = {"CONFLICT", 1, 409},
    [ERR_BAD_STATE] = {"BAD_STATE", 1, 409},
    [ERR_BUSY] = {"BUSY", 75, 503},
    [ERR_RATE_LIMITED] = {"RATE_LIMITED", 75, 429},
    [ERR_BAD_METHOD] = {"BAD_METHOD", 76, 405},
    [ERR_PERMISSION] = {"PERMISSION", 77, 403},
    [ERR_CANNOT_CREATE] = {"CANNOT_CREATE", 73, 500},
    [ERR_NO_SPACE] = {"NO_SPACE", 73, 507},
    [ERR_IO] = {"IO", 74, 500},
    [ERR_CONFIG] = {"CONFIG", 78, 500},
    [ERR_INTERNAL] = {"INTERNAL", 70, 500},
};

void
err_clean(char *s)
{
	char *out = s;

	while (*s != '\0') {
		size_t n = text_unshown(s);
		*out++ = n > 0 ? '?' : *s;
		s += n > 0 ? n : 1;
	}
	*out = '\0';
}

static void
set_text(struct err *e, enum err_code code, const char *fmt, va_list ap)
{
	if (e == NULL)
		return;
	e->code = code;
	e->hint[0] = '\0';
	e->retry = 0;
	(void)vsnprintf(e->message, sizeof e->message, fmt, ap);
	err_clean(e->message);
}

int
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_text(e, code, fmt, ap);
	va_end(ap);
	return -1;
}

static enum err_code
code_of_errno(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_PERMISSION;
	case ENOSPC:
	case EDQUOT:
		return ERR_NO_SPACE;
	case EEXIST:
		return ERR_CANNOT_CREATE;
	case EAGAIN:
	case EMFILE:
	case ENFILE:
		return ERR_BUSY;
	case ENOMEM:
		return ERR_INTERNAL;
	default:
		return ERR_IO;
	}
}

int
err_sys(struct err *e, const char *fmt, ...)
{
	int number = errno;
	va_list ap;

	if (e == NULL)
		return -1;
	va_start(ap, fmt);
	set_text(e, code_of_errno(number), fmt, ap);
	va_end(ap);
	size_t n = strlen(e->message);
	(void)snprintf(e->message + n, sizeof e->message - n, ": %s", strerror(number));
	if (e->code == ERR_NO_SPACE)
		err_hint(e, "free some space and run it again");
	errno = number;
	return -1;
}

int
err_add(struct err *e, const char *fmt, ...)
{
	char old[ERR_MESSAGE];
	va_list ap;

	if (e == NULL)
		return -1;
	memcpy(old, e->message, sizeof old);
	va_start(ap, fmt);
	(void)vsnprintf(e->message, sizeof e->message, fmt, ap);
	va_end(ap);
	size_t n = strlen(e->message);
	(void)snprintf(e->message + n, sizeof e->message - n, ": %s", old);
	err_clean(e->message);
	return -1;
}

int
err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return -1;
	va_start(ap, fmt);
	(void)vsnprintf(e->hint, sizeof e->hint, fmt, ap);
	va_end(ap);
	err_clean(e->hint);
	return -1;
}

int
err_retry(struct err *e, unsigned seconds)
{
	if (e != NULL)
		e->retry = seconds;
	return -1;
}

int
err_memory(struct err *e)
{
	return err_set(e, ERR_INTERNAL, "out of memory");
}

const char *
err_name(enum err_code code)
{
	return codes[code].name;
}

enum err_code
err_from_name(const char *name)
{
	for (int i = 1; i < ERR_COUNT; i++)
		if (strcmp(codes[i].name, name) == 0)
			return (enum err_code)i;
	return ERR_TASK_FAILED;
}

int
err_exit(enum err_code code)
{
	return codes[code].exit;
}

int
err_status(const struct err *e)
{
	return err_exit(e->code == ERR_DECLINED && e->retry > 0 ? ERR_BUSY : e->code);
}

int
err_http(enum err_code code)
{
	return codes[code].http;
}
