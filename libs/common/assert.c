#include "common/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *file, int line, const char *function, const char *condition) {
    fprintf(stderr, "{\"event\":\"assertion\",\"at\":\"%s:%d\",\"function\":\"%s\",\"condition\":\"%s\"}\n",
            file, line, function, condition);
    abort();
}
