/* What all the programs share: read a file into a buffer that is wiped after use, say "ready", wait to be dumped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char DIGEST[32] = "a digest of thirty-two bytes...";

static inline char *path_of(const char *folder, const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline size_t load(const char *folder, const char *name, unsigned char *buffer, size_t size)
{
    FILE *file = fopen(path_of(folder, name), "rb");
    if (!file) { perror(name); exit(2); }
    setvbuf(file, NULL, _IONBF, 0);
    size_t got = fread(buffer, 1, size, file);
    fclose(file);
    return got;
}

static inline void wipe(void *buffer, size_t size)
{
    volatile unsigned char *byte = (volatile unsigned char *)buffer;
    while (size--) *byte++ = 0;
}

static inline void must(int condition, const char *what)
{
    if (!condition) { fprintf(stderr, "failed: %s\n", what); exit(3); }
}

static inline void wait_to_be_dumped(void)
{
    puts("ready");
    fflush(stdout);
    getchar();
}
