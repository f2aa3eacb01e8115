/*
 * pingpong.h - what two processes on this machine pay at least to exchange a message and its answer.
 */
#ifndef INFERCTL_PINGPONG_H
#define INFERCTL_PINGPONG_H

/*
 * 64 bytes there and back over a Unix socket, between two processes on different cores (on the same one where there is
 * only one), with a pause before each: a core that has had time to sleep takes longer to wake.  Puts `count` round
 * trips in microseconds into times.  0 or a negative errno.  Forks: call it while there is one thread.
 */
int pingpong_measure(float *times, int count, unsigned pause_us);

#endif
