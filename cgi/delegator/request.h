/*
 * delegator/request - what a caller asks for with POST /delegate, checked and recorded.
 *
 *	{executorUrl, environment{resources[{name, type?, source, mode?, include?, exclude?}]},
 *	 task{description?, prompt}, ttlSeconds?, accessMode?, snapshotMode?, auth?}
 *
 * Unknown members are ignored, as everywhere in AWCP v1.
 */
#ifndef DELEGATOR_REQUEST_H
#define DELEGATOR_REQUEST_H

#include <jansson.h>

#include "base/id.h"

/* Check ${body} and the trees that would be sent, and record a delegation of ${owner}; writes its
 * id.  ERR_BAD_MESSAGE names the first member that is wrong; see also roots_check and tree_admit.
 */
int request_record(const json_t *body, const char *owner, char id[ID_MAX + 1], struct err *e);

#endif
