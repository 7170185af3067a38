/* awcp-token - who may call the executor of this account */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "jsonx.h"
#include "peer.h"
#include "token.h"

static const struct command command = {
    "awcp-token", "jp:",
    "usage: awcp-token add [-p url] name\n"
    "       awcp-token rm name...\n"
    "       awcp-token list [-j]\n"
    "  -j      NDJSON, a token a line (never the secret)\n"
    "  -p url  do not print the token but keep it for awcp-invite -e url\n"};

/* Make a token for ourselves: known here as a peer's, so that awcp-invite finds it by ${url}. */
static int
add_own(const char *name, const char *url, struct err *e)
{
	char token[70], owner[TOKEN_NAME + 1];

	json_t *peer = peer_get(name, e);
	if (peer == NULL && e->code != ERR_NOT_FOUND && e->code != ERR_BAD_MESSAGE)
		return -1;
	bool good = peer != NULL && strcmp(jsonx_text(peer, "url", ""), url) == 0 &&
		    token_owner(jsonx_text(peer, "token", ""), owner, e) == 0 &&
		    strcmp(owner, name) == 0;
	json_decref(peer);
	if (good)
		return 0;
	/* A half of the pair is of no use without the other: both anew. */
	if (token_remove(name, e) < 0 && e->code != ERR_NOT_FOUND)
		return -1;
	if (token_add(name, token, e) < 0)
		return -1;
	int status = peer_put(name, url, token, e);
	explicit_bzero(token, sizeof token);
	return status;
}

static int
add(const char *name, const char *url, struct err *e)
{
	char token[70];

	if (url != NULL)
		return add_own(name, url, e);
	if (token_add(name, token, e) < 0)
		return -1;
	(void)printf("%s\n", token);
	explicit_bzero(token, sizeof token);
	return 0;
}

static int
show(void *arg, const json_t *token)
{
	const bool *json = arg;

	if (*json)
		command_json(token);
	else
		(void)printf("%-24s %.19s\n", jsonx_text(token, "name", ""),
			     jsonx_text(token, "createdAt", ""));
	return 0;
}

static int
forget(void *arg, const char *name)
{
	struct err e;

	(void)arg;
	return token_remove(name, &e) < 0 ? command_fail(&e) : 0;
}

int
main(int argc, char **argv)
{
	const char *url = NULL, *verb = "";
	bool json = false;
	struct err e;
	int option, status;

	/* Options may stand before or after the verb. */
	for (int round = 0; round < 2; round++) {
		while ((option = command_option(&command, argc, argv)) != -1) {
			if (option == 'j')
				json = true;
			else if (option == 'p')
				url = optarg;
		}
		if (round == 0 && optind < argc)
			verb = argv[optind++];
	}
	int operands = argc - optind;
	if (strcmp(verb, "add") == 0 && operands == 1)
		status = add(argv[optind], url, &e) < 0 ? command_fail(&e) : 0;
	else if (strcmp(verb, "rm") == 0 && operands > 0)
		status = command_each(operands, argv + optind, forget, NULL);
	else if (strcmp(verb, "list") == 0 && operands == 0)
		status = token_list(show, &json, &e) < 0 ? command_fail(&e) : 0;
	else
		command_usage("add, rm or list, and a name");
	return command_end(status);
}
