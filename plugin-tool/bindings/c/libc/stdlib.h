// As much of <stdlib.h> as hook.c and sdk.c need, and some that a hook may want. It is in libc.c.
#pragma once
#include <stddef.h>

void *malloc(size_t size);              // never NULL: where memory ends, the hook is stopped
void *realloc(void *block, size_t size);
void free(void *block);                 // does nothing
_Noreturn void abort(void);             // the hook fails with "trapped"
