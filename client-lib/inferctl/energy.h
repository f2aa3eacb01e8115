/*
 * energy.h - what the processors have drawn so far, where the kernel has a meter: the packages of its powercap
 * framework.
 *
 * Idle parts and other work are in it.  Reading needs the superuser on most systems.
 */
#ifndef INFERCTL_ENERGY_H
#define INFERCTL_ENERGY_H

#include <stdint.h>

/*
 * Microjoules of all packages below root ("" for the system's own /sys), which wrap around at a number of the kernel's;
 * -1: there is no meter, or it may not be read.
 */
int64_t energy_read_uj(const char *root);

#endif
