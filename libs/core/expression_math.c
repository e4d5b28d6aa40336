/* Functions of numbers, from the C library. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/expression_internal.h"

static bool finish(struct machine *machine, double value, struct json *ret) {
    if (!isfinite(value)) machine->odd = true;
    *ret = number_of(value);
    return true;
}

static bool check_numbers(struct machine *machine, const struct json *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (values[i].type != JSON_NUMBER) return fail_type(machine, values[i], "number required");
    }
    return true;
}

static double one_significand(double x) {
    int exponent;

    return x == 0 || !isfinite(x) ? x : frexp(x, &exponent) * 2;
}

static double one_gamma(double x) {
    int sign; /* lgamma() would keep it in a global */

    return lgamma_r(x, &sign);
}

static double one_exp10(double x) {
    return pow(10, x) == 0 ? 0 : exp10(x);
}

static double two_bessel_j(double order, double x) {
    return fabs(order) < 1000 ? jn((int)order, x) : (double)NAN;
}

static double two_bessel_y(double order, double x) {
    return fabs(order) < 1000 ? yn((int)order, x) : (double)NAN;
}

/* Functions of one number. */
#define MATH_ONE(ROW)                                                                              \
    ROW(acos, acos)                                                                                \
    ROW(acosh, acosh)                                                                              \
    ROW(asin, asin)                                                                                \
    ROW(asinh, asinh) ROW(atan, atan) ROW(atanh, atanh) ROW(cbrt, cbrt) ROW(ceil, ceil) ROW(cos,   \
            cos) ROW(cosh, cosh) ROW(erf, erf) ROW(erfc, erfc) ROW(exp, exp) ROW(exp10, one_exp10) \
            ROW(exp2, exp2) ROW(expm1, expm1) ROW(fabs, fabs) ROW(floor, floor) ROW(               \
                    gamma, one_gamma) ROW(j0, j0) ROW(j1, j1) ROW(lgamma, one_gamma) ROW(log, log) \
                    ROW(log10, log10) ROW(log1p, log1p) ROW(log2, log2) ROW(logb, logb)            \
                            ROW(nearbyint, nearbyint) ROW(pow10, one_exp10) ROW(rint, rint)        \
                                    ROW(round, round) ROW(significand, one_significand)            \
                                            ROW(sin, sin) ROW(sinh, sinh) ROW(sqrt, sqrt)          \
                                                    ROW(tan, tan) ROW(tanh, tanh)                  \
                                                            ROW(tgamma, tgamma) ROW(trunc, trunc)  \
                                                                    ROW(y0, y0) ROW(y1, y1)

/* Functions of two. */
#define MATH_TWO(ROW)                                                                  \
    ROW(atan2, atan2)                                                                  \
    ROW(copysign, copysign)                                                            \
    ROW(drem, remainder)                                                               \
    ROW(fdim, fdim) ROW(fmax, fmax) ROW(fmin, fmin) ROW(fmod, fmod) ROW(hypot, hypot)  \
            ROW(jn, two_bessel_j) ROW(nextafter, nextafter) ROW(nexttoward, nextafter) \
                    ROW(pow, pow) ROW(remainder, remainder) ROW(yn, two_bessel_y)

#define DEFINE_ONE(name, call)                                                      \
    static bool math_##name(                                                        \
            struct machine *machine, const struct json *values, struct json *ret) { \
        return check_numbers(machine, values, 1)                                    \
                && finish(machine, call(number_value(values[0])), ret);             \
    }
#define DEFINE_TWO(name, call)                                                                   \
    static bool math_##name(                                                                     \
            struct machine *machine, const struct json *values, struct json *ret) {              \
        return check_numbers(machine, values + 1, 2)                                             \
                && finish(machine, call(number_value(values[1]), number_value(values[2])), ret); \
    }

MATH_ONE(DEFINE_ONE)
MATH_TWO(DEFINE_TWO)

const struct native *math_find(struct str name, uint32_t arity) {
#define ROW_ONE(name, call) { #name, 0, math_##name },
#define ROW_TWO(name, call) { #name, 2, math_##name },
    static const struct native ones[] = { MATH_ONE(ROW_ONE) };
    static const struct native twos[] = { MATH_TWO(ROW_TWO) };
    const struct native *rows = arity == 0 ? ones : twos;
    size_t count = arity == 0 ? ARRAY_SIZE(ones) : arity == 2 ? ARRAY_SIZE(twos) : 0;

    for (size_t i = 0; i < count; i++) {
        if (str_equal(name, str_from(rows[i].name))) return &rows[i];
    }
    return NULL;
}

const struct native *math_at(size_t index) {
    static const struct native rows[] = { MATH_ONE(ROW_ONE) MATH_TWO(ROW_TWO) };

    return index < ARRAY_SIZE(rows) ? &rows[index] : NULL;
}

static bool scale(struct machine *machine, const struct json *values, struct json *ret) {
    if (!check_numbers(machine, values + 1, 2)) return false;
    double exponent = number_value(values[2]);
    exponent = isnan(exponent) ? 0 : MAX(-10000.0, MIN(10000.0, exponent));
    return finish(machine, ldexp(number_value(values[1]), (int)exponent), ret);
}

bool native_ldexp(struct machine *machine, const struct json *values, struct json *ret) {
    return scale(machine, values, ret);
}

bool native_fma(struct machine *machine, const struct json *values, struct json *ret) {
    if (!check_numbers(machine, values + 1, 3)) return false;
    return finish(machine,
            fma(number_value(values[1]), number_value(values[2]), number_value(values[3])), ret);
}

static bool pair(struct machine *machine, double first, double second, struct json *ret) {
    const struct json both[] = { number_of(first), number_of(second) };

    if (!isfinite(first) || !isfinite(second)) machine->odd = true;
    *ret = json_array_from(both, 2, machine->arena);
    return true;
}

bool native_frexp(struct machine *machine, const struct json *values, struct json *ret) {
    int exponent = 0;

    if (!check_numbers(machine, values, 1)) return false;
    double fraction = frexp(number_value(values[0]), &exponent);
    return pair(machine, fraction, isfinite(fraction) ? exponent : 0, ret);
}

bool native_modf(struct machine *machine, const struct json *values, struct json *ret) {
    double whole;

    if (!check_numbers(machine, values, 1)) return false;
    double fraction = modf(number_value(values[0]), &whole);
    return pair(machine, fraction, whole, ret);
}

bool native_lgamma_r(struct machine *machine, const struct json *values, struct json *ret) {
    int sign = 0;

    if (!check_numbers(machine, values, 1)) return false;
    double value = lgamma_r(number_value(values[0]), &sign);
    return pair(machine, value, sign, ret);
}

/* ---- what is not finite ---- */

bool native_infinite(struct machine *machine, const struct json *values, struct json *ret) {
    (void)values;
    return finish(machine, (double)INFINITY, ret);
}

bool native_nan(struct machine *machine, const struct json *values, struct json *ret) {
    (void)values;
    return finish(machine, (double)NAN, ret);
}

bool native_isinfinite(struct machine *machine, const struct json *values, struct json *ret) {
    (void)machine;
    *ret = json_bool(values[0].type == JSON_NUMBER && isinf(number_value(values[0])));
    return true;
}

bool native_isnan(struct machine *machine, const struct json *values, struct json *ret) {
    (void)machine;
    *ret = json_bool(is_nan(values[0]));
    return true;
}

bool native_isnormal(struct machine *machine, const struct json *values, struct json *ret) {
    (void)machine;
    *ret = json_bool(values[0].type == JSON_NUMBER && isnormal(number_value(values[0])));
    return true;
}

bool native_isfinite(struct machine *machine, const struct json *values, struct json *ret) {
    (void)machine;
    *ret = json_bool(values[0].type == JSON_NUMBER && !isinf(number_value(values[0])));
    return true;
}
