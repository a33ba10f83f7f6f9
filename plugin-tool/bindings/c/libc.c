// As much of a C library as a hook needs. Memory is taken and never given back: an instance lives for one run, and the
// generated code frees what a hook returns, which may be a literal.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef __wasm_bulk_memory__
#error "compile with -mbulk-memory: memcpy, memmove and memset would otherwise call themselves"
#endif

#define PAGE 65536
#define ALIGN 16 // also the room in front of a block, where its size is

extern unsigned char __heap_base; // where the linker's data ends
static uintptr_t top;             // where the last block ends

static size_t round_up(size_t size) {
  return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static size_t *size_of(void *block) {
  return (size_t *)((uintptr_t)block - ALIGN);
}

// Traps where memory ends, so that nobody has to look for NULL.
void *malloc(size_t size) {
  if (!top) top = round_up((uintptr_t)&__heap_base);
  if (size > PTRDIFF_MAX || round_up(size) + ALIGN > UINTPTR_MAX - top) abort();
  uintptr_t block = top + ALIGN, end = block + round_up(size);
  size_t pages = (end - 1) / PAGE + 1, there = __builtin_wasm_memory_size(0);
  if (pages > there && __builtin_wasm_memory_grow(0, pages - there) == SIZE_MAX) abort();
  top = end;
  *size_of((void *)block) = size;
  return (void *)block;
}

void *realloc(void *old, size_t size) {
  if (!old) return malloc(size);
  size_t before = *size_of(old);
  if ((uintptr_t)old + round_up(before) == top) top = (uintptr_t)old - ALIGN; // the last block grows where it is
  void *block = malloc(size);
  return block == old ? block : memcpy(block, old, before < size ? before : size);
}

void free(void *block) {
  (void)block;
}

void abort(void) {
  __builtin_trap();
}

// With -mbulk-memory these three are instructions.
void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  return __builtin_memcpy(to, from, size);
}

void *memmove(void *to, const void *from, size_t size) {
  return __builtin_memmove(to, from, size);
}

void *memset(void *to, int byte, size_t size) {
  return __builtin_memset(to, byte, size);
}

// With -ffreestanding the compiler does not turn these loops into calls of the functions that they are in.
int memcmp(const void *one, const void *other, size_t size) {
  const unsigned char *a = one, *b = other;
  for (; size; size--, a++, b++)
    if (*a != *b) return *a - *b;
  return 0;
}

size_t strlen(const char *string) {
  size_t length = 0;
  while (string[length]) length++;
  return length;
}

int strcmp(const char *one, const char *other) {
  return strncmp(one, other, SIZE_MAX);
}

int strncmp(const char *one, const char *other, size_t most) {
  const unsigned char *a = (const unsigned char *)one, *b = (const unsigned char *)other;
  for (; most; most--, a++, b++)
    if (*a != *b || !*a) return *a - *b;
  return 0;
}

char *strstr(const char *string, const char *part) {
  for (size_t length = strlen(part);; string++) {
    if (!strncmp(string, part, length)) return (char *)string;
    if (!*string) return NULL;
  }
}
