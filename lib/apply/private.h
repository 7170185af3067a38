/*
 * apply/private - one apply under way, as the parts of apply share it.
 */
#ifndef APPLY_PRIVATE_H
#define APPLY_PRIVATE_H

#include "apply/apply.h"
#include "apply/plan.h"

struct transaction {
	const struct apply_job *job;
	struct apply_totals *totals;
	struct resource *resources; /* the writable ones; their content is the job's */
	struct stage *stages;       /* one for each, see stage.h */
	size_t count;
	int planfd;
	struct plan *plan;
	uint64_t steps; /* of the plan */
};

#endif
