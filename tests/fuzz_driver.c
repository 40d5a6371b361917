/* Runs the files of a folder through a fuzz target, as an ordinary test; and each cut short, and with each byte changed in turn
 * where it is small. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of just this size, so that the sanitizer sees a byte too far. */
static void run(const uint8_t *data, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (n)
        memcpy(copy, data, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static unsigned run_file(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *f = fopen(path, "rb");
    size_t n, step;
    unsigned runs = 0;
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    n = fread(data, 1, sizeof data, f);
    fclose(f);
    run(data, n);
    step = n / 32 + 1;
    for (size_t i = 0; i < n; i += step, runs += 3) {
        uint8_t old = data[i];
        run(data, i);
        data[i] = (uint8_t)(old ^ 1);
        run(data, n);
        data[i] = (uint8_t)(old ^ 0x80);
        run(data, n);
        data[i] = old;
    }
    return runs + 1;
}

int main(int argc, char **argv)
{
    struct dirent **entry;
    unsigned files = 0, runs = 0;
    for (int i = 1; i < argc; i++) {
        int n = scandir(argv[i], &entry, NULL, alphasort);
        for (int k = 0; k < n; k++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], entry[k]->d_name);
            if (entry[k]->d_name[0] != '.') {
                runs += run_file(path);
                files++;
            }
            free(entry[k]);
        }
        if (n >= 0)
            free(entry);
    }
    printf("%u files, %u runs\n", files, runs);
    return files == 0; /* a corpus that was not found proves nothing */
}
