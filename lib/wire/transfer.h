/*
 * transfer - one HTTP request on its way; what client is made of.
 *
 * A transfer is a curl easy handle with all that its callbacks need.  It keeps the first error of
 * its sink or body, which goes out unchanged instead of curl's "callback failed".
 */
#ifndef WIRE_TRANSFER_H
#define WIRE_TRANSFER_H

#include <curl/curl.h>

#include "wire/client.h"

struct transfer {
	CURL *easy;
	struct curl_slist *headers;
	const struct client_body *body;
	uint64_t sent; /* bytes taken from the body */
	client_sink *sink;
	void *arg;
	long only;        /* the status whose content is for the sink; 0: any but a redirect */
	size_t head_size; /* bytes of the answer's head so far */
	bool head;        /* the head of the answer is here, with ${status} and ${type} */
	bool done;        /* it is over, and ${code} says how */
	CURLcode code;
	long status;
	char type[64];    /* media type of the answer, "" if it has none */
	curl_off_t moved; /* bytes in both directions at the last transfer_check */
	int64_t moved_at; /* since when it has been so, clock_steady ms */
	struct err err;   /* what the sink or the body said */
	char origin[256]; /* "http://host:port", for messages */
	char detail[CURL_ERROR_SIZE];
};

struct transfer_options {
	const char *url;
	const char *token;  /* or NULL */
	bool own;           /* the token is for a program of this account: see listener.h */
	const char *accept; /* media type */
	long timeout;       /* s, to connect */
};

/* A GET whose content goes to ${sink}.  NULL on failure. */
struct transfer *transfer_new(const struct transfer_options *o, client_sink *sink, void *arg,
			      struct err *e);

/* Make it a POST of ${body} (NULL: empty), borrowed until the end. */
int transfer_post(struct transfer *t, const struct client_body *body, struct err *e);

/* Make it a POST of the JSON ${text}, borrowed until the end; curl can send it again by itself. */
int transfer_post_text(struct transfer *t, const char *text, struct err *e);

/* Add the header line "${name}: ${value}"; an empty value takes a header of curl's away. */
int transfer_header(struct transfer *t, const char *name, const char *value, struct err *e);

/* Fail if nothing moved for ${timeout} seconds. */
int transfer_check(struct transfer *t, long timeout, struct err *e);

/* How a transfer that is done went: 0 if it was answered in full, else -1 and why. */
int transfer_outcome(const struct transfer *t, struct err *e);

/* The redirect or the refused token that the answer may be, as an error; else 0. */
int transfer_refused(const struct transfer *t, struct err *e);

void transfer_free(struct transfer *t);

#endif
