/* A configuration file: it is taken or refused, by its name and line; nothing is set if it is
 * refused. */
#include <string.h>

#include "config/config.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char path[64];
	struct err e = {0};
	int fd = fuzz_file(p, n);

	PROMISE(fchmod(fd, 0600) == 0);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	PROMISE(setenv("AWCP_CONFIG", path, 1) == 0);
	int status = config_load(&e);
	PROMISE(status == 0 || (e.code != ERR_NONE && strchr(e.message, '\n') == NULL));
	for (enum setting_id id = 0; id < SETTING_COUNT; id++)
		(void)unsetenv(settings[id].variable);
	(void)close(fd);
	return 0;
}
