/*
 * claims - how a task of a queue is put, claimed, beaten for, lost and finished, as a model that
 * Spin searches for a way to break a promise:
 *
 *	what was said to be put is there, and what was said to be completed stays so;
 *	only the latest claim can finish the task: a worker that lost its lease cannot, and never
 *	can two;
 *	a task that somebody has will be free again: there is a lease that can end.
 *
 * There is one task, somebody who puts it until that is acknowledged, and workers that may be on
 * other machines: a process that works on the queue for them may be killed before any change that
 * it makes, and the power may be cut, while they go on and believe what they were told.
 *
 * What the files hold is here: the last line of the task in the journal, and what of the journal
 * is on the disk; what the index says, which is behind when a writer was killed and not believed
 * after a power cut; the claim's file in running/ and whether its lease has ended; and the lock.
 * See lib/queue/queue.h for the protocol, lib/queue/claim.c and lib/queue/take.c for what is modelled.
 *
 * Compiled with one of these, the model is of a protocol that lacks something, and Spin must find
 * out: NO_LOCK, NO_FENCE, NO_SYNC, NO_CLAIM_SYNC, NO_CATCH_UP, NO_RESTORE.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef DEATHS
#define DEATHS 2 /* of processes, one for each request */
#endif
#ifndef CUTS
#define CUTS 1 /* of the power */
#endif
#define ATTEMPTS 3 /* leases end as long as there are fewer */
#define FREE 255

mtype = { pending, running, completed };
#define none 0

/* The journal's last line, what is on the disk, and what the index says. */
typedef place {
	mtype state;
	byte attempt;
	byte owner /* nobody can see this: who made the claim, 0 nobody */
}
place line, disk, seen;
bool sound = true; /* the index is of this boot */
bool file, over;   /* running/<n>, and its lease has ended */
byte lock = FREE;
byte boot, deaths = DEATHS;
bool put_said, end_said;

#define COPY(from, to) to.state = from.state; to.attempt = from.attempt; to.owner = from.owner
#define WRITE(s, a, o) line.state = s; line.attempt = a; line.owner = o

/* A change that a process makes, unless it is killed before, or the power was cut. */
#define DO(change)                                                              \
	if                                                                      \
	:: atomic { boot == born -> change }                                    \
	:: atomic { boot != born -> goto cut }                                  \
	:: atomic { boot == born && deaths > 0 -> deaths--; goto killed }       \
	fi

#ifdef NO_LOCK
#define LOCK   skip
#define UNLOCK skip
#define LET_GO skip
#else
#define LOCK                                                                    \
	if                                                                      \
	:: atomic { boot == born && lock == FREE -> lock = me }                 \
	:: atomic { boot != born -> goto cut }                                  \
	fi
#define UNLOCK DO(lock = FREE)
/* The kernel does it. */
#define LET_GO atomic { if :: boot == born && lock == me -> lock = FREE :: else fi }
#endif

inline restore()
{
#ifdef NO_RESTORE
	skip
#else
	if
	:: line.state == running && !file -> file = true; over = true
	:: else
	fi
#endif
}

/* Index what a killed writer did not, or make the index anew. */
inline catch_up()
{
	if
	:: !sound -> COPY(line, seen); sound = true; restore()
#ifdef NO_CATCH_UP
	:: else
#else
	:: else -> COPY(line, seen)
#endif
	fi
}

/* Return the task if its claim lapsed. */
#define TEND                                                                    \
	if                                                                      \
	:: file && over && seen.state == running ->                             \
		DO(WRITE(pending, seen.attempt, 0));                            \
		DO(COPY(line, seen));                                           \
		DO(file = false)                                                \
	:: file && over && seen.state != running -> DO(file = false)            \
	:: else                                                                 \
	fi

#define HELD(a) (seen.state == running && (seen.attempt == a FENCE))
#ifdef NO_FENCE
#define FENCE || true
#else
#define FENCE
#endif
#ifdef NO_SYNC
#define SYNC skip
#else
#define SYNC DO(COPY(line, disk))
#endif
#ifdef NO_CLAIM_SYNC
#define SYNC_CLAIM skip
#else
#define SYNC_CLAIM DO(COPY(line, disk))
#endif

active proctype putter()
{
	byte born = boot, me = 100;

again:
	LOCK;
	DO(catch_up());
	if
	:: seen.state == none -> DO(WRITE(pending, 0, 0)); DO(COPY(line, seen))
	:: else /* its key is there */
	fi;
	UNLOCK;
	SYNC;
	put_said = true;
	goto done;
killed:
	LET_GO;
cut:
	born = boot;
	goto again;
done:
	skip
}

active [WORKERS] proctype worker()
{
	byte born, me = _pid, mine, made; /* the claim that it was told of, and one in the making */

idle:
	atomic { born = boot; made = 0 }
end:
	if
	:: mine == 0 && (line.state == pending || (file && over) || !sound) -> goto take
	:: mine != 0 -> goto finish
	:: mine != 0 && over -> goto beat
	:: atomic { mine != 0 && deaths > 0 -> deaths--; mine = 0; goto idle }
	:: line.state == completed && mine == 0 -> goto done
	fi;
take:
	LOCK;
	DO(catch_up());
	TEND;
	if
	:: seen.state == pending ->
		DO(file = true; over = false);
		DO(WRITE(running, seen.attempt + 1, me); made = line.attempt);
		DO(COPY(line, seen))
	:: else
	fi;
	UNLOCK;
	if
	:: made != 0 -> SYNC_CLAIM; mine = made
	:: else
	fi;
	goto idle;
beat:
	LOCK;
	DO(catch_up());
	if
	:: HELD(mine) && file -> DO(over = false)
	:: else -> mine = 0
	fi;
	UNLOCK;
	goto idle;
finish:
	LOCK;
	DO(catch_up());
	if
	:: HELD(mine) ->
		/* Nobody else has it, or had it since. */
		DO(assert(line.owner == me); WRITE(completed, seen.attempt, me));
		DO(COPY(line, seen));
		DO(file = false);
		UNLOCK;
		SYNC;
		end_said = true;
		mine = 0
	:: else -> mine = 0; UNLOCK
	fi;
	goto idle;
killed:
	LET_GO;
cut:
	goto idle;
done:
	skip
}

/* Time passes. */
active proctype leases()
{
end:
	do
	:: atomic { file && !over && line.attempt < ATTEMPTS -> over = true }
	od
}

/* What was not made durable may be lost; a lock is. */
active proctype power()
{
	byte cuts = CUTS;

end:
	do
	:: atomic {
		cuts > 0 -> cuts--;
		boot++;
		lock = FREE;
		sound = false;
		if
		:: COPY(disk, line)
		:: COPY(line, disk)
		fi;
		if
		:: file = false
		:: skip
		fi
	}
	od
}

active proctype promises()
{
end:
	do
	:: atomic { put_said && line.state == none -> assert(false) }
	:: atomic { end_said && line.state != completed -> assert(false) }
	:: atomic {
		timeout -> /* nothing can happen any more but that a lease ends */
		assert(line.state == completed || (line.state == running && (file || !sound)));
		break
	}
	od
}
