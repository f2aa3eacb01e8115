/*
 * made_record.h - a field record as a device might leave it: an hour of a warm afternoon, made up.
 *
 * A camera at 15 frames a second; the device heats up, is throttled, steps down and recovers; a neighbour competes for
 * its cores for some minutes.  The same seed gives the same record.
 */
#ifndef INFERD_MADE_RECORD_H
#define INFERD_MADE_RECORD_H

#include <stdint.h>

/* Writes DIR/record.db, of so many minutes.  model: a name, which may be anything. */
void made_record_write(const char *dir, const char *model, int minutes, uint64_t seed);

#endif
