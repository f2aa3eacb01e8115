/*
 * gallery_service.h - what clients ask about galleries: checked against the models of the day, handed to the thread
 * that writes, and answered when that is on disk.
 *
 * On the loop.
 */
#ifndef INFERD_GALLERY_SERVICE_H
#define INFERD_GALLERY_SERVICE_H

#include <pthread.h>
#include <uv.h>

#include "galleries.h"
#include "session.h"

struct gallery_request;

struct gallery_service {
	struct galleries *galleries; /* NULL: there is no folder to keep them in */
	struct session_host *host;
	uv_async_t home;
	struct gallery_request *waiting; /* all that are not answered */
	pthread_mutex_t lock;		 /* guards done */
	struct gallery_request *done;	 /* back from the store's thread */
};

/* dir NULL: galleries are not kept.  0 or negative errno. */
int gallery_service_init(struct gallery_service *service, struct session_host *host, const char *dir,
			 uint64_t limit_bytes);
/* Finishes and answers what waits, and closes the handle; no lane runs any more. */
void gallery_service_close(struct gallery_service *service);
/* After the sessions are gone. */
void gallery_service_finish(struct gallery_service *service);

/* fd: of the message, borrowed; -1 none. */
void gallery_service_handle(struct gallery_service *service, struct session *session, uint32_t serial,
			    const struct ipc_gallery *asked, int fd);
bool gallery_service_busy(const struct gallery_service *service);

#endif
