// SPDX-License-Identifier: Apache-2.0

#include "agent/control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "agent/status.h"

#define CONTROL_TIMEOUT_S 5

static int socket_address(const char *state_dir, struct sockaddr_un *ret_address)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/agent.sock", state_dir);

	if (n >= (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	*ret_address = address;
	return 0;
}

static int lock_open(const char *state_dir, int flags)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/agent.lock", state_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

bool vtap_control_taken(const char *state_dir)
{
	_cleanup_close_ int fd = lock_open(state_dir, O_RDWR);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static int listen_at(const char *state_dir, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	int r;

	r = socket_address(state_dir, &address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (unlink(address.sun_path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(address.sun_path, 0600) < 0 ||
	    listen(fd, 16) < 0)
		return -errno;
	*ret_fd = VTAP_STEAL_FD(fd);
	return 0;
}

int vtap_control_open(struct vtap_agent *a, struct vtap_error *reterr)
{
	const char *dir = a->options.state_dir;
	_cleanup_close_ int lock = -1;
	int r;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return vtap_error_set(reterr, -errno, 0, "", "the state directory %s cannot be made: %s", dir,
				      strerror(errno));
	lock = lock_open(dir, O_RDWR | O_CREAT);
	if (lock < 0)
		return vtap_error_set(reterr, lock, 0, "", "the state directory %s cannot be used: %s", dir,
				      strerror(-lock));
	if (flock(lock, LOCK_EX | LOCK_NB) < 0)
		return vtap_error_set(reterr, -EBUSY, 0, "", "another agent runs with the state directory %s", dir);
	r = listen_at(dir, &a->control_fd);
	if (r < 0)
		return vtap_error_set(reterr, r, 0, "", "%s/agent.sock cannot be made: %s", dir, strerror(-r));
	a->lock_fd = VTAP_STEAL_FD(lock);
	return 0;
}

/* The status as a file in memory, at its start. */
static int status_file(struct vtap_agent *a, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create("vtap-status", MFD_CLOEXEC);
	json_t *status;
	int r;

	if (fd < 0)
		return -errno;
	status = vtap_status_make(a);
	if (!status)
		return -ENOMEM;
	r = json_dumpfd(status, fd, JSON_INDENT(2));
	json_decref(status);
	if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -EIO;
	*ret_fd = VTAP_STEAL_FD(fd);
	return 0;
}

/* Room for one descriptor beside a message of one byte. */
struct fd_message {
	char byte;
	struct iovec vector;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message;
};

static void fd_message_init(struct fd_message *m)
{
	memset(m, 0, sizeof(*m));
	m->vector = (struct iovec){.iov_base = &m->byte, .iov_len = 1};
	m->message = (struct msghdr){.msg_iov = &m->vector,
				     .msg_iovlen = 1,
				     .msg_control = m->control.space,
				     .msg_controllen = sizeof(m->control.space)};
}

int vtap_control_answer(struct vtap_agent *a)
{
	_cleanup_close_ int client = accept4(a->control_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	_cleanup_close_ int fd = -1;
	struct fd_message m;
	struct cmsghdr *header;
	int r;

	if (client < 0)
		return errno == EAGAIN || errno == ECONNABORTED ? 0 : -errno;
	r = status_file(a, &fd);
	if (r < 0)
		return r;
	fd_message_init(&m);
	header = CMSG_FIRSTHDR(&m.message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	/* A client that went away meanwhile is its own affair. */
	(void)sendmsg(client, &m.message, MSG_NOSIGNAL);
	return 0;
}

int vtap_control_ask(const char *state_dir, json_t **ret_status)
{
	_cleanup_close_ int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct timeval timeout = {.tv_sec = CONTROL_TIMEOUT_S};
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	struct fd_message m;
	struct cmsghdr *header;
	json_t *status;
	int r;

	if (s < 0)
		return -errno;
	r = socket_address(state_dir, &address);
	if (r < 0)
		return r;
	if (setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    connect(s, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	fd_message_init(&m);
	if (recvmsg(s, &m.message, MSG_CMSG_CLOEXEC) < 1)
		return errno == EAGAIN ? -ETIMEDOUT : -ECONNRESET;
	header = CMSG_FIRSTHDR(&m.message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	status = json_loadfd(fd, 0, NULL);
	if (!status)
		return -EPROTO;
	*ret_status = status;
	return 0;
}
