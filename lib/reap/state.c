/*
 * What one run leaves for the next, and whether the clock can be trusted.
 *
 * A clock that jumps ahead makes everything look old.  Both clocks of the system are compared with
 * their values in the previous run: if the wall clock advanced otherwise than the one that never
 * jumps, nothing is removed for its age for a while, so that a person, or ntpd, can set it right.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "reap/private.h"

#define NAME ".state"
#define JUMP_MS (5 * 60000) /* less is a clock that is being adjusted */

static void
read_boot(char out[40])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f == NULL || fscanf(f, "%39s", out) != 1)
		out[0] = '\0';
	if (f != NULL)
		(void)fclose(f);
}

static void
judge_clock(struct reap *r)
{
	char boot[40], span[32];

	read_boot(boot);
	int64_t steady = clock_since_boot();
	if (strcmp(boot, r->state.boot) == 0) {
		int64_t jump = (r->now - r->state.wall) - (steady - r->state.steady);
		if (jump > JUMP_MS || jump < -JUMP_MS) {
			r->state.doubt = steady + r->limits.clock_doubt;
			reap_warn(r,
				  "the clock was put %s by %s; nothing is removed for its age for "
				  "now; set the clock right if it is wrong",
				  jump > 0 ? "ahead" : "back",
				  reap_span(jump > 0 ? jump : -jump, span));
		}
	} else {
		r->state.doubt = 0;
	}
	memcpy(r->state.boot, boot, sizeof boot);
	r->state.wall = r->now;
	r->state.steady = steady;
	r->doubt = steady < r->state.doubt;
}

/* The numbers in ${line} into ${out}. */
static void
read_numbers(const char *line, int64_t *out, size_t n)
{
	char *end = (char *)(uintptr_t)line;

	for (size_t i = 0; i < n; i++)
		out[i] = strtoimax(end, &end, 10);
}

static void
read_state_line(struct reap_state *s, const char *line)
{
	int64_t clock[4];

	if (strncmp(line, "boot ", 5) == 0) {
		(void)snprintf(s->boot, sizeof s->boot, "%s", line + 5);
	} else if (strncmp(line, "clock ", 6) == 0) {
		read_numbers(line + 6, clock, 4);
		s->wall = clock[0];
		s->steady = clock[1];
		s->doubt = clock[2];
		s->warned = clock[3];
	} else if (strncmp(line, "next ", 5) == 0) {
		read_numbers(line + 5, s->next, REAP_PERIODICS);
	} else if (strncmp(line, "cursor ", 7) == 0) {
		read_numbers(line + 7, s->cursor, REAP_WALKS);
	}
}

void
reap_state_read(struct reap *r)
{
	struct buf b = BUF_INIT(4096);
	char *rest, *line;

	int fd = home_dir("due", NULL);
	if (fd >= 0 && file_slurp(fd, NAME, &b, NULL) == 0 && buf_add(&b, "", 1, NULL) == 0)
		for (line = strtok_r(b.data, "\n", &rest); line != NULL;
		     line = strtok_r(NULL, "\n", &rest))
			read_state_line(&r->state, line);
	buf_free(&b);
	bool previous_doubt = r->state.doubt != 0;
	judge_clock(r);
	/* At once: if this run were killed, the next would not notice the jump. */
	if (!previous_doubt && r->doubt)
		reap_state_write(r);
}

void
reap_state_write(const struct reap *r)
{
	const struct reap_state *s = &r->state;
	char text[1024];

	int fd = home_dir("due", NULL);
	if (fd < 0 || r->options->dry)
		return;
	int n = snprintf(text, sizeof text,
			 "boot %s\nclock %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\nnext",
			 s->boot, s->wall, s->steady, s->doubt, s->warned);
	for (int i = 0; i < REAP_PERIODICS; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, " %" PRId64, s->next[i]);
	n += snprintf(text + n, sizeof text - (size_t)n, "\ncursor");
	for (int i = 0; i < REAP_WALKS; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, " %" PRId64, s->cursor[i]);
	n += snprintf(text + n, sizeof text - (size_t)n, "\n");
	(void)file_replace(fd, NAME, text, (size_t)n, false, NULL);
}
