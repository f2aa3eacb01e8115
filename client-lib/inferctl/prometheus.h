/*
 * prometheus.h - the daemon's counters in Prometheus' text format (version 0.0.4), e.g. for the node exporter's
 * textfile collector.
 */
#ifndef INFERCTL_PROMETHEUS_H
#define INFERCTL_PROMETHEUS_H

#include "json.h"

/* Prints the reports "status" and "stats" on stdout. */
void prometheus_print(const struct json *status, const struct json *stats);

#endif
