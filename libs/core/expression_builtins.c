/* The table of functions of values. */
#include <string.h>

#include "core/expression_internal.h"

/* have_decnum, have_literal_numbers: literals keep their digits, and compare by them. */
static bool native_true(struct machine *machine, const struct json *values, struct json *ret) {
    (void)machine, (void)values;
    *ret = json_bool(true);
    return true;
}

static bool native_builtins(struct machine *machine, const struct json *values, struct json *ret) {
    (void)values;
    *ret = builtin_names(machine->arena);
    return true;
}

/* Sorted by name, then arity. Those with an underscore are for definitions of our own. */
static const struct native natives[] = {
    { "_captured", 0, native_captured },
    { "_edit", 1, native_edit },
    { "_edits", 2, native_edits },
    { "_group_by", 1, native_group_by },
    { "_match", 1, native_match },
    { "_match", 2, native_match_flags },
    { "_max_by", 1, native_max_by },
    { "_min_by", 1, native_min_by },
    { "_sort_by", 1, native_sort_by },
    { "_split", 1, native_split_by },
    { "_split", 2, native_split_flags },
    { "_unique_by", 1, native_unique_by },
    { "add", 0, native_add },
    { "ascii", 0, native_ascii_code },
    { "ascii_downcase", 0, native_downcase },
    { "ascii_upcase", 0, native_upcase },
    { "bsearch", 1, native_bsearch },
    { "builtins", 0, native_builtins },
    { "contains", 1, native_contains },
    { "delpaths", 1, native_delpaths },
    { "endswith", 1, native_endswith },
    { "explode", 0, native_explode },
    { "flatten", 0, native_flatten },
    { "flatten", 1, native_flatten_to },
    { "fma", 3, native_fma },
    { "format", 1, native_format },
    { "frexp", 0, native_frexp },
    { "from_entries", 0, native_from_entries },
    { "fromdate", 0, native_fromdate },
    { "fromdateiso8601", 0, native_fromdate },
    { "fromjson", 0, native_fromjson },
    { "gmtime", 0, native_gmtime },
    { "has", 1, native_has },
    { "have_decnum", 0, native_true },
    { "have_literal_numbers", 0, native_true },
    { "implode", 0, native_implode },
    { "index", 1, native_index },
    { "indices", 1, native_indices },
    { "infinite", 0, native_infinite },
    { "isfinite", 0, native_isfinite },
    { "isinfinite", 0, native_isinfinite },
    { "isnan", 0, native_isnan },
    { "isnormal", 0, native_isnormal },
    { "join", 1, native_join },
    { "keys", 0, native_keys },
    { "keys_unsorted", 0, native_keys_unsorted },
    { "ldexp", 2, native_ldexp },
    { "length", 0, native_length },
    { "lgamma_r", 0, native_lgamma_r },
    { "localtime", 0, native_gmtime },
    { "ltrim", 0, native_ltrim },
    { "ltrimstr", 1, native_ltrimstr },
    { "max", 0, native_max },
    { "min", 0, native_min },
    { "mktime", 0, native_mktime },
    { "modf", 0, native_modf },
    { "nan", 0, native_nan },
    { "not", 0, native_not },
    { "now", 0, native_now },
    { "reverse", 0, native_reverse },
    { "rindex", 1, native_rindex },
    { "rtrim", 0, native_rtrim },
    { "rtrimstr", 1, native_rtrimstr },
    { "scalb", 2, native_ldexp },
    { "scalbln", 2, native_ldexp },
    { "setpath", 2, native_setpath },
    { "sort", 0, native_sort },
    { "split", 1, native_split },
    { "split", 2, native_split_flags },
    { "startswith", 1, native_startswith },
    { "strflocaltime", 1, native_strftime },
    { "strftime", 1, native_strftime },
    { "strptime", 1, native_strptime },
    { "test", 1, native_test },
    { "test", 2, native_test_flags },
    { "to_entries", 0, native_to_entries },
    { "toboolean", 0, native_toboolean },
    { "todate", 0, native_todate },
    { "todateiso8601", 0, native_todate },
    { "tojson", 0, native_tojson },
    { "tonumber", 0, native_tonumber },
    { "tostring", 0, native_tostring },
    { "transpose", 0, native_transpose },
    { "trim", 0, native_trim },
    { "trimstr", 1, native_trimstr },
    { "type", 0, native_type },
    { "unique", 0, native_unique },
    { "utf8bytelength", 0, native_bytes },
};

const struct native *native_find(struct str name, uint32_t arity) {
    size_t low = 0, high = ARRAY_SIZE(natives);

    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct native *row = &natives[middle];
        int order = str_compare(name, str_from(row->name));
        if (order == 0) order = (arity > row->arity) - (arity < row->arity);
        if (order == 0) return row;
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return math_find(name, arity);
}

const struct native *native_at(size_t index) {
    return index < ARRAY_SIZE(natives) ? &natives[index] : math_at(index - ARRAY_SIZE(natives));
}

static struct json name_and_arity(const char *name, uint32_t arity, struct arena *arena) {
    return json_string(str_format(arena, "%s/%u", name, arity));
}

struct json builtin_names(struct arena *arena) {
    struct json names = json_array(arena, 0);

    for (size_t i = 0; native_at(i); i++) {
        const struct native *native = native_at(i);
        if (native->name[0] == '_') continue;
        names = json_append(names, name_and_arity(native->name, native->arity, arena), arena);
    }
    for (size_t i = 0; definition_at(i); i++) {
        const struct definition_text *definition = definition_at(i);
        names = json_append(
                names, name_and_arity(definition->name, definition->arity, arena), arena);
    }
    return names;
}
