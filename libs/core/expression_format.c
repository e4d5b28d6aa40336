/* @text, @json, @csv, @tsv, @html, @uri, @sh, @base64, @base32 and back. */
#include <math.h>
#include <string.h>

#include "core/expression_internal.h"

/* What grows inside of the byte budget. */
static void start(struct machine *machine, struct buf *buf) {
    buf_init(buf, text_limit(machine));
}

/* Copies the text into the arena, and frees the buffer; `ok` false: an error is on its way. */
static bool finish(struct machine *machine, struct buf *buf, bool ok, struct json *ret) {
    bool over = buf_is_over(buf);
    size_t size = buf->size;

    if (ok && !over) *ret = json_string_copy(buf_str(buf), machine->arena);
    buf_clear(buf);
    if (!ok) return false;
    return over ? spend(machine, "bytes") : charge(machine, size / 8);
}

struct escape {
    char c;
    const char *text;
};

static void put_escaped(struct buf *buf, struct str text, const struct escape *escapes) {
    size_t from = 0;

    for (size_t i = 0; i < text.size && !buf->over; i++) {
        const struct escape *escape = escapes;
        while (escape->text && escape->c != text.data[i])
            escape++;
        if (!escape->text) continue;
        buf_append(buf, str_slice(text, from, i));
        buf_append_c(buf, escape->text);
        from = i + 1;
    }
    buf_append(buf, str_slice(text, from, text.size));
}

/* Numbers, booleans and null as JSON. */
static bool put_scalar(struct machine *machine, struct buf *buf, struct json value) {
    struct str text;

    if (!value_to_text(machine, value, &text)) return false;
    buf_append(buf, text);
    return true;
}

/* ---- rows ---- */

static bool put_cell(struct machine *machine, struct buf *buf, struct json cell, const char *quote,
        const struct escape *escapes) {
    if (json_is_null(cell) || is_nan(cell)) return true;
    if (cell.type == JSON_ARRAY || cell.type == JSON_OBJECT) {
        return fail_type(machine, cell, "is not valid in a csv row");
    }
    if (cell.type != JSON_STRING) return put_scalar(machine, buf, cell);
    buf_append_c(buf, quote);
    put_escaped(buf, json_str(cell), escapes);
    buf_append_c(buf, quote);
    return true;
}

static bool put_row(struct machine *machine, struct json row, const char *separator,
        const char *quote, const struct escape *escapes, struct json *ret) {
    struct buf buf;
    bool ok = true;

    start(machine, &buf);
    for (uint32_t i = 0; i < row.count && ok && !buf.over; i++) {
        if (i) buf_append_c(&buf, separator);
        ok = charge(machine, 1) && put_cell(machine, &buf, json_at(row, i), quote, escapes);
    }
    return finish(machine, &buf, ok, ret);
}

bool format_csv(struct machine *machine, const struct json *values, struct json *ret) {
    static const struct escape escapes[] = { { '"', "\"\"" }, { 0, NULL } };

    if (values[0].type != JSON_ARRAY)
        return fail_type(machine, values[0], "cannot be csv-formatted, only array");
    return put_row(machine, values[0], ",", "\"", escapes, ret);
}

bool format_tsv(struct machine *machine, const struct json *values, struct json *ret) {
    static const struct escape escapes[] = { { '\t', "\\t" }, { '\r', "\\r" }, { '\n', "\\n" },
        { '\\', "\\\\" }, { 0, NULL } };

    if (values[0].type != JSON_ARRAY)
        return fail_type(machine, values[0], "cannot be tsv-formatted, only array");
    return put_row(machine, values[0], "\t", "", escapes, ret);
}

bool format_sh(struct machine *machine, const struct json *values, struct json *ret) {
    static const struct escape escapes[] = { { '\'', "'\\''" }, { 0, NULL } };
    bool is_array = values[0].type == JSON_ARRAY, ok = true;
    uint32_t count = is_array ? values[0].count : 1;
    struct buf buf;

    start(machine, &buf);
    for (uint32_t i = 0; i < count && ok && !buf.over; i++) {
        struct json word = is_array ? json_at(values[0], i) : values[0];
        if (i) buf_append_c(&buf, " ");
        if (word.type == JSON_STRING) {
            buf_append_c(&buf, "'");
            put_escaped(&buf, json_str(word), escapes);
            buf_append_c(&buf, "'");
        } else if (word.type == JSON_ARRAY || word.type == JSON_OBJECT) {
            ok = fail_type(machine, word, "can not be escaped for shell");
        } else {
            ok = put_scalar(machine, &buf, word);
        }
    }
    return finish(machine, &buf, ok, ret);
}

/* ---- text ---- */

bool format_html(struct machine *machine, const struct json *values, struct json *ret) {
    static const struct escape escapes[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" },
        { '\'', "&apos;" }, { '"', "&quot;" }, { 0, NULL } };
    struct buf buf;
    struct str text;

    if (!value_to_string(machine, values[0], &text)) return false;
    start(machine, &buf);
    put_escaped(&buf, text, escapes);
    return finish(machine, &buf, true, ret);
}

static const char hex_digits[] = "0123456789ABCDEF";

/* RFC 3986, 2.3: what is unreserved stands for itself. */
bool format_uri(struct machine *machine, const struct json *values, struct json *ret) {
    struct str text;

    if (!value_to_string(machine, values[0], &text)) return false;
    if (!charge_bytes(machine, text.size * 3) || !charge(machine, text.size / 16)) return false;
    char *to = arena_alloc(machine->arena, text.size * 3 + 1);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
                || (c && strchr("-_.~", c));
        if (plain && c < 0x80) {
            to[size++] = (char)c;
        } else {
            to[size++] = '%';
            to[size++] = hex_digits[c >> 4];
            to[size++] = hex_digits[c & 15];
        }
    }
    to[size] = '\0';
    *ret = json_string((struct str){ to, size });
    return true;
}

/* Bytes that came from somewhere else, as a string: what is not UTF-8 becomes U+FFFD. */
static bool put_bytes(struct machine *machine, struct str bytes, struct json *ret) {
    static const char replacement[] = "\xEF\xBF\xBD";

    if (str_is_utf8(bytes)) {
        *ret = json_string(bytes);
        return true;
    }
    if (!charge_bytes(machine, bytes.size * 3) || !charge(machine, bytes.size / 4)) return false;
    char *to = arena_alloc(machine->arena, bytes.size * 3 + 1);
    size_t size = 0, at = 0;
    while (at < bytes.size) {
        size_t run = 1;
        while (run < 4 && at + run < bytes.size
                && ((unsigned char)bytes.data[at + run] & 0xC0) == 0x80)
            run++;
        struct str piece = str_slice(bytes, at, at + run);
        bool valid = str_is_utf8(piece);
        if (!valid && run > 1) {
            piece = str_slice(bytes, at, at + 1);
            valid = str_is_utf8(piece);
        }
        memcpy(to + size, valid ? piece.data : replacement, valid ? piece.size : 3);
        size += valid ? piece.size : 3;
        at += valid ? piece.size : run;
    }
    to[size] = '\0';
    *ret = json_string((struct str){ to, size });
    return true;
}

static int hex_value(char c) {
    const char *digit = c ? strchr("0123456789ABCDEFabcdef", c) : NULL;

    if (!digit) return -1;
    size_t index = (size_t)(digit - strchr("0123456789ABCDEFabcdef", '0'));
    return (int)(index < 16 ? index : index - 6);
}

bool format_urid(struct machine *machine, const struct json *values, struct json *ret) {
    struct str text;
    size_t size = 0;

    if (!value_to_string(machine, values[0], &text)) return false;
    if (!charge_bytes(machine, text.size) || !charge(machine, text.size / 16)) return false;
    char *to = arena_alloc(machine->arena, text.size + 1);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '%') {
            to[size++] = text.data[i];
            continue;
        }
        int high = i + 2 < text.size ? hex_value(text.data[i + 1]) : -1;
        int low = i + 2 < text.size ? hex_value(text.data[i + 2]) : -1;
        if (high < 0 || low < 0)
            return fail_type(machine, values[0], "is not a valid uri encoding");
        to[size++] = (char)(high * 16 + low);
        i += 2;
    }
    to[size] = '\0';
    return put_bytes(machine, (struct str){ to, size }, ret);
}

/* ---- bits in letters ---- */

struct alphabet {
    const char *letters;
    unsigned bits; /* of a letter */
    unsigned letters_of_group, bytes_of_group;
    const char *what;
};

static const struct alphabet base64 = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6, 4, 3,
    "is not valid base64 data"
};
static const struct alphabet base32 = { "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5, 8, 5,
    "is not valid base32 data" };

static bool encode(struct machine *machine, struct json value, const struct alphabet *alphabet,
        struct json *ret) {
    struct str text;
    unsigned held = 0, bits = 0;

    if (!value_to_string(machine, value, &text)) return false;
    if (!charge_bytes(machine, text.size * 2 + 8) || !charge(machine, text.size / 16)) return false;
    char *to = arena_alloc(machine->arena, text.size * 2 + 16);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        held = (held << 8 | (unsigned char)text.data[i]) & 0xFFFF;
        bits += 8;
        while (bits >= alphabet->bits) {
            bits -= alphabet->bits;
            to[size++] = alphabet->letters[(held >> bits) & ((1u << alphabet->bits) - 1)];
        }
    }
    if (bits) {
        to[size++] =
                alphabet->letters[(held << (alphabet->bits - bits)) & ((1u << alphabet->bits) - 1)];
    }
    while (size % alphabet->letters_of_group)
        to[size++] = '=';
    to[size] = '\0';
    *ret = json_string((struct str){ to, size });
    return true;
}

static bool decode(struct machine *machine, struct json value, const struct alphabet *alphabet,
        struct json *ret) {
    struct str text;
    unsigned held = 0, bits = 0;
    size_t size = 0, letters = 0;

    if (!value_to_string(machine, value, &text)) return false;
    if (!charge_bytes(machine, text.size) || !charge(machine, text.size / 8)) return false;
    char *to = arena_alloc(machine->arena, text.size + 1);
    for (size_t i = 0; i < text.size && text.data[i] != '='; i++) {
        const char *letter = text.data[i] ? strchr(alphabet->letters, text.data[i]) : NULL;
        if (!letter) return fail_type(machine, json_string(text), alphabet->what);
        held = (held << alphabet->bits | (unsigned)(letter - alphabet->letters)) & 0xFFFF;
        bits += alphabet->bits;
        letters++;
        if (bits >= 8) {
            bits -= 8;
            to[size++] = (char)(held >> bits);
        }
    }
    if (letters && size == 0)
        return fail_type(machine, json_string(text), "trailing base64 byte found");
    if (alphabet == &base64 && letters % 4 == 1) {
        return fail_type(machine, json_string(text), "trailing base64 byte found");
    }
    to[size] = '\0';
    return put_bytes(machine, (struct str){ to, size }, ret);
}

bool format_base64(struct machine *machine, const struct json *values, struct json *ret) {
    return encode(machine, values[0], &base64, ret);
}

bool format_base64d(struct machine *machine, const struct json *values, struct json *ret) {
    return decode(machine, values[0], &base64, ret);
}

bool format_base32(struct machine *machine, const struct json *values, struct json *ret) {
    return encode(machine, values[0], &base32, ret);
}

bool format_base32d(struct machine *machine, const struct json *values, struct json *ret) {
    return decode(machine, values[0], &base32, ret);
}

/* ---- by name ---- */

const struct native *format_find(struct str name) {
    static const struct native formats[] = {
        { "text", 0, native_tostring },
        { "json", 0, native_tojson },
        { "csv", 0, format_csv },
        { "tsv", 0, format_tsv },
        { "html", 0, format_html },
        { "uri", 0, format_uri },
        { "urid", 0, format_urid },
        { "sh", 0, format_sh },
        { "base64", 0, format_base64 },
        { "base64d", 0, format_base64d },
        { "base32", 0, format_base32 },
        { "base32d", 0, format_base32d },
    };

    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        if (str_equal(name, str_from(formats[i].name))) return &formats[i];
    }
    return NULL;
}

bool native_format(struct machine *machine, const struct json *values, struct json *ret) {
    if (values[1].type != JSON_STRING)
        return fail_type(machine, values[1], "is not a valid format");
    const struct native *format = format_find(json_str(values[1]));
    if (format) return format->call(machine, values, ret);
    return fail(machine, STR_FMT " is not a valid format", STR_ARG(json_str(values[1])));
}
