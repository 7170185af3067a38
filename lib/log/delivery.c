#include "log/delivery.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "log/logfmt.h"
#include "log/metrics.h"

void
delivery_end(const struct delivery *d)
{
	char in[24], out[24], ms[24], http[12], attempt[12];

	(void)snprintf(in, sizeof in, "%" PRIu64, d->in);
	(void)snprintf(out, sizeof out, "%" PRIu64, d->out);
	(void)snprintf(ms, sizeof ms, "%" PRId64, clock_steady() - d->began);
	(void)snprintf(http, sizeof http, "%d", d->http);
	(void)snprintf(attempt, sizeof attempt, "%d", d->attempt);
	logfmt_write(DELIVERY_LOG, d->step, "side", d->side, "id", d->id, "peer",
		     d->peer != NULL && d->peer[0] != '\0' ? d->peer : NULL, "outcome",
		     err_name(d->outcome), "http", d->http != 0 ? http : NULL, "in", in, "out", out,
		     "ms", ms, "attempt", d->attempt > 0 ? attempt : NULL, LOGFMT_END);
	metrics_count(METRIC_DELIVERIES, d->step, err_name(d->outcome), 1);
	if (d->in > 0)
		metrics_count(METRIC_BYTES, d->side, "in", d->in);
	if (d->out > 0)
		metrics_count(METRIC_BYTES, d->side, "out", d->out);
}
