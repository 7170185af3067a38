/*
 * config - the settings of a machine and of an account.
 *
 * Every setting is a variable of the environment, AWCP_MAX_TTL, which the code that needs it reads
 * where it needs it.  Files say the same under the name without AWCP_, in lower case and with
 * dashes: "max-ttl = 1h".  A program loads them once, when it begins: config_load puts into the
 * environment what the files set and the environment does not.  So whoever is nearer wins: option,
 * environment, the account's file, the machine's file, default.
 *
 * The files are /etc/awcp/awcp.conf and then $XDG_CONFIG_HOME/awcp/config (~/.config/awcp/config);
 * with AWCP_CONFIG that one alone, or "none".  They decide what is run and where state lies, so
 * one that anybody else may write to is refused.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stddef.h>

#include "base/err.h"

#define CONFIG_NAME 64 /* bytes of a key with its NUL */
#define CONFIG_SYSTEM "/etc/awcp/awcp.conf"

enum config_kind {
	CONFIG_TEXT,
	CONFIG_NUMBER, /* digits, with K, M, G or T behind them: home_number */
	CONFIG_BYTES,  /* the same, of bytes */
	CONFIG_SPAN,   /* 0 or what clock_parse_span takes; config_load makes seconds of it */
	CONFIG_PATH,   /* absolute, or below ~ */
	CONFIG_PATHS,  /* such ones with colons between */
	CONFIG_CHOICE, /* one of a few words */
	CONFIG_URL
};

struct config_setting {
	const char *variable; /* "AWCP_MAX_TTL" */
	enum config_kind kind;
	const char *otherwise; /* the default, as it would be written; "": none */
	const char *choices;   /* of CONFIG_CHOICE: "token|none", else NULL */
	const char *help;      /* what it is, in a line */
};

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT };

/* What is in force of a setting. */
struct config_value {
	const char *text; /* the default if nothing sets it; valid until the environment changes */
	enum config_source source;
	const char *file; /* of CONFIG_FILE */
	unsigned line;
};

/* All settings, in the order in which they are shown; the last has a NULL variable. */
extern const struct config_setting config_settings[];

/* Read the files and set the variables that are not set; to be called before there are threads.
 * What is wrong in them is ERR_CONFIG, and the message begins with file and line; nothing is set
 * then.  ERR_PERMISSION if others may write to one. */
int config_load(struct err *e);

/* The key of ${s}, such as "max-ttl", into ${name}.  Returns ${name}. */
const char *config_key(const struct config_setting *s, char name[CONFIG_NAME]);

/* The setting with the key or variable ${name}; NULL if there is none. */
const struct config_setting *config_find(const char *name);

/* What is in force of ${s}, after config_load. */
void config_get(const struct config_setting *s, struct config_value *v);

/* Is ${text} a value for ${s} as it may be in the environment?  ERR_CONFIG if not. */
int config_check(const struct config_setting *s, const char *text, struct err *e);

/* The word for ${kind}, such as "span". */
const char *config_kind_name(enum config_kind kind);

/* The files that are looked for, in that order: the ${i}th (from 0) into ${path}, of ${size} bytes.
 * Returns -1 behind the last. */
int config_file(int i, char *path, size_t size);

#endif
