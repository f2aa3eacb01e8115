/* plugins.h - operators of the device's owner: shared objects that the configuration names. */
#ifndef INFERD_PLUGINS_H
#define INFERD_PLUGINS_H

#include "config/config.h"

/*
 * Loads those that are not loaded yet; they stay for the life of the process, also when a later configuration does not
 * name them.  Their code runs with the daemon's rights: a file has to belong to root or to the daemon's own user, and
 * nobody else may be able to write it.  0, -EPERM, -EINVAL, -ENOENT and others with a sentence.  Any thread.
 */
int plugins_load(const struct config *config, struct config_error *ret_error);

#endif
