#include <string.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/regex.h"
#include "core/schema_internal.h"

enum {
    HOST_SIZE_MAX = 253,
    LABEL_SIZE_MAX = 63,
    LOCAL_SIZE_MAX = 64,
    IPV6_GROUPS = 8,
    MINUTES_OF_DAY = 24 * 60,
};

/* ---- reading ---- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_unicode(char c) {
    return (unsigned char)c >= 0x80;
}

static bool take(struct str *rest, char c) {
    if (rest->size == 0 || rest->data[0] != c) return false;
    *rest = str_slice(*rest, 1, rest->size);
    return true;
}

/* Takes exactly `count` digits. */
static bool take_digits(struct str *rest, size_t count, unsigned *ret) {
    unsigned value = 0;

    if (rest->size < count) return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(rest->data[i])) return false;
        value = value * 10 + (unsigned)(rest->data[i] - '0');
    }
    *rest = str_slice(*rest, count, rest->size);
    *ret = value;
    return true;
}

static size_t take_some_digits(struct str *rest) {
    size_t count = 0;

    while (count < rest->size && is_digit(rest->data[count]))
        count++;
    *rest = str_slice(*rest, count, rest->size);
    return count;
}

/* ---- time: RFC 3339 ---- */

static bool take_date(struct str *rest) {
    static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    unsigned year, month, day;

    if (!take_digits(rest, 4, &year) || !take(rest, '-') || !take_digits(rest, 2, &month)
            || !take(rest, '-') || !take_digits(rest, 2, &day))
        return false;
    if (month < 1 || month > 12) return false;
    bool is_leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day >= 1 && day <= days[month - 1] + is_leap;
}

/* A second 60 is one only where it is 23:59 in UTC. */
static bool take_time(struct str *rest) {
    unsigned hour, minute, second, offset_hour = 0, offset_minute = 0;

    if (!take_digits(rest, 2, &hour) || !take(rest, ':') || !take_digits(rest, 2, &minute)
            || !take(rest, ':') || !take_digits(rest, 2, &second))
        return false;
    if (take(rest, '.') && take_some_digits(rest) == 0) return false;
    bool is_behind = rest->size && rest->data[0] == '+';
    if (take(rest, '+') || take(rest, '-')) {
        if (!take_digits(rest, 2, &offset_hour) || !take(rest, ':')
                || !take_digits(rest, 2, &offset_minute))
            return false;
    } else if (!take(rest, 'Z') && !take(rest, 'z')) {
        return false;
    }
    if (hour > 23 || minute > 59 || second > 60 || offset_hour > 23 || offset_minute > 59)
        return false;
    unsigned local = hour * 60 + minute, offset = offset_hour * 60 + offset_minute;
    unsigned utc = (local + (is_behind ? MINUTES_OF_DAY - offset : offset)) % MINUTES_OF_DAY;
    return second < 60 || utc == MINUTES_OF_DAY - 1;
}

static bool check_date(struct str text) {
    return take_date(&text) && text.size == 0;
}

static bool check_time(struct str text) {
    return take_time(&text) && text.size == 0;
}

static bool check_date_time(struct str text) {
    if (!take_date(&text) || (!take(&text, 'T') && !take(&text, 't'))) return false;
    return take_time(&text) && text.size == 0;
}

/* Units follow one another without a gap (RFC 3339, appendix A). */
static bool take_units(struct str *rest, const char *units) {
    bool has_begun = false;

    for (const char *unit = units; *unit && rest->size && is_digit(rest->data[0]); unit++) {
        struct str ahead = *rest;
        take_some_digits(&ahead);
        if (take(&ahead, *unit)) {
            *rest = ahead;
            has_begun = true;
        } else if (has_begun) {
            return false;
        }
    }
    return has_begun;
}

static bool check_duration(struct str text) {
    if (!take(&text, 'P')) return false;
    struct str weeks = text;
    if (take_some_digits(&weeks) && take(&weeks, 'W')) return weeks.size == 0;
    bool has_date = take_units(&text, "YMD");
    if (text.size == 0) return has_date;
    return take(&text, 'T') && take_units(&text, "HMS") && text.size == 0;
}

/* ---- hosts and addresses ---- */

static bool check_ipv4(struct str text) {
    for (int i = 0; i < 4; i++) {
        struct str part = text;
        size_t digits = take_some_digits(&text);
        unsigned value;
        if (digits < 1 || digits > 3 || (digits > 1 && part.data[0] == '0')) return false;
        if (!take_digits(&part, digits, &value) || value > 255) return false;
        if (i < 3 && !take(&text, '.')) return false;
    }
    return text.size == 0;
}

static bool check_ipv6(struct str text) {
    int groups = 0;
    bool has_gap = false;

    if (str_starts_with(text, STR("::"))) {
        has_gap = true;
        text = str_slice(text, 2, text.size);
    }
    while (text.size) {
        size_t digits = 0;
        while (digits < text.size && is_hex(text.data[digits]))
            digits++;
        if (digits < text.size && text.data[digits] == '.') {
            groups += 2;
            return check_ipv4(text) && (has_gap ? groups < IPV6_GROUPS : groups == IPV6_GROUPS);
        }
        if (digits < 1 || digits > 4) return false;
        groups++;
        text = str_slice(text, digits, text.size);
        if (text.size == 0) break;
        if (str_starts_with(text, STR("::"))) {
            if (has_gap) return false;
            has_gap = true;
            text = str_slice(text, 2, text.size);
        } else if (!take(&text, ':') || text.size == 0) {
            return false;
        }
    }
    return has_gap ? groups < IPV6_GROUPS : groups == IPV6_GROUPS;
}

static bool check_label(struct str label) {
    if (label.size == 0 || label.size > LABEL_SIZE_MAX || label.data[0] == '-'
            || label.data[label.size - 1] == '-')
        return false;
    for (size_t i = 0; i < label.size; i++) {
        if (!is_letter(label.data[i]) && !is_digit(label.data[i]) && label.data[i] != '-')
            return false;
    }
    return label.size < 4 || label.data[2] != '-' || label.data[3] != '-'
            || schema_idna_is_ascii_label(label);
}

static bool check_hostname(struct str text) {
    if (text.size == 0 || text.size > HOST_SIZE_MAX) return false;
    for (struct str rest = text; rest.data;) {
        if (!check_label(str_cut(&rest, '.'))) return false;
    }
    return true;
}

/* Dots of other scripts part labels, too (RFC 3490, 3.1). */
static struct str cut_label(struct str *rest) {
    static const char *const dots[] = { ".", "\xE3\x80\x82", "\xEF\xBC\x8E", "\xEF\xBD\xA1" };
    size_t at = rest->size, size = 0;

    for (size_t i = 0; i < ARRAY_SIZE(dots); i++) {
        size_t found = str_find(*rest, str_from(dots[i]));
        if (found < at) {
            at = found;
            size = strlen(dots[i]);
        }
    }
    struct str label = str_slice(*rest, 0, at);
    *rest = size ? str_slice(*rest, at + size, rest->size) : STR_NULL;
    return label;
}

static bool check_idn_hostname(struct str text) {
    size_t characters = 0;

    for (size_t i = 0; i < text.size; i++)
        characters += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    if (characters == 0 || characters > HOST_SIZE_MAX) return false;
    for (struct str rest = text; rest.data;) {
        struct str label = cut_label(&rest);
        bool is_ascii = true;
        for (size_t i = 0; i < label.size; i++)
            is_ascii = is_ascii && !is_unicode(label.data[i]);
        if (is_ascii ? !check_label(label) : !schema_idna_is_label(label)) return false;
    }
    return true;
}

/* ---- mail: RFC 5321, RFC 6531 ---- */

static bool is_atom(char c, bool unicode) {
    return is_letter(c) || is_digit(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c))
            || (unicode && is_unicode(c));
}

static bool check_local(struct str local, bool unicode) {
    if (local.size == 0 || local.size > LOCAL_SIZE_MAX) return false;
    if (local.data[0] != '"') {
        for (struct str rest = local; rest.data;) {
            struct str atom = str_cut(&rest, '.');
            if (atom.size == 0) return false;
            for (size_t i = 0; i < atom.size; i++) {
                if (!is_atom(atom.data[i], unicode)) return false;
            }
        }
        return true;
    }
    for (size_t i = 1; i + 1 < local.size; i++) {
        if (local.data[i] == '\\' && ++i + 1 == local.size) return false;
        char c = local.data[i];
        if ((c == '"' && local.data[i - 1] != '\\') || (unsigned char)c < 0x20 || c == 0x7F
                || (is_unicode(c) && !unicode))
            return false;
    }
    return local.size >= 2 && local.data[local.size - 1] == '"';
}

static bool check_mail(struct str text, bool unicode) {
    size_t at = text.size;

    while (at && text.data[at - 1] != '@')
        at--;
    if (at == 0 || !check_local(str_slice(text, 0, at - 1), unicode)) return false;
    struct str domain = str_slice(text, at, text.size);
    if (take(&domain, '[')) {
        if (domain.size == 0 || domain.data[domain.size - 1] != ']') return false;
        domain.size--;
        if (domain.size > 5 && str_equal_nocase(str_slice(domain, 0, 5), STR("IPv6:")))
            return check_ipv6(str_slice(domain, 5, domain.size));
        return check_ipv4(domain);
    }
    return unicode ? check_idn_hostname(domain) : check_hostname(domain);
}

static bool check_email(struct str text) {
    return check_mail(text, false);
}

static bool check_idn_email(struct str text) {
    return check_mail(text, true);
}

/* ---- URI: RFC 3986; IRI: RFC 3987 ---- */

/* Characters of a part: unreserved, sub-delims, %XX, and those in `more`. */
static bool check_characters(struct str text, const char *more, bool unicode) {
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '%') {
            if (i + 2 >= text.size || !is_hex(text.data[i + 1]) || !is_hex(text.data[i + 2]))
                return false;
            i += 2;
            continue;
        }
        bool is_plain = is_letter(c) || is_digit(c) || (c && strchr("-._~!$&'()*+,;=", c));
        if (!is_plain && !(c && strchr(more, c)) && !(unicode && is_unicode(c))) return false;
    }
    return true;
}

static bool check_future_address(struct str text) {
    struct str rest = text;
    size_t digits = 0;

    if (!take(&rest, 'v') && !take(&rest, 'V')) return false;
    while (digits < rest.size && is_hex(rest.data[digits]))
        digits++;
    rest = str_slice(rest, digits, rest.size);
    return digits && take(&rest, '.') && rest.size && check_characters(rest, ":", false)
            && str_find_char(rest, '%') == rest.size;
}

static bool check_authority(struct str text, bool unicode) {
    size_t at = str_find_char(text, '@');
    struct str host = text, port;

    if (at < text.size) {
        if (!check_characters(str_slice(text, 0, at), ":", unicode)) return false;
        host = str_slice(text, at + 1, text.size);
    }
    if (host.size && host.data[0] == '[') {
        size_t end = str_find_char(host, ']');
        struct str address = str_slice(host, 1, end);
        if (end == host.size || (!check_ipv6(address) && !check_future_address(address)))
            return false;
        port = str_slice(host, end + 1, host.size);
    } else {
        size_t colon = str_find_char(host, ':');
        if (!check_characters(str_slice(host, 0, colon), "", unicode)) return false;
        port = str_slice(host, colon, host.size);
    }
    if (port.size == 0) return true;
    return take(&port, ':') && (take_some_digits(&port), port.size == 0);
}

static bool check_scheme(struct str text) {
    if (text.size == 0 || !is_letter(text.data[0])) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_letter(text.data[i]) && !is_digit(text.data[i]) && !strchr("+-.", text.data[i]))
            return false;
    }
    return true;
}

static bool check_reference(struct str text, bool unicode, bool wants_scheme) {
    size_t hash = str_find_char(text, '#');
    struct str fragment = str_slice(text, hash + 1, text.size), rest = str_slice(text, 0, hash);
    size_t mark = str_find_char(rest, '?');
    struct str query = str_slice(rest, mark + 1, rest.size), path = str_slice(rest, 0, mark);
    size_t colon = str_find_char(path, ':'), slash = str_find_char(path, '/');
    bool has_scheme = colon < path.size && colon < slash;

    if (wants_scheme && !has_scheme) return false;
    if (has_scheme) {
        if (!check_scheme(str_slice(path, 0, colon))) return false;
        path = str_slice(path, colon + 1, path.size);
    }
    if (str_starts_with(path, STR("//"))) {
        path = str_slice(path, 2, path.size);
        size_t end = str_find_char(path, '/');
        if (!check_authority(str_slice(path, 0, end), unicode)) return false;
        path = str_slice(path, end, path.size);
    }
    return check_characters(path, ":@/", unicode) && check_characters(query, ":@/?", unicode)
            && check_characters(fragment, ":@/?", unicode);
}

static bool check_uri(struct str text) {
    return check_reference(text, false, true);
}

static bool check_uri_reference(struct str text) {
    return check_reference(text, false, false);
}

static bool check_iri(struct str text) {
    return check_reference(text, true, true);
}

static bool check_iri_reference(struct str text) {
    return check_reference(text, true, false);
}

/* ---- URI templates: RFC 6570 ---- */

static bool check_variable(struct str text) {
    bool was_dot = true;
    size_t at = 0;

    while (at < text.size && text.data[at] != ':' && text.data[at] != '*') {
        char c = text.data[at];
        if (c == '%') {
            if (at + 2 >= text.size || !is_hex(text.data[at + 1]) || !is_hex(text.data[at + 2]))
                return false;
            at += 2;
        } else if (!is_letter(c) && !is_digit(c) && c != '_' && (c != '.' || was_dot)) {
            return false;
        }
        was_dot = c == '.';
        at++;
    }
    if (at == 0 || was_dot) return false;
    struct str modifier = str_slice(text, at, text.size);
    if (take(&modifier, '*')) return modifier.size == 0;
    if (!take(&modifier, ':')) return true;
    if (modifier.size == 0 || modifier.data[0] == '0') return false;
    size_t digits = take_some_digits(&modifier);
    return digits >= 1 && digits <= 4 && modifier.size == 0;
}

static bool check_template_expression(struct str text) {
    if (text.size && strchr("+#./;?&", text.data[0])) text = str_slice(text, 1, text.size);
    if (text.size == 0) return false;
    for (struct str rest = text; rest.data;) {
        if (!check_variable(str_cut(&rest, ','))) return false;
    }
    return true;
}

static bool check_uri_template(struct str text) {
    while (text.size) {
        char c = text.data[0];
        if (c == '{') {
            size_t end = str_find_char(text, '}');
            if (end == text.size || !check_template_expression(str_slice(text, 1, end)))
                return false;
            text = str_slice(text, end + 1, text.size);
            continue;
        }
        if (c == '%' && (text.size < 3 || !is_hex(text.data[1]) || !is_hex(text.data[2])))
            return false;
        if ((unsigned char)c <= 0x20 || c == 0x7F || strchr("\"<>\\^`{|}", c)) return false;
        text = str_slice(text, 1, text.size);
    }
    return true;
}

/* ---- the rest ---- */

static bool check_uuid(struct str text) {
    if (text.size != 36) return false;
    for (size_t i = 0; i < text.size; i++) {
        bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_hyphen ? text.data[i] != '-' : !is_hex(text.data[i])) return false;
    }
    return true;
}

static bool check_pointer(struct str text) {
    if (text.size && text.data[0] != '/') return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '~') continue;
        if (i + 1 == text.size || (text.data[i + 1] != '0' && text.data[i + 1] != '1'))
            return false;
    }
    return true;
}

static bool check_relative_pointer(struct str text) {
    bool is_zero = text.size && text.data[0] == '0';
    size_t digits = take_some_digits(&text);

    if (digits == 0 || (is_zero && digits > 1)) return false;
    return str_equal(text, STR("#")) || check_pointer(text);
}

static bool check_regex(struct str text) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    const struct regex *regex;
    struct err err;

    return schema_pattern_compile(text, arena, &regex, &err);
}

format_check *schema_format_find(struct str name) {
    static const struct {
        const char *name;
        format_check *check;
    } formats[] = {
        { "date-time", check_date_time },
        { "date", check_date },
        { "time", check_time },
        { "duration", check_duration },
        { "email", check_email },
        { "idn-email", check_idn_email },
        { "hostname", check_hostname },
        { "idn-hostname", check_idn_hostname },
        { "ipv4", check_ipv4 },
        { "ipv6", check_ipv6 },
        { "uri", check_uri },
        { "uri-reference", check_uri_reference },
        { "iri", check_iri },
        { "iri-reference", check_iri_reference },
        { "uri-template", check_uri_template },
        { "uuid", check_uuid },
        { "json-pointer", check_pointer },
        { "relative-json-pointer", check_relative_pointer },
        { "regex", check_regex },
    };

    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        if (str_equal(name, str_from(formats[i].name))) return formats[i].check;
    }
    return NULL;
}
