/* pace.c - see pace.h. */
#include "pace.h"

void pace_init(struct pace *pace, double fps)
{
	*pace = (struct pace){.period_ns = fps > 0 ? (uint64_t)(1e9 / fps) : 0};
}

uint64_t pace_wait_ns(const struct pace *pace, uint64_t now_ns)
{
	return pace->due_ns > now_ns ? pace->due_ns - now_ns : 0;
}

void pace_advance(struct pace *pace, uint64_t now_ns)
{
	if (!pace->period_ns)
		return;
	pace->due_ns = (pace->due_ns ? pace->due_ns : now_ns) + pace->period_ns;
	if (pace->due_ns + pace->period_ns < now_ns)
		pace->due_ns = now_ns + pace->period_ns;
}
