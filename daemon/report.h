/*
 * report.h - what the daemon says of itself: REPORT bodies for status, models, stats and top.
 */
#ifndef INFERD_REPORT_H
#define INFERD_REPORT_H

#include "daemon.h"

void report_status(const struct daemon *daemon, const struct session *asker, struct ipc_writer *writer);
/* The last seconds, by model and rung. */
void report_top(const struct daemon *daemon, const struct session *asker, struct ipc_writer *writer);
void report_models(const struct daemon *daemon, const struct session *asker, struct ipc_writer *writer);
/* Of clients, an owner is shown all and anybody else itself alone. */
void report_stats(const struct daemon *daemon, const struct session *asker, struct ipc_writer *writer);

#endif
