/* Refusals: which status an error gets, what is said of it, and what only the log hears. */
#include "http/private.h"

#include <stdio.h>

#include "base/jsonx.h"
#include "http/log.h"
#include "http/throttle.h"
#include "log/logfmt.h"
#include "log/metrics.h"

#define RETRY_S 5U /* when nobody knows better */

/* The messages of such errors (paths, reasons of the system) are for the log; peers are told less.
 */
static const struct {
	enum err_code code;
	const char *message;
} internal[] = {
    {ERR_PERMISSION, "the server may not do that"},
    {ERR_CANNOT_CREATE, "the server cannot store that"},
    {ERR_NO_SPACE, "the server has no space left"},
    {ERR_IO, "the server failed"},
    {ERR_CONFIG, "the server is not set up right"},
    {ERR_INTERNAL, "the server failed"},
};

int
http_status(const struct http *h, enum err_code code)
{
	int status = err_http(code);
	bool keeps = status == 401 || status == 429 || status >= 500 || code == ERR_TOO_LARGE;

	return h->refusal != 0 && !keeps ? h->refusal : status;
}

json_t *
http_refusal(const struct http *h, const struct err *e, json_t *o)
{
	const char *message = e->message, *hint = e->hint;

	for (size_t i = 0; i < sizeof internal / sizeof internal[0]; i++)
		if (internal[i].code == e->code) {
			http_log("%s %s: %s%s%s", h->method,
				 h->route != NULL ? h->route->path : "?", e->message,
				 e->hint[0] != '\0' ? "; " : "", e->hint);
			message = internal[i].message;
			hint = "ask whoever runs it; its log says more";
		}
	if (o != NULL &&
	    (jsonx_set(o, "error", message) < 0 || jsonx_set(o, "code", err_name(e->code)) < 0 ||
	     jsonx_set(o, "hint", hint) < 0)) {
		json_decref(o);
		o = NULL;
	}
	return o;
}

void
http_refuse(struct http *h, const struct err *e, json_t *o, const char *more)
{
	http_json_with(h, http_status(h, e->code), http_refusal(h, e, o), more);
}

int
http_count_stranger(const struct http *h, struct err *e)
{
	const char *from = http_variable(h, "REMOTE_ADDR");
	const char *path = h->route != NULL ? h->route->path : NULL;
	int first;

	if (from == NULL)
		return 0; /* run by hand */
	unsigned wait = throttle_failure(from, &first);
	if (wait == 0 || first)
		logfmt_write("lifecycle", wait == 0 ? "auth-failed" : "auth-throttled", "from",
			     from, "method", h->method, "path", path, "why", e->message,
			     LOGFMT_END);
	if (wait == 0)
		return 0;
	err_set(e, ERR_RATE_LIMITED,
		"too many requests without a right token came from this address");
	err_hint(e, "try again in %u s", wait);
	return err_retry(e, wait);
}

void
http_fail_with(struct http *h, const struct err *e, json_t *o)
{
	char more[64] = "";
	struct err limited = *e;

	if (e->code == ERR_AUTH_FAILED && http_count_stranger(h, &limited) < 0)
		e = &limited;
	http_outcome(h, e->code);
	metrics_count(METRIC_ERRORS, "http", err_name(e->code), 1);
	if (e->code == ERR_AUTH_FAILED)
		(void)snprintf(more, sizeof more, "WWW-Authenticate: Bearer\r\n");
	else if (e->retry > 0 || e->code == ERR_BUSY)
		(void)snprintf(more, sizeof more, "Retry-After: %u\r\n",
			       e->retry > 0 ? e->retry : RETRY_S);
	http_refuse(h, e, o, more);
}

void
http_refuse_with(struct http *h, int status)
{
	h->refusal = status;
}

void
http_fail(struct http *h, const struct err *e)
{
	http_fail_with(h, e, json_object());
}
