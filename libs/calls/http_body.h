#pragma once
/* Bodies of requests and responses as values. Pure; internal to this folder. */

#include "common/err.h"
#include "common/json.h"

struct arena;

/* The bytes of `body` in the media type `content_type`; an empty one means JSON. multipart/form-data without a boundary gets one.
 *
 * Out      *ret and *ret_content_type (what is to be sent as Content-Type), in `arena`, or borrowed from the arguments
 * Errors   INVALID    the value does not fit the media type
 *          TOO_LARGE  over LIMIT_BODY */
MUST_USE bool http_body_write(struct json body, struct str content_type, struct arena *arena, struct str *ret, struct str *ret_content_type,
        struct err *err);

/* The value of the bytes of a response: JSON is read, text is a string, the rest is base64; nothing is null. Numbers keep their digits.
 * Out      *ret, in `arena`; borrows from `bytes`
 * Errors   MALFORMED  it is said to be JSON, and is not */
MUST_USE bool http_body_read(struct str bytes, struct str content_type, struct arena *arena, struct json *ret, struct err *err);

/* A scalar as text: strings as they are, numbers with their digits. False for arrays and objects. */
MUST_USE bool http_text_of(struct json value, struct arena *arena, struct str *ret);

/* `text` if it is UTF-8; else with '?' in place of each byte that is not ASCII. */
struct str http_text_mend(struct str text, struct arena *arena);
