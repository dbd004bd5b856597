/* SPDX-License-Identifier: Apache-2.0 */

/* Passwords: slow on purpose, and therefore by threads. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/access_private.h"
#include "controller/change.h"

struct job {
	struct vtap_work work; /* first: a pointer to it is one to the job */
	char *password; /* owned, wiped */
	char hash[VTAP_PASSWORD_HASH_STRLEN];
	bool verifies;
	int result;
	vtap_access_hashed done;
	void *userdata;
};

static void job_run(struct vtap_work *work)
{
	struct job *job = (struct job *)work;

	if (!job->verifies)
		job->result = vtap_password_hash(job->password, job->hash);
	else
		job->result = vtap_password_verify(job->hash, job->password) ? 0 : -EACCES;
}

static void job_free(struct job *job)
{
	vtap_secret_wipe(job->password);
	free(job->password);
	free(job);
}

static void job_done(struct vtap_work *work, int r)
{
	struct job *job = (struct job *)work;

	job->done(r < 0 ? r : job->result, job->hash, job->userdata);
	job_free(job);
}

/* hash = NULL: to be made. */
static int submit(struct vtap_access *a, const char *password, const char *hash, vtap_access_hashed done,
		  void *userdata)
{
	struct job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	*job = (struct job){.work = {.run = job_run, .done = job_done},
			    .password = strdup(password),
			    .verifies = hash,
			    .done = done,
			    .userdata = userdata};
	snprintf(job->hash, sizeof(job->hash), "%s", hash ? hash : "");
	r = job->password ? vtap_workers_submit(a->workers, &job->work) : -ENOMEM;
	if (r < 0)
		job_free(job);
	return r;
}

int vtap_access_hash(struct vtap_access *a, const char *password, vtap_access_hashed done, void *userdata)
{
	return submit(a, password, NULL, done, userdata);
}

int vtap_access_verify(struct vtap_access *a, const char *user, const char *password, vtap_access_hashed done,
		       void *userdata)
{
	char key[VTAP_ID_STRLEN + 16];
	void *hash = NULL;
	size_t hash_bytes;
	int r = -ENOENT;

	if (user) {
		snprintf(key, sizeof(key), "password/%s", user);
		r = vtap_store_get(a->controller->store, key, &hash, &hash_bytes, NULL);
	}
	if (r < 0 && r != -ENOENT)
		return r;
	r = submit(a, password, hash ? hash : a->dummy_hash, done, userdata);
	free(hash);
	return r;
}

int vtap_access_put_password(struct vtap_change *c, const char *user, const char *hash)
{
	char key[VTAP_ID_STRLEN + 16];

	snprintf(key, sizeof(key), "password/%s", user);
	return vtap_change_put_key(c, key, hash, strlen(hash));
}

int vtap_access_check_password(struct vtap_change *c, const char *user, const char *hash)
{
	char key[VTAP_ID_STRLEN + 16];
	_cleanup_free_ char *now = NULL;
	size_t now_bytes;
	int r;

	snprintf(key, sizeof(key), "password/%s", user);
	r = vtap_change_get_key(c, key, &now, &now_bytes);
	if (r < 0)
		return r == -ENOENT ? -EACCES : r;
	return vtap_secret_equal(now, hash) ? 0 : -EACCES;
}

int vtap_access_delete_password(struct vtap_change *c, const char *user)
{
	char key[VTAP_ID_STRLEN + 16];

	snprintf(key, sizeof(key), "password/%s", user);
	return vtap_change_delete_key(c, key);
}
