/*
 * camera.h - what source_v4l2.c asks of the kernel about a camera, so that tests can put a driver of their own there.
 *
 * Nothing that comes back is trusted: sizes, indexes and lengths are checked by who asked.
 */
#ifndef INFERCTL_CAMERA_H
#define INFERCTL_CAMERA_H

#include <stddef.h>
#include <stdint.h>

/* As the calls of these names, for a device of <linux/videodev2.h>; errors are negative errno. */
struct camera_ops {
	int (*open)(void *user, const char *path); /* a descriptor that can be polled, without waiting */
	int (*ioctl)(void *user, int fd, unsigned long request, void *argument);
	int (*map)(void *user, int fd, size_t length, uint32_t offset, void **ret_memory); /* for reading */
	void (*unmap)(void *user, void *memory, size_t length);
	void (*close)(void *user, int fd);
	void *user;
};

extern const struct camera_ops camera_kernel;

#endif
