/* Part of form.c: a number of JSON, from its digits to the nearest double.
 *
 * Where the digits make a whole number up to 2^53 and the power of ten behind them is 22 at most,
 * both are doubles without an error, and one product or quotient rounds once: to the nearest
 * (W. D. Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990, section 3). Every
 * other number is left to Python's own reader.
 */
#include <float.h>

/* Digits that a whole number of 64 bits certainly holds. */
#define MOST_DIGITS 18

typedef struct {
    const char *end; /* NULL: this is no number */
    uint64_t digits;
    int count, power, minus, whole;
} Number;

static const double TEN[] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static const char *digits(const char *at, Number *n)
{
    const char *begin = at;
    for (; is_digit(*at); at++)
        if (at - begin <= MOST_DIGITS) n->digits = n->digits * 10 + (uint64_t)(*at - '0');
    /* Of many digits the number is no longer used: only that they are too many counts. */
    n->count += at - begin > MOST_DIGITS ? MOST_DIGITS + 1 : (int)(at - begin);
    return at;
}

/* Reads the power behind an e; NULL if it is none. One of many digits is beyond all use. */
static const char *power(const char *at, Number *n)
{
    int minus = *at == '-', found = 0;
    if (*at == '+' || *at == '-') at++;
    if (!is_digit(*at)) return NULL;
    for (; is_digit(*at); at++)
        if (found < 10000) found = found * 10 + (*at - '0');
    n->power += minus ? -found : found;
    return at;
}

/* Reads a number of JSON; the bytes end with a zero, which is no digit. */
static Number number_at(const char *at)
{
    Number n = {NULL, 0, 0, 0, *at == '-', 1};
    if (n.minus) at++;
    if (!is_digit(*at)) return n;
    at = *at == '0' ? at + 1 : digits(at, &n);
    if (*at == '.') {
        const char *begin = ++at;
        n.whole = 0;
        at = digits(at, &n);
        if (at == begin) return n;
        n.power = n.count > MOST_DIGITS ? 0 : -(int)(at - begin);
    }
    if (*at == 'e' || *at == 'E') {
        n.whole = 0;
        at = power(at + 1, &n);
    }
    n.end = at;
    return n;
}

/* Returns 1 with the nearest double, 0 where one rounding does not give it. */
static int nearest(const Number *n, double *found)
{
    if (FLT_EVAL_METHOD != 0 || n->count > MOST_DIGITS || n->digits > (uint64_t)1 << 53
        || n->power < -22 || n->power > 22)
        return 0;
    double v = (double)n->digits;
    v = n->power < 0 ? v / TEN[-n->power] : v * TEN[n->power];
    *found = n->minus ? -v : v;
    return 1;
}
