/* SPDX-License-Identifier: Apache-2.0 */

/* The HTTP server, and each request's way to its handler: who asks, in which project, with which body. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>

#include "basic/log.h"
#include "controller/access.h"
#include "controller/audit.h"
#include "controller/call_private.h"
#include "controller/feed.h"

/*
 * Agents hold a connection each, and may all come from one address. All of them may come at once after a start, and are known with
 * their first request; who is one too many before that tries again.
 */
#define AGENTS_MAX 10240
#define AGENT_MAX 64
#define USERS_MAX 4096
#define USER_MAX 512
#define UNKNOWN_MAX 2048
#define CONNECTIONS_MAX                                                                                                \
	(AGENTS_MAX + USERS_MAX + UNKNOWN_MAX + 1024) /* some more: those that are ended go a little later */
#define REQUEST_TIMEOUT_MS 30000
#define IDLE_MS 120000
#define NO_BODY_MAX_BYTES 4096 /* where none is taken: to say so */
#define BODY_SHARE_BYTES (24U << 20) /* of VTAP_HTTP_BODIES_MAX_BYTES, for the bodies of one user or host */

static const struct vtap_api_route *const tables[] = {
    vtap_api_routes_health,   vtap_api_routes_access, vtap_api_routes_resources, vtap_api_routes_rules,
    vtap_api_routes_audit,    vtap_api_routes_events, vtap_api_routes_hosts,     vtap_api_routes_agents,
    vtap_api_routes_sessions, vtap_api_routes_trace,
};

static const char *const security_headers[] = {"Cache-Control: no-store", "X-Content-Type-Options: nosniff", NULL};

struct served { /* what a request's route is for */
	const struct vtap_api_route *route; /* borrowed */
	const struct vtap_kind *kind; /* of a path below /v1/PLURAL; NULL = none */
};

struct vtap_api {
	struct vtap_controller *controller; /* borrowed */
	struct served *routes; /* owned */
	struct vtap_http_route *http_routes; /* owned */
	size_t route_count;
	struct vtap_http_server *server; /* owned */
	sd_event_source *io, *timer; /* owned */
	bool tls;
	struct vtap_api_figures figures;
};

uint64_t vtap_api_now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

void vtap_api_count(struct vtap_api *a, unsigned status, uint64_t begun_ns)
{
	a->figures.answers[VTAP_MIN(status / 100, (unsigned)VTAP_ARRAY_SIZE(a->figures.answers) - 1)]++;
	a->figures.duration_ns += vtap_api_now_ns() - begun_ns;
}

void vtap_api_get_figures(const struct vtap_api *a, struct vtap_api_figures *ret_figures)
{
	*ret_figures = a->figures;
}

static int authenticate_agent(struct vtap_call *call, struct vtap_change *change)
{
	static const struct {
		int from, to;
	} codes[] = {{-EACCES, -EPERM}, {-ENOENT, -EPERM}, {-EBUSY, -EACCES}};
	struct vtap_error e = {};
	int r;

	r = vtap_feed_authenticate(call->controller->feed, change, call->request, &call->principal, &e);
	if (r >= 0)
		return 0;
	if (r == -EKEYREVOKED)
		call->problem_type = VTAP_PROBLEM_REVOKED;
	if (r == -EBUSY)
		call->problem_type = VTAP_PROBLEM_SUSPENDED;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(codes); i++)
		if (codes[i].from == r)
			return vtap_call_fail(call, codes[i].to, NULL, "%s", e.text);
	return vtap_call_fail(call, r, NULL, "%s", e.text);
}

static int authenticate(struct vtap_call *call, struct vtap_change *change)
{
	struct vtap_error e = {};
	int r;

	if (call->route->flags & VTAP_ROUTE_OPEN)
		return 0;
	if (call->route->flags & VTAP_ROUTE_AGENT)
		return authenticate_agent(call, change);
	r = vtap_access_authenticate(call->controller->access, call->request, &call->principal, &e);
	return r < 0 ? vtap_call_fail(call, r, NULL, "%s", e.text) : 0;
}

/* Whose share of the memory for bodies a request takes: of who is not known, none. */
static int admit(const struct vtap_http_request *request, char ret_who[VTAP_HTTP_WHO_STRLEN], void *userdata)
{
	struct vtap_api *a = userdata;
	const struct vtap_api_route *route = ((const struct served *)request->route->data)->route;
	struct vtap_addr network = request->peer;
	struct vtap_principal p = {};
	int r = 0;

	_Static_assert(VTAP_HTTP_WHO_STRLEN >= VTAP_ID_STRLEN && VTAP_HTTP_WHO_STRLEN >= VTAP_ADDR_STRLEN, "both fit");
	if (route->flags & VTAP_ROUTE_OPEN) {
		if (network.family == AF_INET6)
			memset(network.bytes + 8, 0, 8);
		vtap_addr_format(&network, ret_who);
		return 0;
	}
	if (route->flags & VTAP_ROUTE_AGENT)
		r = vtap_feed_authenticate(a->controller->feed, NULL, request, &p, NULL);
	else
		r = vtap_access_authenticate(a->controller->access, request, &p, NULL);
	if (r >= 0)
		snprintf(ret_who, VTAP_HTTP_WHO_STRLEN, "%s", *p.host ? p.host : p.user);
	return r;
}

/* The only project there is for the principal. */
static void only_project(struct vtap_call *call)
{
	const struct vtap_objects *o = call->controller->objects;
	const struct vtap_kind *kind = vtap_kind_find("project");
	const struct vtap_object *only = NULL;
	const struct vtap_object *user = vtap_objects_get(o, call->principal.user);
	const json_t *roles = user ? json_object_get(user->value, "roles") : NULL;

	if (call->principal.system_admin) {
		if (vtap_objects_count(o, kind) == 1)
			only = vtap_objects_next(o, kind, NULL);
	} else if (json_array_size(roles) == 1) {
		const json_t *project = json_object_get(json_array_get(roles, 0), "project");

		only = vtap_objects_get(o, json_string_value(project));
	}
	if (only)
		snprintf(call->project, sizeof(call->project), "%s", only->id);
}

static int select_project(struct vtap_call *call)
{
	const char *text;
	int r;

	if (!*call->principal.user)
		return 0;
	text = vtap_http_query(call->request, "project");
	if (!text)
		text = vtap_http_header(call->request, "X-Vtap-Project");
	if (text) {
		r = vtap_api_call_find_project(call, text, call->project);
		if (r < 0)
			return r;
	} else {
		only_project(call);
	}
	call->role = vtap_call_role_in(call, call->project);
	return 0;
}

/* Where the path names an object, its own project decides: vtap_call_object(). */
static int authorize(struct vtap_call *call)
{
	const struct vtap_api_route *route = call->route;

	if ((route->flags & VTAP_ROUTE_SYSTEM) && !call->principal.system_admin)
		return vtap_call_fail(call, -EACCES, NULL, "this needs a system admin");
	if (route->role == VTAP_ROLE_NONE || strchr(route->path, '{'))
		return 0;
	if (!*call->project) {
		if (strcmp(route->method, "GET") == 0)
			return 0;
		return vtap_call_fail(call, -EINVAL, "project", "say which project is meant, by its id or name");
	}
	if (call->role < route->role)
		return vtap_call_fail(call, -EACCES, NULL, "your role in project %s does not allow this",
				      call->project);
	return 0;
}

int vtap_api_call_allowed(struct vtap_call *call, struct vtap_change *change)
{
	int r;

	if (call->route->flags & VTAP_ROUTE_OPEN)
		return 0;
	r = authenticate(call, change);
	if (r < 0 || (call->route->flags & VTAP_ROUTE_AGENT))
		return r;
	if (*call->project && !vtap_objects_get(call->controller->objects, call->project))
		return vtap_call_fail(call, -ENOENT, "project", "there is no such project any more");
	call->role = vtap_call_role_in(call, call->project);
	return authorize(call);
}

/* A GET of it does something, or streams: not for HEAD, nor for what pages from elsewhere can make a browser ask for. */
static bool is_more_than_read(const struct vtap_api_route *route)
{
	return route->flags & (VTAP_ROUTE_ACTS | VTAP_ROUTE_STREAM);
}

/* A browser that knows the credentials sends them along with what a foreign page asks for; it says then whose page it is. */
static int check_origin(struct vtap_call *call)
{
	const char *origin = vtap_http_header(call->request, "Origin");
	const char *host = vtap_http_header(call->request, "Host");
	const char *behind = origin ? strstr(origin, "://") : NULL;
	const char *site = vtap_http_header(call->request, "Sec-Fetch-Site");

	if (strcmp(call->route->method, "GET") == 0 && !is_more_than_read(call->route))
		return 0;
	/* With an image's or a link's GET no origin comes, but this. */
	if (!origin && (!site || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0))
		return 0;
	if (behind && host && strcasecmp(behind + strlen("://"), host) == 0)
		return 0;
	return vtap_call_fail(call, -EACCES, NULL, "requests of pages that come from elsewhere are refused");
}

/* Whose connection it is. */
static void know(const struct vtap_call *call)
{
	const struct vtap_principal *p = &call->principal;

	if (*p->host)
		vtap_http_known(call->request, VTAP_HTTP_AGENT, p->host);
	else if (*p->user)
		vtap_http_known(call->request, VTAP_HTTP_USER, p->user);
}

static int begin(struct vtap_call *call)
{
	int r;

	r = check_origin(call);
	if (r >= 0)
		r = authenticate(call, NULL);
	if (r >= 0)
		know(call);
	if (r >= 0 && call->request->body_dropped)
		r = vtap_call_fail(call, -EPERM, NULL,
				   "the credentials were not good when the request began: send it again");
	if (r >= 0)
		r = select_project(call);
	if (r >= 0)
		r = authorize(call);
	return r >= 0 ? vtap_api_call_read(call) : r;
}

static int run(struct vtap_call *call)
{
	int r;

	r = begin(call);
	if (r < 0)
		return r;
	if (!(call->route->flags & VTAP_ROUTE_WRITE))
		return call->route->handler(call, NULL);
	vtap_call_write(call, call->route->handler);
	return VTAP_HTTP_LATER;
}

/* The client has left. What waits for a batch or a thread is ended by that. */
static void on_gone(void *userdata)
{
	struct vtap_api_call *c = userdata;

	c->exchange = NULL;
	c->call.request = NULL;
	if (c->waits_for_batch || !c->call.gone)
		return;
	c->call.gone(&c->call);
	vtap_api_call_free(c);
}

static int on_request(const struct vtap_http_request *request, struct vtap_http_response *ret_response, void *userdata)
{
	struct vtap_api *a = userdata;
	const struct served *served = request->route->data;
	struct vtap_api_call *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->api = a;
	c->begun_ns = vtap_api_now_ns();
	c->exchange = request->exchange;
	c->call.controller = a->controller;
	c->call.request = request;
	c->call.route = served->route;
	c->call.kind = served->kind;
	vtap_addr_format(&request->peer, c->call.peer);
	c->inside = true;
	r = run(&c->call);
	c->inside = false;
	if (c->streams) {
		vtap_api_call_free(c);
		return VTAP_HTTP_LATER;
	}
	if (r == VTAP_HTTP_LATER) {
		vtap_http_on_gone(c->exchange, on_gone, c);
		return VTAP_HTTP_LATER;
	}
	vtap_api_call_respond(c, r, ret_response);
	vtap_api_call_free(c);
	return 0;
}

/* What no route has seen: for the log, if it would have changed something, and somebody who is known has sent it. */
static void on_refused(const struct vtap_http_request *request, unsigned status, const char *detail, void *userdata)
{
	struct vtap_api *a = userdata;
	struct vtap_http_request copy = *request;
	const struct vtap_api_route route = {.method = request->method, .path = "/"};
	struct vtap_call call = {.controller = a->controller, .request = &copy, .route = &route};

	if (!request->method || strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0 ||
	    status >= 500 || vtap_access_authenticate(a->controller->access, request, &call.principal, NULL) < 0)
		return;
	if (!copy.path)
		copy.path = "(not readable)";
	vtap_addr_format(&request->peer, call.peer);
	if (select_project(&call) < 0)
		*call.project = '\0';
	json_decref(call.answer);
	call.status = status;
	call.answer = vtap_problem_make(NULL, status, NULL, detail ? detail : "this path does not take the method");
	vtap_audit_refused(a->controller->audit, &call);
	json_decref(call.answer);
}

static const struct vtap_kind *kind_of_path(const char *path)
{
	char plural[64];

	if (sscanf(path, "/v1/%63[a-z]", plural) != 1)
		return NULL;
	return vtap_kind_by_plural(plural);
}

static size_t body_max_bytes(const struct vtap_api_route *route)
{
	if (!vtap_api_route_takes_body(route))
		return NO_BODY_MAX_BYTES;
	return route->body_max_bytes ? route->body_max_bytes : VTAP_API_BODY_MAX_BYTES;
}

static int routes_make(struct vtap_api *a)
{
	size_t count = 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(tables); i++)
		for (const struct vtap_api_route *route = tables[i]; route->method; route++)
			count++;
	a->routes = calloc(count, sizeof(*a->routes));
	a->http_routes = calloc(count, sizeof(*a->http_routes));
	if (!a->routes || !a->http_routes)
		return -ENOMEM;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(tables); i++)
		for (const struct vtap_api_route *route = tables[i]; route->method; route++) {
			struct served *own = &a->routes[a->route_count];

			*own = (struct served){.route = route, .kind = kind_of_path(route->path)};
			a->http_routes[a->route_count++] =
			    (struct vtap_http_route){.method = route->method,
						     .path = route->path,
						     .handler = on_request,
						     .data = own,
						     .body_max_bytes = body_max_bytes(route),
						     .no_head = is_more_than_read(route)};
		}
	return 0;
}

static int serve(struct vtap_api *a)
{
	int r = vtap_http_server_run(a->server);

	return r < 0 ? vtap_log_err(r, "the HTTP server is broken: %s", strerror(-r)) : 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	return serve(userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	return serve(userdata);
}

/* Before the loop sleeps: what the server must do even if nothing comes. */
static int on_prepare(sd_event_source *source, void *userdata)
{
	struct vtap_api *a = userdata;
	int timeout_ms = vtap_http_server_timeout_ms(a->server), r;

	if (timeout_ms < 0)
		return sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
	r = sd_event_source_set_time_relative(a->timer, (uint64_t)timeout_ms * 1000);
	return r < 0 ? r : sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT);
}

static int sources_add(struct vtap_api *a)
{
	sd_event *event = a->controller->event;
	int r;

	r = sd_event_add_io(event, &a->io, vtap_http_server_fd(a->server), EPOLLIN, on_io, a);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &a->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, a);
	if (r >= 0)
		r = sd_event_source_set_prepare(a->io, on_prepare);
	return r;
}

static int listen_on(struct vtap_api *a, const struct vtap_http_tls *tls, struct vtap_error *reterr)
{
	const char *listen = a->controller->options->listen;
	struct vtap_http_server_options options = {
	    .tls = tls,
	    .connections_max = CONNECTIONS_MAX,
	    .limits =
		{
		    [VTAP_HTTP_UNKNOWN] = {.max = UNKNOWN_MAX},
		    [VTAP_HTTP_USER] = {.max = USERS_MAX, .each_max = USER_MAX},
		    [VTAP_HTTP_AGENT] = {.max = AGENTS_MAX, .each_max = AGENT_MAX},
		},
	    .timeout_ms = REQUEST_TIMEOUT_MS,
	    .idle_ms = IDLE_MS,
	    .body_share_max_bytes = BODY_SHARE_BYTES,
	    .admit = admit,
	    .refused = on_refused,
	    .headers = security_headers,
	    .problems = true,
	};
	struct vtap_http_endpoint endpoint;
	int r;

	r = vtap_http_endpoint_parse(listen, &endpoint);
	if (r < 0)
		return vtap_error_set(reterr, r, 0, "--listen", "must be ADDRESS:PORT, not %s", listen);
	options.address = endpoint.address;
	options.port = endpoint.port;
	r = vtap_http_server_listen(&options, a->http_routes, a->route_count, a, &a->server);
	if (r == -EINVAL && tls)
		return vtap_error_set(reterr, r, 0, "--certificate", "certificate and key cannot be used together");
	if (r < 0)
		return vtap_error_set(reterr, r, 0, "", "cannot listen on %s: %s", listen, strerror(-r));
	return 0;
}

int vtap_api_new(struct vtap_controller *c, const struct vtap_http_tls *tls, struct vtap_api **ret_api,
		 struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_api_freep) struct vtap_api *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->controller = c;
	a->tls = tls;
	r = routes_make(a);
	if (r >= 0)
		r = listen_on(a, tls, reterr);
	if (r >= 0)
		r = sources_add(a);
	if (r < 0)
		return r;
	*ret_api = VTAP_STEAL(a);
	return 0;
}

struct vtap_api *vtap_api_free(struct vtap_api *a)
{
	if (!a)
		return NULL;
	sd_event_source_disable_unref(a->io);
	sd_event_source_disable_unref(a->timer);
	vtap_http_server_free(a->server);
	free(a->http_routes);
	free(a->routes);
	free(a);
	return NULL;
}

uint16_t vtap_api_port(const struct vtap_api *a)
{
	return vtap_http_server_port(a->server);
}

bool vtap_api_uses_tls(const struct vtap_api *a)
{
	return a->tls;
}

int vtap_api_set_certificate(struct vtap_api *a, const char *certificate, const char *key)
{
	return vtap_http_server_set_certificate(a->server, certificate, key);
}
