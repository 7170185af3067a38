/* awcp-token - who may call the programs of this account, to do what, until when, and how much */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "command.h"
#include "base/jsonx.h"
#include "access/peer.h"
#include "access/token.h"

static const struct command command = {
    "awcp-token", "jl:p:x:",
    "usage: awcp-token add [-x time] [-l limit=value]... [-p url] [--rights list]\n"
    "                      [--tenant tenant] name\n"
    "       awcp-token set [--rights list] [--tenant tenant] name\n"
    "       awcp-token rotate [-p url] name\n"
    "       awcp-token rm name...\n"
    "       awcp-token list [-j]\n"
    "  -j        NDJSON, a token a line (never the secret)\n"
    "  -l limit  active=n delegations at a time, ttl=time of a lease, bytes=n of an archive,\n"
    "            rate=n invitations a minute, queue=name[,name]..., connections=n, streams=n,\n"
    "            tasks=n of a queue, disk=n, questions=n of a task, events=n bytes\n"
    "  -p url    do not print the token, but save it for awcp-invite -e url\n"
    "  -x time   it expires after that time (90s, 15m, 2h, 7d)\n"
    "  --rights list    of invite,lend,work,put,read,enrol,admin (invite,work,put,read)\n"
    "  --tenant tenant  to whom belongs what is done with it (name)\n"};

enum { RIGHTS = 256, TENANT };

static const struct option words[] = {
    {"rights", required_argument, NULL, RIGHTS}, {"tenant", required_argument, NULL, TENANT}, {0}};

struct request {
	const char *url;
	struct token token;
	bool json;
	bool limited; /* -l or -x was given */
};

/* Remember ${token} for our own calls, or print it. */
static int
hand_out(const char *name, const struct request *o, const char *token, struct err *e)
{
	if (o->url != NULL)
		return peer_put(name, o->url, token, e);
	(void)printf("%s\n", token);
	return 0;
}

/* Is there a token for ourselves already: known here as a peer's, so that awcp-invite finds it by
 * the url?  -1 if that cannot be told. */
static int
have_own(const char *name, const char *url, struct err *e)
{
	struct token own;

	json_t *peer = peer_get(name, e);
	if (peer == NULL && e->code != ERR_NOT_FOUND && e->code != ERR_BAD_MESSAGE)
		return -1;
	bool good = peer != NULL && strcmp(jsonx_text(peer, "url", ""), url) == 0 &&
		    token_holder(jsonx_text(peer, "token", ""), RIGHTS_ALL, &own, e) == 0 &&
		    strcmp(own.name, name) == 0;
	json_decref(peer);
	if (good)
		return 1;
	/* One of the two is useless without the other: make both anew. */
	return token_remove(name, e) < 0 && e->code != ERR_NOT_FOUND ? -1 : 0;
}

/* Give ${t} its name, which may be too long for one. */
static int
set_name(struct token *t, const char *name, struct err *e)
{
	if (strlen(name) > TOKEN_NAME)
		return err_set(e, ERR_USAGE, "a token's name has at most %d bytes", TOKEN_NAME);
	strcpy(t->name, name);
	return 0;
}

static int
add_token(const char *name, struct request *o, struct err *e)
{
	char token[70];
	int have = o->url != NULL ? have_own(name, o->url, e) : 0;

	if (have != 0)
		return have > 0 ? 0 : -1;
	if (set_name(&o->token, name, e) < 0 || token_add(&o->token, token, e) < 0)
		return -1;
	int status = hand_out(name, o, token, e);
	explicit_bzero(token, sizeof token);
	return status;
}

static int
change_token(const char *name, struct request *o, struct err *e)
{
	return set_name(&o->token, name, e) < 0 ? -1 : token_change(&o->token, e);
}

static int
rotate_token(const char *name, const struct request *o, struct err *e)
{
	char token[70];

	if (token_rotate(name, token, e) < 0)
		return -1;
	int status = hand_out(name, o, token, e);
	explicit_bzero(token, sizeof token);
	return status;
}

/* "active=2 ttl=600 queue=a,b" on stdout. */
static void
show_limits(const json_t *limits)
{
	const char *key;
	json_t *value, *one;
	size_t i;

	json_object_foreach ((json_t *)(uintptr_t)limits, key, value) {
		if (json_is_integer(value)) {
			(void)printf(" %s=%lld", key, (long long)json_integer_value(value));
			continue;
		}
		json_array_foreach (value, i, one)
			(void)printf("%s%s", i == 0 ? " queue=" : ",", json_string_value(one));
	}
}

static int
show_token(void *arg, const json_t *token)
{
	const char *tenant = jsonx_text(token, "tenant", NULL);
	const struct request *o = arg;
	char rights[RIGHTS_TEXT];

	if (o->json) {
		command_json(token);
		return 0;
	}
	(void)printf("%-24s %.19s %-19.19s", jsonx_text(token, "name", ""),
		     jsonx_text(token, "createdAt", ""), jsonx_text(token, "expiresAt", "never"));
	show_limits(json_object_get(token, "limits"));
	if (rights_of(token) != RIGHTS_USUAL)
		(void)printf(" rights=%s", rights_format(rights_of(token), ",", rights));
	if (tenant != NULL)
		(void)printf(" tenant=%s", tenant);
	(void)printf("\n");
	return 0;
}

static int
remove_token(void *arg, const char *name)
{
	struct err e;

	(void)arg;
	return token_remove(name, &e) < 0 ? command_fail(&e) : 0;
}

static int
set_option(struct request *o, int option, struct err *e)
{
	int64_t seconds;

	switch (option) {
	case 'j':
		o->json = true;
		return 0;
	case 'p':
		o->url = optarg;
		return 0;
	case 'l':
		o->limited = true;
		return token_limit(&o->token.limits, optarg, e);
	case RIGHTS:
		return rights_parse(optarg, &o->token.rights, e);
	case TENANT:
		if (strlen(optarg) > TOKEN_NAME || optarg[0] == '\0')
			return err_set(e, ERR_USAGE, "not the name of a tenant: %.80s", optarg);
		strcpy(o->token.tenant, optarg);
		return 0;
	default:
		o->limited = true;
		if (clock_parse_span(optarg, &seconds, e) < 0)
			return -1;
		o->token.expires = clock_now() + seconds * 1000;
		return 0;
	}
}

int
main(int argc, char **argv)
{
	struct request o = {.url = NULL};
	const char *verb = "";
	struct err e;
	int option, status;

	/* Options may stand before or after the verb. */
	for (int round = 0; round < 2; round++) {
		while ((option = command_option_word(&command, words, argc, argv)) != -1)
			if (set_option(&o, option, &e) < 0)
				return command_end(command_fail(&e));
		if (round == 0 && optind < argc)
			verb = argv[optind++];
	}
	int operands = argc - optind;
	bool allowed = o.token.rights != 0 || o.token.tenant[0] != '\0';
	if (o.limited && strcmp(verb, "add") != 0)
		command_usage("-l and -x are for add");
	if (allowed && strcmp(verb, "add") != 0 && strcmp(verb, "set") != 0)
		command_usage("--rights and --tenant are for add and set");
	if (strcmp(verb, "add") == 0 && operands == 1)
		status = add_token(argv[optind], &o, &e) < 0 ? command_fail(&e) : 0;
	else if (strcmp(verb, "set") == 0 && operands == 1 && allowed)
		status = change_token(argv[optind], &o, &e) < 0 ? command_fail(&e) : 0;
	else if (strcmp(verb, "rotate") == 0 && operands == 1)
		status = rotate_token(argv[optind], &o, &e) < 0 ? command_fail(&e) : 0;
	else if (strcmp(verb, "rm") == 0 && operands > 0)
		status = command_each(operands, argv + optind, remove_token, NULL);
	else if (strcmp(verb, "list") == 0 && operands == 0)
		status = token_list(show_token, &o, &e) < 0 ? command_fail(&e) : 0;
	else
		command_usage("add, set, rotate, rm or list, and a name");
	return command_end(status);
}
