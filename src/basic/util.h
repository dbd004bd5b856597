/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Ownership helpers: cleanup attributes for everything that a function acquires, and VTAP_STEAL for what it gives away.
 */

#include <stdlib.h>
#include <unistd.h>

#define VTAP_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define VTAP_MIN(a, b)                                                                                                 \
	({                                                                                                             \
		__typeof__(a) vtap_a_ = (a);                                                                           \
		__typeof__(b) vtap_b_ = (b);                                                                           \
		vtap_a_ < vtap_b_ ? vtap_a_ : vtap_b_;                                                                 \
	})
#define VTAP_MAX(a, b)                                                                                                 \
	({                                                                                                             \
		__typeof__(a) vtap_a_ = (a);                                                                           \
		__typeof__(b) vtap_b_ = (b);                                                                           \
		vtap_a_ > vtap_b_ ? vtap_a_ : vtap_b_;                                                                 \
	})

#define VTAP_CLEANUP(f) __attribute__((cleanup(f)))
#define VTAP_PRINTF(position, first) __attribute__((format(printf, position, first)))

/* Hands the value over and leaves the owner empty, so that its cleanup does nothing. */
#define VTAP_STEAL(p)                                                                                                  \
	({                                                                                                             \
		__typeof__(p) vtap_p_ = (p);                                                                           \
		(p) = NULL;                                                                                            \
		vtap_p_;                                                                                               \
	})
#define VTAP_STEAL_FD(fd)                                                                                              \
	({                                                                                                             \
		int vtap_fd_ = (fd);                                                                                   \
		(fd) = -1;                                                                                             \
		vtap_fd_;                                                                                              \
	})

/* Defines FREE_FUNCTIONp() for VTAP_CLEANUP from a destructor that takes NULL and returns NULL. */
#define VTAP_DEFINE_CLEANUP(type, free_function)                                                                       \
	static inline void free_function##p(type *p)                                                                   \
	{                                                                                                              \
		if (*p)                                                                                                \
			*p = free_function(*p);                                                                        \
	}                                                                                                              \
	struct vtap_cleanup_needs_semicolon

static inline void vtap_freep(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ VTAP_CLEANUP(vtap_freep)

static inline void vtap_closep(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}
#define _cleanup_close_ VTAP_CLEANUP(vtap_closep)
