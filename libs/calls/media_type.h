#pragma once
/* What a Content-Type says of the bytes below it. Pure. */

#include "common/str.h"

enum media {
    MEDIA_NONE,      /* nothing was said */
    MEDIA_JSON,      /* application/json, text/json, anything+json */
    MEDIA_FORM,      /* application/x-www-form-urlencoded */
    MEDIA_MULTIPART, /* multipart/form-data */
    MEDIA_TEXT,      /* text, XML, YAML, scripts */
    MEDIA_BINARY,
};

/* Parameters and case do not matter. */
enum media media_of(struct str content_type);

/* The value of a parameter ("charset"), unquoted; empty if it is not there. Borrowed. */
struct str media_parameter(struct str content_type, struct str name);
