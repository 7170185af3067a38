/* Print the tables of lib/fsm: "machine state" a line for each state, "machine state EVENT next"
 * for each transition, and "* * EVENT" for each event; for tests that must miss none. */
#include <stdio.h>

#include "wire/fsm.c" /* NOLINT(bugprone-suspicious-include): the tables are private to it */

static void
print(const char *machine, const struct fsm *m)
{
	for (int i = 0; m->states[i] != NULL; i++) {
		(void)printf("%s %s\n", machine, m->states[i]);
		for (int event = 0; event < FSM_EVENTS; event++)
			if (m->next[i][event] != NULL)
				(void)printf("%s %s %s %s\n", machine, m->states[i],
					     event_names[event], m->next[i][event]);
	}
}

int
main(void)
{
	print("assignment", &fsm_assignment);
	print("delegation", &fsm_delegation);
	for (int event = 0; event < FSM_EVENTS; event++)
		(void)printf("* * %s\n", event_names[event]);
	return 0;
}
