/*
 * subscriber - the client of one event stream, and what it is sent.
 *
 * Only the loop's thread calls this.  A subscriber to whom another thread sends a big event
 * ("away") is left alone until that is done.
 */
#ifndef EVENTS_SUBSCRIBER_H
#define EVENTS_SUBSCRIBER_H

#include "events/offload.h"
#include "http/fastcgi.h"
#include "http/holder.h"
#include "events/channel.h"

struct subscriber {
	struct offload_job job; /* while another thread has it */
	struct fastcgi connection;
	struct pass pass;
	struct feed_cursor at;
	struct buf rest; /* bytes that the connection took in part, or that are nowhere else */
	size_t rest_sent;
	struct channel *channel;
	LIST_ENTRY(subscriber) same_channel;
	TAILQ_ENTRY(subscriber) later; /* in the order of keepalives */
	int64_t keepalive;
	int64_t began; /* clock_steady */
	uint64_t sent; /* bytes */
	enum err_code failed_with;
	bool full;    /* waits until it can be written to */
	bool away;    /* another thread sends to it */
	bool over;    /* ends when nothing is left to send */
	bool ended;   /* the last event was sent */
	bool closing; /* ends when ${rest} is sent */
	bool gone;    /* the peer is */
};

/* Connections are watched with ${epollfd}, with the subscriber as data; ${post} has the loop's
 * thread do a job; every ${keepalive_ms} a quiet one is sent a comment. */
void subscriber_init(int epollfd,
		     void (*post)(struct offload_job *j, void (*work)(struct offload_job *)),
		     int64_t keepalive_ms);

/* Begin to watch ${s}, which follows ${channel}.  -1 with errno if it cannot be. */
int subscriber_add(struct subscriber *s, struct channel *channel);

/* Handle what epoll reported of the connection of ${s}. */
void subscriber_handle(struct subscriber *s, uint32_t events);

/* Send what ${s} has not got yet, as far as its connection takes that.  This may free ${s}. */
void subscriber_send(struct subscriber *s);

/* The same for all subscribers of ${channel}, whose extent was just read. */
void subscriber_send_all(struct channel *channel);

/* End ${s} with an event that says ${why}, if it has not ended; subscriber_send is to follow. */
void subscriber_fail(struct subscriber *s, const struct err *why);

/* Send the keepalives that are due, or some of them. */
void subscriber_keepalive(int64_t now);

/* End those whose pass is not good any more. */
void subscriber_check(void);

/* When the next keepalive or check is due, from ${now} on; INT64_MAX: never. */
int64_t subscriber_due(int64_t now);

#endif
