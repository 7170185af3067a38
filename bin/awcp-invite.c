/* awcp-invite - lend directories to an executor and take the change back */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "wire/client.h"
#include "base/clock.h"
#include "command.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "display.h"
#include "base/file.h"
#include "config/settings.h"
#include "base/jsonx.h"
#include "wire/message.h"
#include "access/peer.h"
#include "preview.h"
#include "prompt.h"
#include "process/sandbox.h"

static const struct command command = {
    "awcp-invite", "bjnqvd:e:f:i:m:o:p:r:R:S:t:T:x:",
    "usage: awcp-invite [-bjnqv] [-d description] [-e url | -p peer] [-f file | prompt ...]\n"
    "                   [-m auto|staged|discard] [-o ro|rw|any] [-r [name=]path[:ro|:rw]]...\n"
    "                   [-S sandbox] [-t ttl] [-T token-file] [-x pattern]... [-i pattern]...\n"
    "       awcp-invite -R id\n"
    "  -b          return when the task has been handed over; awcp-watch follows it\n"
    "  -d text     a description for lists (the prompt's first line)\n"
    "  -e url      the executor, e.g. http://host:10200/awcp ($AWCP_EXECUTOR)\n"
    "  -f file     read the prompt from a file, - for stdin\n"
    "  -i pattern  send only what matches (gitignore syntax)\n"
    "  -j          print the events as NDJSON\n"
    "  -m mode     what to do with what comes back: apply it (auto), keep it for\n"
    "              awcp-snapshot (staged), or drop it (discard)\n"
    "  -n          list what would be sent, and send nothing\n"
    "  -o mode     ro: the executor may only read; any: if it takes no more\n"
    "  -p peer     the executor, by the name it has here\n"
    "  -q          quiet: errors only\n"
    "  -r res      lend this directory, under a name, ro or rw (the current one, rw)\n"
    "  -R id       resume an interrupted delegation, or follow it\n"
    "  -S sandbox  require this sandbox: bwrap[,no-network][,no-exec]\n"
    "  -t ttl      time limit of the work: 90s, 15m, 1h (1h)\n"
    "  -T file     the executor's token is the first line of this file\n"
    "  -v          list every path that is applied\n"
    "  -x pattern  leave out what matches (gitignore syntax, as .awcpignore)\n"};

struct options {
	bool background, dry, narrower;
	const char *description, *url, *peer, *file, *mode, *access, *resume;
	char *token_file;
	int64_t ttl;
	struct resource resources[MESSAGE_RESOURCES + 1];
	size_t count;
	json_t *exclude, *include, *sandbox;
	struct display display;
	char peer_url[2048];
};

static char running_id[ID_MAX + 1];

/* An interrupt leaves the task where it is: say how to find it again.  Only calls that a signal
 * handler may make. */
static void
interrupted(int number)
{
	static const char a[] = "\nawcp-invite: left it running; awcp-watch ",
			  b[] = " follows it, awcp-cancel stops it\n";

	if (running_id[0] != '\0' && (write(STDERR_FILENO, a, sizeof a - 1) < 0 ||
				      write(STDERR_FILENO, running_id, strlen(running_id)) < 0 ||
				      write(STDERR_FILENO, b, sizeof b - 1) < 0))
		_exit(EX_IOERR);
	_exit(128 + number);
}

static void
add_pattern(json_t *list, const char *pattern)
{
	if (json_array_append_new(list, json_string(pattern)) < 0)
		command_usage("a pattern must be UTF-8 text");
}

/* Parse [name=]path[:ro|:rw]. */
static void
add_resource(struct options *o, const char *text)
{
	struct resource *r = &o->resources[o->count];
	char path[PATH_MAX], real[PATH_MAX];

	if (o->count == MESSAGE_RESOURCES)
		command_usage("at most %d resources", MESSAGE_RESOURCES);
	r->writable = true;
	size_t n = strlen(text);
	const char *mode = strrchr(text, ':');
	if (mode != NULL && (strcmp(mode, ":ro") == 0 || strcmp(mode, ":rw") == 0)) {
		r->writable = mode[2] == 'w';
		n -= 3;
	}
	/* A name ends at the first "=", if no slash comes before it. */
	size_t equals = strcspn(text, "=/");
	if (equals < n && text[equals] == '=') {
		r->name = strndup(text, equals);
		text += equals + 1;
		n -= equals + 1;
	}
	if (n == 0 || n >= sizeof path)
		command_usage("-r needs a directory: [name=]path[:ro|:rw]");
	memcpy(path, text, n);
	path[n] = '\0';
	if (realpath(path, real) == NULL) {
		struct err e;
		err_sys(&e, "cannot lend %s", path);
		exit(command_fail(&e));
	}
	r->source = strdup(real);
	if (r->name == NULL) {
		const char *base = strrchr(real, '/') + 1;
		r->name = strdup(id_resource_valid(base) ? base : "ws");
	}
	o->count++;
}

/* An option that is more than a flag or a text. */
static void
parse_other(struct options *o, int option)
{
	struct err e;

	if (option == 'i' || option == 'x') {
		add_pattern(option == 'i' ? o->include : o->exclude, optarg);
	} else if (option == 'r') {
		add_resource(o, optarg);
	} else if (option == 'S') {
		json_decref(o->sandbox);
		if ((o->sandbox = sandbox_demand(optarg, &e)) == NULL)
			exit(command_fail(&e));
	} else if (option == 't') {
		if (clock_parse_span(optarg, &o->ttl, &e) < 0)
			exit(command_fail(&e));
	} else if (option == 'T' && (o->token_file = realpath(optarg, NULL)) == NULL) {
		err_sys(&e, "cannot read the token file %s", optarg);
		exit(command_fail(&e));
	}
}

static void
parse(struct options *o, int argc, char **argv)
{
	const struct {
		int letter;
		bool *flag;
		const char **text;
	} plain[] = {{'b', &o->background, NULL},   {'d', NULL, &o->description},
		     {'e', NULL, &o->url},          {'f', NULL, &o->file},
		     {'j', &o->display.json, NULL}, {'m', NULL, &o->mode},
		     {'n', &o->dry, NULL},          {'o', NULL, &o->access},
		     {'p', NULL, &o->peer},         {'q', &o->display.quiet, NULL},
		     {'R', NULL, &o->resume},       {'v', &o->display.verbose, NULL}};
	int option;

	while ((option = command_option(&command, argc, argv)) != -1) {
		size_t i = 0, n = sizeof plain / sizeof plain[0];
		while (i < n && plain[i].letter != option)
			i++;
		if (i == n)
			parse_other(o, option);
		else if (plain[i].flag != NULL)
			*plain[i].flag = true;
		else
			*plain[i].text = optarg;
	}
	if (strcmp(o->mode, "auto") != 0 && strcmp(o->mode, "staged") != 0 &&
	    strcmp(o->mode, "discard") != 0)
		command_usage("-m is auto, staged or discard, not %s", o->mode);
	o->narrower = strcmp(o->access, "any") == 0;
	if (o->narrower)
		o->access = "rw";
	if (strcmp(o->access, "ro") != 0 && strcmp(o->access, "rw") != 0)
		command_usage("-o is ro, rw or any, not %s", o->access);
	if (o->url != NULL && o->peer != NULL)
		command_usage("-e and -p exclude each other");
	if (o->count == 0)
		add_resource(o, ".");
}

/* The executor's address from -e, -p or the environment. */
static const char *
executor(struct options *o, struct err *e)
{
	const char *url = o->url;

	if (o->peer != NULL) {
		json_t *peer = peer_get(o->peer, e);
		url = peer == NULL ? NULL : jsonx_string(peer, "url", sizeof o->peer_url - 1, e);
		if (url != NULL)
			(void)snprintf(o->peer_url, sizeof o->peer_url, "%s", url);
		json_decref(peer);
		return url == NULL ? NULL : o->peer_url;
	}
	if (url == NULL)
		url = setting_text(SETTING_EXECUTOR);
	if (url[0] == '\0')
		command_usage("which executor? give its address with -e or its name with -p");
	return url;
}

static int
make_filters(struct options *o, struct err *e)
{
	const char *pattern;
	json_t *one;
	size_t j;

	for (size_t i = 0; i < o->count; i++) {
		struct resource *r = &o->resources[i];
		if ((r->filter = filter_new(e)) == NULL)
			return -1;
		json_array_foreach (o->exclude, j, one)
			if ((pattern = json_string_value(one)) == NULL ||
			    filter_exclude(r->filter, pattern, e) < 0)
				return -1;
		json_array_foreach (o->include, j, one)
			if ((pattern = json_string_value(one)) == NULL ||
			    filter_include(r->filter, pattern, e) < 0)
				return -1;
	}
	return 0;
}

static void
free_options(struct options *o)
{
	for (size_t i = 0; i < o->count; i++) {
		free(o->resources[i].name);
		free(o->resources[i].source);
		filter_free(o->resources[i].filter);
	}
	free(o->token_file);
	json_decref(o->exclude);
	json_decref(o->include);
	json_decref(o->sandbox);
}

/* What the options ask for, but for the executor and the text. */
static struct delegation_request
make_request(const struct options *o)
{
	return (struct delegation_request){
	    .token_file = o->token_file,
	    .access = o->access,
	    .narrower = o->narrower,
	    .mode = o->mode,
	    .ttl = o->ttl,
	    .resources = o->resources,
	    .count = o->count,
	    .exclude = o->exclude,
	    .include = o->include,
	    .sandbox = o->sandbox,
	};
}

static int
create(struct options *o, int argc, char **argv, char id[ID_MAX + 1], struct err *e)
{
	struct delegation_request request = make_request(o);
	struct buf prompt = BUF_INIT(MESSAGE_PROMPT);
	struct tree_limits limits;
	struct tree_totals totals;
	int status = -1;

	if ((request.url = executor(o, e)) == NULL || url_check(request.url, e) < 0 ||
	    prompt_read("prompt", o->file, argc, argv, &prompt, e) < 0)
		return -1;
	char *line = prompt_first_line(prompt.data);
	request.prompt = prompt.data;
	request.description = o->description != NULL ? o->description : line;
	if (delegation_check(&request, e) < 0 || make_filters(o, e) < 0 ||
	    tree_limits(&limits, e) < 0 ||
	    tree_admit(o->resources, o->count, &limits, NULL, &totals, e) < 0)
		goto out;
	request.special = totals.special > 0;
	status = delegation_create(&request, id, e);
out:
	free(line);
	buf_free(&prompt);
	return status;
}

/* What the executor keeps, if one is named; it is asked only if that matters. */
static int
ask_peer(struct options *o, enum tree_peer *peer, struct err *e)
{
	struct tree_limits limits = {UINT64_MAX, UINT64_MAX, UINT64_MAX, .sensitive_ok = true};
	struct tree_totals totals;

	*peer = TREE_PEER_KEEPS; /* as one of ours */
	if (o->url == NULL && o->peer == NULL && setting_text(SETTING_EXECUTOR)[0] == '\0')
		return 0;
	const char *url = executor(o, e);
	if (url == NULL || url_check(url, e) < 0)
		return -1;
	if (tree_admit(o->resources, o->count, &limits, NULL, &totals, e) < 0 ||
	    totals.special == 0)
		return 0; /* what is wrong is told soon */
	json_t *d = json_object();
	if (delegation_set_peer_url(d, url) < 0 ||
	    delegation_set_token_file(d, o->token_file) < 0) {
		json_decref(d);
		return err_memory(e);
	}
	*peer = lend_peer_of(d);
	json_decref(d);
	return 0;
}

/* -n: all that the command without it would do before it sends anything. */
static int
look(struct options *o, int argc, char **argv, struct err *e)
{
	struct delegation_request request = make_request(o);
	struct buf prompt = BUF_INIT(MESSAGE_PROMPT);
	struct tree_limits limits;
	int status = -1;

	if ((argc > 0 || o->file != NULL) &&
	    prompt_read("prompt", o->file, argc, argv, &prompt, e) < 0)
		return -1;
	request.prompt = prompt.data;
	request.description = o->description != NULL ? o->description : "";
	if (delegation_check(&request, e) < 0 || make_filters(o, e) < 0 ||
	    tree_limits(&limits, e) < 0 || ask_peer(o, &limits.peer, e) < 0)
		goto out;
	status = preview(o->resources, o->count, &limits, o->display.json, o->display.quiet, e);
out:
	buf_free(&prompt);
	return status;
}

/* From wherever the delegation is to its end. */
static int
follow(struct options *o, const char *id, struct err *e)
{
	struct lend_observer observer = display_observer(&o->display);
	struct lend *l = lend_open(id, &observer, e);

	if (l == NULL)
		return -1;
	/* The id comes first, whatever follows, so that the caller can ask for it.  But not before
	 * we are its follower, or an awcp-watch that is given it might be faster. */
	if (o->display.json)
		(void)printf("{\"delegationId\":\"%s\"}\n", id);
	else
		(void)printf("%s\n", id);
	(void)fflush(stdout); /* command_end looks for errors */
	strcpy(running_id, id);
	int status = lend_resume(l, e); /* a new one begins */
	if (status == 0)
		status = o->background ? 0 : lend_follow(l, 0, e);
	display_clear(&o->display);
	lend_close(l);
	return status;
}

/* What the options ask for; the exit status. */
static int
run_command(struct options *o, int argc, char **argv)
{
	char id[ID_MAX + 1];
	struct err e;

	if (o->dry)
		return look(o, argc, argv, &e) < 0 ? command_fail(&e) : 0;
	if (o->resume != NULL && argc > 0)
		command_usage("-R takes no prompt: the delegation has one");
	int status = o->resume != NULL ? record_find(DELEGATIONS, o->resume, id, &e)
				       : create(o, argc, argv, id, &e);
	return status < 0 || follow(o, id, &e) < 0 ? command_fail(&e) : 0;
}

int
main(int argc, char **argv)
{
	struct options o = {.mode = "auto", .access = "rw", .ttl = 3600};
	struct sigaction interrupt = {.sa_handler = interrupted};

	o.exclude = json_array();
	o.include = json_array();
	parse(&o, argc, argv);
	(void)sigaction(SIGINT, &interrupt, NULL);
	(void)sigaction(SIGTERM, &interrupt, NULL);
	int status = run_command(&o, argc - optind, argv + optind);
	free_options(&o);
	return command_end(status);
}
