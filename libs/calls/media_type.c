#include "calls/media_type.h"

static const struct str texts[] = {
    STR_INIT("application/xml"), STR_INIT("application/yaml"), STR_INIT("application/x-yaml"), STR_INIT("application/javascript"),
    STR_INIT("application/ecmascript"), STR_INIT("application/graphql"), STR_INIT("application/sql"), STR_INIT("application/toml"),
    STR_INIT("application/x-ndjson"), STR_INIT("application/json-seq"), STR_INIT("application/jsonl"), STR_INIT("application/jwt"),
    STR_INIT("application/soap+xml"), STR_INIT("application/x-sh"),
};

static bool ends_with(struct str text, struct str end) {
    return text.size > end.size && str_equal_nocase(str_slice(text, text.size - end.size, text.size), end);
}

enum media media_of(struct str content_type) {
    struct str rest = content_type, type = str_trim(str_cut(&rest, ';'));

    if (!type.size) return MEDIA_NONE;
    if (str_equal_nocase(type, STR("application/json")) || str_equal_nocase(type, STR("text/json")) || ends_with(type, STR("+json"))) {
        return MEDIA_JSON;
    }
    if (str_equal_nocase(type, STR("application/x-www-form-urlencoded"))) return MEDIA_FORM;
    if (str_equal_nocase(type, STR("multipart/form-data"))) return MEDIA_MULTIPART;
    if (str_equal_nocase(str_slice(type, 0, 5), STR("text/")) || ends_with(type, STR("+xml")) || ends_with(type, STR("+yaml"))) {
        return MEDIA_TEXT;
    }
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (str_equal_nocase(type, texts[i])) return MEDIA_TEXT;
    }
    return MEDIA_BINARY;
}

struct str media_parameter(struct str content_type, struct str name) {
    struct str rest = content_type;

    str_cut(&rest, ';');
    while (rest.data) {
        struct str value = str_cut(&rest, ';');
        struct str key = str_trim(str_cut(&value, '='));
        value = str_trim(value);
        if (!str_equal_nocase(key, name)) continue;
        bool quoted = value.size >= 2 && value.data[0] == '"' && value.data[value.size - 1] == '"';
        return quoted ? str_slice(value, 1, value.size - 1) : value;
    }
    return STR_NULL;
}
