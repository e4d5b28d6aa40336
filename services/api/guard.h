#pragma once
/* Who may do what: API keys with a role and namespaces (api.md, Auth). */

#include "common/err.h"
#include "services/api/call.h"
#include "store/store.h"

struct guard;

/* What a key allows. Immutable; counted. */
struct grant {
    uint32_t references;
    enum right right;
    bool is_worker;
    int64_t expires_ms;       /* wall clock; 0: never */
    struct str name;
    struct str *namespaces;   /* of count 0: all */
    size_t namespace_count;
};

struct guard *guard_new(struct api *api);
void guard_free(struct guard *guard);

/* Nobody is let in from other machines without a key: refuses a listener that others can reach while there is none.
 * Errors   INVALID, UNAVAILABLE */
MUST_USE bool guard_check_listener(struct guard *guard, const char *listen, struct err *err);

/* Lets a call pass, with call->grant set, or answers 401, 403, 503 and is false. */
MUST_USE bool guard_admit(struct turn *turn, struct call *call);

/* True if the caller may see and touch this namespace; answers 403 and is false otherwise. */
MUST_USE bool guard_namespace(struct turn *turn, struct call *call, struct str namespace);
bool grant_covers(const struct grant *grant, struct str namespace);

/* True if the caller is bound to no namespaces; answers 403 and is false otherwise: for what belongs to none. */
MUST_USE bool guard_everywhere(struct turn *turn, struct call *call);

/* Narrows a list to a namespace (empty: to those that the caller may see); answers 403 and is false where it is not one of them. */
MUST_USE bool guard_list(struct turn *turn, struct call *call, struct str namespace, struct query *query);

/* A key was made or deleted. */
void guard_forget(struct guard *guard);

/* False while there is no key at all, and everybody on this machine is let in. Answers 503 and is false where it cannot be told. */
MUST_USE bool guard_has_keys(struct turn *turn, bool *ret, struct err *err);

void grant_release(const struct grant *grant); /* NULL is taken */
const char *right_name(enum right right);
bool right_parse(struct str text, enum right *ret, bool *ret_is_worker);
