/* A safetensors header of 30 MB: parsed here, and by python3's json module, side by side.  Memory: of the header and its tensors. */
#include "bench.h"
#include "source/file.h"
#include "source/safetensors.h"
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ROUNDS = 9, HEADER = 30000000 };

static void write_file(const char *path)
{
    FILE *f = fopen(path, "wb");
    char *text = malloc(HEADER + 1024);
    size_t n = 1;
    unsigned long long at = 0;
    if (!f || !text)
        bench_stop("cannot be written", path);
    text[0] = '{';
    for (unsigned i = 0; n < HEADER; i++) {
        n += (size_t)sprintf(text + n, "%s\"model.layers.%u.mlp.experts.%u.%s_proj.weight\":{\"dtype\":\"BF16\",\"shape\":[2048,7168],\"data_offsets\":[%llu,%llu]}", i ? "," : "", i / 768,
                             i / 3 % 256, i % 3 == 0 ? "gate" : i % 3 == 1 ? "up" : "down", at, at + 29360128);
        at += 29360128;
    }
    text[n++] = '}';
    for (unsigned i = 0; i < 8; i++)
        fputc((int)(n >> 8 * i & 255), f);
    if (fwrite(text, 1, n, f) != n || fclose(f) != 0 || truncate(path, (off_t)(8 + n + at)) != 0)
        bench_stop("cannot be written", path);
    free(text);
}

static double once(const char *path, uint32_t *tensors)
{
    gm_safetensors s = {0};
    gpumem_error err = {0};
    double start = bench_now();
    gm_reader *r;
    if (gm_file_reader(path, true, &r, &err) != GPUMEM_OK || gm_safetensors_read(r, &s, &err) != GPUMEM_OK)
        bench_stop(err.message, path);
    *tensors = s.ntensor;
    gm_safetensors_free(&s);
    r->close(r);
    return bench_now() - start;
}

/* Seconds of json.loads over the same bytes, the least of five; 0 where there is no python3. */
static double python(const char *path)
{
    char line[700];
    double seconds = 0;
    FILE *p;
    snprintf(line, sizeof line,
             "python3 -c \"import json,time,struct\nf=open('%s','rb')\nn=struct.unpack('<Q',f.read(8))[0]\nb=f.read(n)\nt=[]\n"
             "for i in range(5):\n s=time.perf_counter(); json.loads(b); t.append(time.perf_counter()-s)\nprint(min(t))\" 2>/dev/null", path);
    p = popen(line, "r");
    if (p && fscanf(p, "%lf", &seconds) != 1)
        seconds = 0;
    if (p)
        pclose(p);
    return seconds;
}

int main(void)
{
    char path[] = "/tmp/gpumem-bench-XXXXXX";
    int fd = mkstemp(path);
    double time[ROUNDS], other;
    struct rusage after;
    bench_times t;
    uint32_t tensors = 0;
    if (fd < 0)
        bench_stop("cannot be made", path);
    close(fd);
    write_file(path);
    for (unsigned i = 0; i < ROUNDS; i++)
        time[i] = once(path, &tensors);
    getrusage(RUSAGE_SELF, &after);
    t = bench_sum_up(time, ROUNDS);
    other = python(path);
    unlink(path);
    printf("header of 30 MB, %u tensors: %.1f ms at least, %.1f ms in the middle; %.0f MB/s; peak of memory %.0f MiB\n", tensors, t.least * 1e3, t.middle * 1e3, 30 / t.least,
           (double)after.ru_maxrss / 1024);
    if (other > 0)
        printf("python3 json.loads: %.1f ms at least; %.1f times as long\n", other * 1e3, other / t.least);
    else
        printf("python3 is not here: nothing to compare with\n");
    return 0;
}
