/*
 * settings - every setting with its kind, its default and what it is for, named once.
 *
 * A setting is a variable of the environment, AWCP_MAX_TTL, and the constant SETTING_MAX_TTL here.
 * Files spell it without AWCP_, in lower case and with dashes: max-ttl; see config.h.  A renamed
 * setting keeps its previous variable as an alias, which is read where the new one is not set.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "base/err.h"

/* X(name, kind, default as it would be written, what it is[, .choices = ...][, .alias = ...]), in
 * the order in which they are shown. */
#define SETTINGS(X)                                                                               \
	X(HOME, PATH, "~/.local/state/awcp", "the state directory")                               \
	X(HOOKS, PATH, "", "the directory with the operator's hooks")                             \
	X(HOOK_TIMEOUT, SPAN, "10s", "time limit of a hook")                                      \
	X(LOG, CHOICE, "file", "where the logs go", .choices = "file|syslog|journal")             \
	X(LOG_BYTES, BYTES, "4M", "size at which a log is rotated")                               \
	X(LOG_KEEP, NUMBER, "4", "rotated files kept of each log, up to 99")                      \
	X(REDACT, PATH, "", "a file with more expressions for secrets")                           \
	X(TIMEOUT, SPAN, "30s", "how long to wait for a connection or an answer")                 \
	X(QUIET, SPAN, "100s", "how long an event stream may be silent")                          \
	X(MAX_UNPACKED, BYTES, "64G", "max bytes that an archive unpacks to")                     \
	X(MAX_ENTRIES, NUMBER, "1000000", "max entries of an archive")                            \
	X(MAX_RATIO, NUMBER, "1000", "max bytes that one byte of an archive unpacks to")          \
	X(EXECUTOR, URL, "", "the executor to use when none is named")                            \
	X(MAX_BYTES, BYTES, "100M", "max bytes lent in one delegation")                           \
	X(MAX_FILES, NUMBER, "10000", "max files lent in one delegation")                         \
	X(MAX_FILE_BYTES, BYTES, "50M", "max bytes of a file that is lent")                       \
	X(SENSITIVE, TEXT, "", "what may be lent although it looks like a secret; allow: all")    \
	X(GUARDED, TEXT, "", "more names that are guarded; with - before, that are not")          \
	X(MAX_SNAPSHOT, BYTES, "64G", "max bytes of a snapshot that is accepted")                 \
	X(KEEP_SNAPSHOTS, NUMBER, "10", "max snapshots that wait in one delegation")              \
	X(RETENTION, SPAN, "7d", "how long a delegation that has ended is kept")                  \
	X(ROOTS, PATHS, "", "the directories that awcp-delegator may lend")                       \
	X(CALLERS, TEXT, "", "names of the tokens that have the right lend")                      \
	X(MAX_DELEGATIONS, NUMBER, "256", "max delegations of awcp-delegator at a time")          \
	X(AUTH, CHOICE, "token", "who may call: token: holders of a token; none: anybody",        \
	  .choices = "token|none")                                                                \
	X(HOSTS, TEXT, "", "names of this server that may be used without a token")               \
	X(OPERATORS, TEXT, "", "names of the tokens that have the right admin")                   \
	X(STRICT, CHOICE, "0", "1: an id alone grants no access", .choices = "0|1")               \
	X(AUTH_FAILURES, NUMBER, "10", "max wrong tokens in a minute from an address; 0: any")    \
	X(ACCESS, CHOICE, "rw", "ro: accept delegations read-only", .choices = "rw|ro")           \
	X(START_WITHIN, SPAN, "10m", "time limit from INVITE to START")                           \
	X(MIN_FREE, BYTES, "1G", "free disk without which nothing is taken in")                   \
	X(MAX_LOAD, NUMBER, "0", "load above which no delegation is accepted; 0: any")            \
	X(MAX_ACTIVE, NUMBER, "256", "max unfinished assignments")                                \
	X(MAX_TTL, SPAN, "1h", "max length of a lease")                                           \
	X(MAX_RETENTION, SPAN, "7d", "max time that a result is kept")                            \
	X(TENANT_TASKS, NUMBER, "100000", "max unfinished tasks of a tenant in all queues")       \
	X(TENANT_BYTES, BYTES, "1G", "max bytes of unfinished tasks of a tenant")                 \
	X(TASK_RETENTION, SPAN, "7d", "how long ended tasks of a queue are kept")                 \
	X(MAX_ARCHIVE, BYTES, "16G", "max bytes of a workspace that is received")                 \
	X(MAX_OUTPUT, BYTES, "16M", "max bytes kept of a worker's output")                        \
	X(MAX_QUESTIONS, NUMBER, "100", "max questions of a task")                                \
	X(MAX_EVENTS, BYTES, "64M", "max bytes of the events of a delegation")                    \
	X(MAX_ATTEMPTS, NUMBER, "3", "max workers that may die at a task")                        \
	X(SANDBOX, TEXT, "bwrap", "the sandbox that tasks run in")                                \
	X(TASK_ENV, TEXT, "", "variables that tasks get besides the usual few")                   \
	X(THREADS, NUMBER, "4096", "max requests answered at a time")                             \
	X(LEFTOVER_AGE, SPAN, "1h", "age at which files that nobody owns are removed")            \
	X(FOLLOW_AFTER, SPAN, "5m", "time without a follower until one is started")               \
	X(UNDO_RETENTION, SPAN, "7d", "how long an apply can be undone")                          \
	X(LOG_RETENTION, SPAN, "30d", "how long rotated logs are kept")                           \
	X(CORRUPT_RETENTION, SPAN, "30d", "how long damaged records are kept")                    \
	X(PEER_RETENTION, SPAN, "0", "how long a silent peer is kept; 0: forever")                \
	X(READER_RETENTION, SPAN, "90d", "how long marks of an idle reader are kept; 0: forever", \
	  .alias = "AWCP_SESSION_RETENTION")                                                      \
	X(CLOCK_DOUBT, SPAN, "1h", "time without removals after the clock jumped")                \
	X(STREAMS, NUMBER, "65536", "max event streams open at a time")                           \
	X(KEEPALIVE, SPAN, "30s", "time between comments in a quiet stream")

#define SETTING_ID(name, ...) SETTING_##name,
enum setting_id { SETTINGS(SETTING_ID) SETTING_COUNT };
#undef SETTING_ID

enum setting_kind {
	KIND_TEXT,
	KIND_NUMBER, /* see number.h */
	KIND_BYTES,  /* the same, of bytes */
	KIND_SPAN,   /* 0, or see clock_parse_span */
	KIND_PATH,   /* absolute, or below ~ */
	KIND_PATHS,  /* such ones, separated by colons */
	KIND_CHOICE, /* one of a few words */
	KIND_URL
};

#define SETTING_KEY 64 /* bytes of a key with its NUL */

struct setting {
	const char *variable; /* "AWCP_MAX_TTL" */
	enum setting_kind kind;
	const char *fallback; /* the default; "": none */
	const char *help;     /* what it is, in a line */
	const char *choices;  /* of KIND_CHOICE: "token|none" */
	const char *alias;    /* the variable's previous name, or NULL */
};

extern const struct setting settings[SETTING_COUNT];

/* What the environment says of ${id}, or NULL if that is nothing or empty. */
const char *setting_given(enum setting_id id);

/* What is in force of ${id}: what the environment says, else the default. */
const char *setting_text(enum setting_id id);

/* The number in force of ${id}, a span in seconds, into *${value}.  What is not a number is
 * ERR_CONFIG, and *${value} is the default then. */
int setting_number(enum setting_id id, long long *value, struct err *e);

/* The default of ${id}, which must be a number. */
long long setting_default(enum setting_id id);

/* The key of ${s}, such as "max-ttl", into ${key}.  Returns ${key}. */
const char *setting_key(const struct setting *s, char key[SETTING_KEY]);

/* The setting with the key or variable ${name}, today's or previous; NULL if there is none. */
const struct setting *setting_find(const char *name);

/* Is ${text} a value for ${s} as it may be in the environment?  ERR_CONFIG if not. */
int setting_check(const struct setting *s, const char *text, struct err *e);

/* Check *${text}, a value of ${s} as a file has it, and turn it into what the environment takes:
 * paths without ~, spans in seconds.  *${text} is allocated, and may be replaced. */
int setting_convert(const struct setting *s, char **text, struct err *e);

/* The word for ${kind}, such as "span". */
const char *setting_kind_name(enum setting_kind kind);

/* The number that ${text} is, into *${value}: digits, with K, M, G or T after them for powers of
 * 1024; -1 if it is none. */
int setting_parse_number(const char *text, long long *value);

#endif
