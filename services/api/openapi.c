#include "services/api/openapi.h"

/* The assembler reads the file, from the root of the tree, where the build runs; the Makefile names it as a prerequisite of this one. */
__asm__(".section .rodata\n"
        ".global penstock_openapi\n"
        ".global penstock_openapi_end\n"
        "penstock_openapi:\n"
        ".incbin \"contracts/openapi.json\"\n"
        "penstock_openapi_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char penstock_openapi[], penstock_openapi_end[];

struct str openapi_document(void) {
    return (struct str){ penstock_openapi, (size_t)(penstock_openapi_end - penstock_openapi) };
}
