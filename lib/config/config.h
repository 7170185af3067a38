/*
 * config - the settings of a machine and of an account, from files.
 *
 * The code reads every setting from the environment, where it needs it (settings.h).  A program
 * calls config_load once, when it begins, which puts into the environment what the files set and
 * the environment does not.  So the nearest wins: option, environment, the account's file, the
 * machine's file, default.
 *
 * The files are /etc/awcp/awcp.conf and then $XDG_CONFIG_HOME/awcp/config (~/.config/awcp/config);
 * with AWCP_CONFIG that one alone, or "none".  They decide which programs run and where state
 * lies, so a file that anybody else may write to is refused.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "config/settings.h"

#define CONFIG_SYSTEM "/etc/awcp/awcp.conf"

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT };

/* What is in force of a setting. */
struct config_value {
	const char *text; /* the default if nothing sets it; valid until the environment changes */
	enum config_source source;
	const char *file; /* of CONFIG_FILE */
	unsigned line;
};

/* Read the files and set the variables that are not set; to be called before there are threads.
 * What is wrong in them is ERR_CONFIG, and the message begins with file and line; nothing is set
 * then.  ERR_PERMISSION if others may write to one. */
int config_load(struct err *e);

/* What is in force of ${id}, after config_load. */
void config_get(enum setting_id id, struct config_value *v);

#endif
