/* The command as a person and a script see it: exact output, streams, exit codes, colours, widths.
 *
 * What is in expect/ comes from elsewhere: classic_*.txt from the text and the formulas of the classic calculator, fits.txt and its like
 * from those formulas and the list of accelerators, table*.txt from what was traced (tests/oracle): phi-2, one sequence of 2048 tokens,
 *   between steps 16678352384, peak_forward 26816838656, peak_backward 27026536960, peak_step 22237720064.
 * The traces have no dropout, the catalogue's phi-2 drops 0.1 of what attention and MLP add: 32 * 2 masks of 2048 * 2560 bytes, 335544320,
 * are kept on top: forward 25.29, backward 25.48 GiB.  There are no gradients yet where it is highest, so 27362081280 - 16678352384 bytes,
 * 9.95 GiB, are activations; of those, in MiB, a layer keeps 4 * 40 of the activation (gelu_new by hand), 40 of the projection before it,
 * 2 * 10 of attention, 2 * 10 of rotated q and k, 10 of the norm, and the loss has 3 * 400, fp32 of 2048 * 51200. */
#include "../suite.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPECT GM_SOURCE "/tests/cli/expect/"
enum { WORDS = 40 };

/* ---- running it --------------------------------------------------------------------------------------------------------- */

typedef struct outcome {
    int code;   /* exit code, or 1000 and the signal */
    char *out, *err;
    size_t nout, nerr;
} outcome;

static char folder[] = "/tmp/gpumem-cli-XXXXXX"; /* files of the tests; the current directory of what they run */

static char *read_fd(int fd, size_t *n)
{
    struct stat st;
    char *s;

    ck_assert_int_eq(fstat(fd, &st), 0);
    s = malloc((size_t)st.st_size + 1);
    ck_assert_ptr_nonnull(s);
    ck_assert_int_eq(pread(fd, s, (size_t)st.st_size, 0), st.st_size);
    s[st.st_size] = '\0';
    *n = (size_t)st.st_size;
    return s;
}

static int scratch(void)
{
    char name[] = "/tmp/gpumem-cli-file-XXXXXX";
    int fd = mkostemp(name, O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    unlink(name);
    return fd;
}

/* "a b 'c d' ''" as words; returns how many. */
static int split(char *s, char **word)
{
    int n = 0;

    for (;;) {
        s += strspn(s, " ");
        if (*s == '\0' || n == WORDS - 1)
            break;
        if (*s == '\'') {
            word[n++] = ++s;
            s += strcspn(s, "'");
        } else {
            word[n++] = s;
            s += strcspn(s, " ");
        }
        if (*s)
            *s++ = '\0';
    }
    word[n] = NULL;
    return n;
}

/* Words before the program's name are NAME=VALUE of its environment.  "calc" is the classic name. */
static void become(char *line, int in, int out, int err)
{
    static char classic[sizeof GM_BINARY + 32];
    char *word[WORDS], **argv = word;
    const char *slash = strrchr(GM_BINARY, '/');

    split(line, word);
    clearenv();
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("HOME", "/nonexistent", 1);
    setenv("PATH", "/usr/bin:/bin", 1);
    setenv("HF_HUB_OFFLINE", "1", 1); /* nobody out there is asked */
    for (; *argv && strchr(*argv, '='); argv++)
        putenv(*argv);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    if (chdir(folder) != 0)
        _exit(126);
    snprintf(classic, sizeof classic, "%.*s/gpu_memory_calculator", (int)(slash - GM_BINARY), GM_BINARY);
    execv(strcmp(*argv, "calc") == 0 ? (argv[0] = classic) : GM_BINARY, argv);
    _exit(127);
}

static pid_t start(const char *line, int in, int out, int err)
{
    pid_t pid = fork();
    char copy[4096];

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        snprintf(copy, sizeof copy, "%s", line);
        become(copy, in, out, err);
    }
    return pid;
}

static int wait_for(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static outcome run_with(const char *line, const char *input, size_t n)
{
    int in = scratch(), out = scratch(), err = scratch();
    outcome o;

    ck_assert_int_eq(pwrite(in, input, n, 0), (ssize_t)n);
    o.code = wait_for(start(line, in, out, err));
    o.out = read_fd(out, &o.nout);
    o.err = read_fd(err, &o.nerr);
    close(in);
    close(out);
    close(err);
    return o;
}

static outcome run(const char *line)
{
    return run_with(line, "", 0);
}

static void done(outcome *o)
{
    free(o->out);
    free(o->err);
}

static char *read_file(const char *path)
{
    size_t n;
    int fd = open(path, O_RDONLY);
    char *s;

    ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
    s = read_fd(fd, &n);
    close(fd);
    return s;
}

static char *expected(const char *name)
{
    char path[512];

    snprintf(path, sizeof path, EXPECT "%s", name);
    return read_file(path);
}

/* ---- exact output ---------------------------------------------------------------------------------------------------------- */

static const struct { const char *line, *file; } exact[] = {
    {"calc --model microsoft/phi-2 --mode training --precision bf16 --optimizer adamw --batch-size 4 --seq-length 2048", "classic_training.txt"},
    {"calc --batch-size=4", "classic_training.txt"},
    {"calc --model phi-2 --set classic --batch-size 4", "classic_training.txt"},
    {"calc --model microsoft/phi-2 --mode inference --precision bf16 --batch-size 1 --seq-length 2048", "classic_inference.txt"},
    {"calc --mode inference --no-kv-cache", "classic_no_cache.txt"},
    {"calc --mode inference --no-kv-cache --gradient-checkpointing --optimizer sgd", "classic_no_cache.txt"},
    {"calc --precision int4 --optimizer sgd-momentum --batch-size 3 --seq-length 512 --gradient-checkpointing --gradient-accumulation-steps 8", "classic_checkpointing.txt"},
    {"calc --model ./phi/", "classic_path.txt"},
    {"gpumem microsoft/phi-2", "table.txt"},
    {"gpumem train phi-2", "table.txt"},
    {"gpumem --model phi-2 --mode=training --color auto", "table.txt"},
    {"gpumem -- phi-2", "table.txt"},
    {"NO_COLOR=1 CLICOLOR_FORCE=1 gpumem phi-2", "table.txt"},
    {"gpumem phi-2 --ascii", "table_ascii.txt"},
    {"LC_ALL=C gpumem phi-2", "table_ascii.txt"},
    {"COLUMNS=50 gpumem phi-2", "table_50.txt"},
    {"COLUMNS=26 gpumem phi-2", "table_26.txt"},
    {"COLUMNS=0 gpumem phi-2", "table.txt"},
    {"COLUMNS=wide gpumem phi-2", "table.txt"},
    {"COLUMNS=200 gpumem infer phi-2", "table_inference.txt"},
    {"gpumem phi-2 --mode inference", "table_inference.txt"},
    {"gpumem infer phi-2 --set classic --gpu h100", "fits.txt"},
    {"gpumem infer phi-2 --set classic --gpu h100-sxm --check", "fits.txt"},
    {"gpumem infer phi-2 --set classic --memory 7GB --check", "tight.txt"},
    {"gpumem infer phi-2 --set classic --memory 6G", "no.txt"},
    {"gpumem infer phi-2 --set classic --memory 6144MiB", "no.txt"},
    {"gpumem infer phi-2 --set classic --gpu b200", "free.txt"},
    {"gpumem phi-2 --set classic --quiet --batch-size 4 --seq-length 2k", "quiet.txt"},
};

START_TEST(exact_output)
{
    outcome o = run(exact[_i].line);
    char *want = expected(exact[_i].file);

    ck_assert_msg(strcmp(o.out, want) == 0, "%s: expected\n%s\nnot\n%s\n%s", exact[_i].line, want, o.out, o.err);
    ck_assert_str_eq(o.err, "");
    ck_assert_int_eq(o.code, 0);
    free(want);
    done(&o);
}
END_TEST

/* ---- errors: the code, stderr word for word, nothing on stdout --------------------------------------------------------------- */

static const struct { const char *line; int code; const char *err; } errors[] = {
    {"gpumem", 2, "error: no model is given\n  tip: for example: gpumem microsoft/phi-2; all: gpumem --help\n"},
    {"gpumem train", 2, "error: no model is given\n  tip: for example: gpumem train microsoft/phi-2; all: gpumem --help\n"},
    {"gpumem ''", 2, "error: an empty argument\n"},
    {"gpumem phi-2 --precison bf16", 2, "error: unknown option '--precison'\n  tip: did you mean --precision?\n"},
    {"gpumem phi-2 -x", 2, "error: unknown option '--x'\n  tip: gpumem --help lists the options\n"},
    {"gpumem phi-2 --seq 3", 2, NULL}, /* no prefixes */
    {"calc --json", 2, "error: gpu_memory_calculator has no option '--json'\n  tip: gpu_memory_calculator --help lists its options\n"},
    {"calc phi-2", 2, "error: unexpected argument 'phi-2'\n  tip: usage: gpu_memory_calculator [OPTION...]\n"},
    {"calc --precision bf61", 2, NULL},
    {"calc --optimizer nobody", 2, NULL},
    {"calc --batch-size 0", 2, "error: --batch-size: '0' is not a whole number of at least 1\n"},
    {"calc --mode train", 2, "error: --mode: 'train' is not one of training, inference\n  tip: did you mean training?\n"},
    {"calc --model nobody/nothing-like-it", 6, NULL},
    {"calc --model ./none", 3, NULL},
    {"calc --model phi-2 --set default --precision int4", 2, NULL},
    {"gpumem infer phi-2 --optimizer adamw", 2, "error: gpumem infer has no option '--optimizer'\n  tip: gpumem infer --help lists its options\n"},
    {"gpumem train phi-2 --mode training", 2, "error: gpumem train has no option '--mode'\n  tip: gpumem train --help lists its options\n"},
    {"gpumem train phi-2 --no-kv-cache", 2, NULL},
    {"gpumem completion bash --json", 2, NULL},
    {"gpumem modle phi-2", 2, "error: unexpected argument 'phi-2'\n  tip: 'modle' is no command; did you mean model?\n"},
    {"gpumem train phi-2 gpt2", 2, "error: unexpected argument 'gpt2'\n  tip: usage: gpumem train MODEL [OPTION...]\n"},
    {"gpumem phi-2 --model gpt2", 2, "error: two models: 'gpt2' and 'phi-2'\n"},
    {"gpumem --model gpt2 phi-2", 2, "error: two models: 'gpt2' and 'phi-2'\n"},
    {"gpumem phi-2 --seq-length", 2, "error: --seq-length needs a value: N\n"},
    {"gpumem phi-2 --seq-length --json", 2, "error: --seq-length needs a value: N\n"},
    {"gpumem phi-2 --seq-length 2m", 2, "error: --seq-length: '2m' is not a whole number of at least 1\n"},
    {"gpumem phi-2 --seq-length 99999999999999999999", 2, "error: --seq-length: '99999999999999999999' is not a whole number of at least 1\n"},
    {"gpumem phi-2 --seq-length -1", 2, "error: --seq-length: '-1' is not a whole number of at least 1\n"},
    {"gpumem phi-2 --batch-size 2k", 2, "error: --batch-size: '2k' is not a whole number of at least 1\n"},
    {"gpumem phi-2 --batch-size 4294967296 --seq-length 4294967296k", 2, NULL},
    {"gpumem phi-2 --quiet=", 2, "error: --quiet takes no value\n"},
    {"gpumem phi-2 --ascii=1", 2, "error: --ascii takes no value\n"},
    {"gpumem phi-2 --attention flsh", 2, "error: --attention: 'flsh' is not one of flash, eager, sdpa\n  tip: did you mean flash?\n"},
    {"gpumem phi-2 --json --quiet", 2, "error: --json, --explain and --quiet exclude each other\n"},
    {"gpumem phi-2 --param hidden_size", 2, "error: --param: 'hidden_size' is not KEY=VALUE\n"},
    {"gpumem phi-2 --hidden-size big", 2, "error: --hidden-size: 'big' is not a whole number of at least 1\n"},
    {"gpumem phi-2 --tie-word-embeddings=maybe", 2, "error: --tie-word-embeddings: 'maybe' is not one of true, false\n"},
    {"gpumem phi-2 --memory 1XB", 2, "error: --memory: '1XB' is not a size such as 80GB, 80GiB or 81559MiB\n"},
    {"gpumem phi-2 --memory 0", 2, "error: --memory: '0' is not a size such as 80GB, 80GiB or 81559MiB\n"},
    {"gpumem phi-2 --gpu no-such-card-anywhere", 2, NULL},
    {"gpumem phi-2 --gpu apple-m4", 2, "error: how much memory Apple M4 can use depends on the machine\n  tip: say it: --gpu apple-m4 --memory SIZE\n"},
    {"gpumem phi-2 --optimizer adamww", 2, NULL},
    {"gpumem phi-2 --precision bf61", 2, NULL},
    {"gpumem phi-2 --set nope", 2, NULL},
    {"gpumem phi-2 --plugin-dir /none", 2, NULL},
    {"gpumem phi-2 --freeze (", 2, NULL},
    {"gpumem phi-2 --check", 2, "error: --check needs --gpu or --memory\n"},
    {"gpumem phi-2 --class PhiModel --quiet", 2, "error: --quiet: the total is not known: activations are not counted: the class\n       has no loss: nothing to train it with\n"
                                                 "  tip: --json says what is known; --set classic estimates the rest by formula\n"},
    {"gpumem phi-2 --class PhiModel --check --gpu h100", 2, "error: --check: the total is not known: activations are not counted: the class\n       has no loss: nothing to train it with\n"
                                                            "  tip: --json says what is known; --set classic estimates the rest by formula\n"},
    {"gpumem phi-2 --svg", 2, "error: --svg is a form of --timeline\n"},
    {"gpumem infer phi-2 --timeline --engine ideal", 2, "error: what the engine 'ideal' runs is not known operator by operator\n"},
    {"gpumem infer phi-2 --engine llama.cpp --activation torch", 2, "error: the engine 'llama.cpp' has rules of its own: 'torch' says nothing of it\n"},
    {"gpumem infer phi-2 --timeline --engine vllm", 2, "error: what the engine 'vllm' runs is not known operator by operator\n"},
    {"gpumem phi-2 --set classic --timeline", 2, "error: the set does not say what its operators make, one by one\n"},
    {"gpumem phi-2 --class PhiModel --timeline", 2, "error: activations are not counted: the class has no loss: nothing to train it\n       with\n"},
    {"gpumem phi-2 --batch-size 4294967296 --seq-length 4294967296", 2, "error: the estimate does not fit in 64 bits at batch 4294967296 and 4294967296\n       tokens\n"},
    {"gpumem phi-2 --batch-size 18446744073709551615", 2, "error: the estimate does not fit in 64 bits at batch 18446744073709551615 and\n       2048 tokens\n"},
    {"gpumem phi-2 --seq-length 4000000000k --timeline", 2, NULL},
    {"gpumem infer phi-2 --batch-size 1000000000 --context 1000000000k", 2, NULL},
    {"gpumem phi-2 --precision int4", 2, "error: weights cannot be trained in 'int4':\n       'model.layers.{i}.self_attn.q_proj.weight' has codes and scales\n"
                                         "  tip: freeze them and train adapters beside them, or train in another\n       precision, such as bf16\n"},
    {"gpumem phi-2 --precision bitsandbytes --json", 2, NULL},
    {"gpumem infer phi-2 --quantize gptq --precision bf16", 2, "error: --quantize and --precision exclude each other\n"},
    {"gpumem infer phi-2 --quantize gptq --weights headers", 2, "error: --quantize asks what weights would be, not what their files hold: leave\n       --weights headers\n"},
    {"gpumem infer phi-2 --quantize q5k", 2, NULL},
    {"gpumem phi-2 --quantize q5_k", 2, NULL},
    {"gpumem phi2", 6, NULL},
    {"gpumem plugn", 6, NULL},
    {"gpumem no--name", 3, NULL},
    {"gpumem ./none.json --json", 3, NULL},
    {"gpumem broken.json", 3, NULL},
    {"gpumem nomodel.json", 3, NULL},
    {"gpumem phi-2 --model-type nosuchtype", 3, NULL},
    {"gpumem phi-2 --param hidden_size=-1", 3, NULL},
    {"gpumem phi-2 --param hidden_size=word --json", 3, NULL},
    {"gpumem phi-2 --hidden-size 99999999999999", 3, NULL},
    {"gpumem --num-attention-heads 7", 3, NULL},
    {"gpumem phi-2 --class Nonsense", 2, NULL},
    {"gpumem batch", 2, "error: gpumem batch needs a file of cases, or -\n"},
    {"gpumem batch none.jsonl", 3, "error: cannot read 'none.jsonl': No such file or directory\n"},
    {"gpumem batch phi", 3, "error: cannot read phi: Is a directory\n"},
    {"gpumem batch - --set nope", 2, NULL},
    {"gpumem plugin", 2, "error: gpumem plugin: '' is not one of list, show\n"},
    {"gpumem plugin lst", 2, "error: gpumem plugin: 'lst' is not one of list, show\n"},
    {"gpumem plugin show", 2, "error: gpumem plugin show needs the id of a plugin\n"},
    {"gpumem plugin show adamww", 2, NULL},
    {"gpumem plugin list adamw", 2, NULL},
    {"gpumem plugin list --kind optimiser", 2, "error: --kind: 'optimiser' is not one of architecture, precision, optimizer,\n"
                                               "       activation, engine, family, gpu, set\n  tip: did you mean optimizer?\n"},
    {"gpumem gpus --search zzzz", 2, "error: no GPU has 'zzzz' in its key, name or aliases\n"},
    {"gpumem completion tcsh", 2, "error: gpumem completion: 'tcsh' is not one of bash, zsh, fish\n"},
    {"gpumem help nothing", 2, "error: no command 'nothing'; gpumem --help lists them\n"},
};

/* error: first, every line at most 80 columns but for words that are longer, nothing that is no text. */
static void check_error_form(const char *line, const char *err)
{
    ck_assert_msg(strncmp(err, "error: ", 7) == 0, "%s: %s", line, err);
    while (*err) {
        size_t n = strcspn(err, "\n");
        ck_assert_msg(err[n] == '\n', "%s: no newline at the end", line);
        ck_assert_msg(n <= 80 || strcspn(err + 7, " \n") + 7 >= n, "%s: wide line: %.*s", line, (int)n, err);
        err += n + 1;
    }
}

START_TEST(error_output)
{
    outcome o = run(errors[_i].line);

    ck_assert_msg(o.code == errors[_i].code, "%s: code %d: %s", errors[_i].line, o.code, o.err);
    ck_assert_msg(o.nout == 0, "%s: stdout: %s", errors[_i].line, o.out);
    check_error_form(errors[_i].line, o.err);
    if (errors[_i].err)
        ck_assert_str_eq(o.err, errors[_i].err);
    done(&o);
}
END_TEST

/* What a message must name. */
static const struct { const char *line, *has; } named[] = {
    {"gpumem phi2", "did you mean phi-2"},
    {"gpumem plugn", "the command plugin"},
    {"gpumem phi-2 --gpu rtx-409", "rtx-4090 (24 GB)"},
    {"gpumem phi-2 --gpu h10", "gpumem gpus --search h10"},
    {"gpumem phi-2 --optimizer adamww", "did you mean adamw"},
    {"gpumem phi-2 --precision bf61", "did you mean bf16"},
    {"gpumem phi-2 --model-type gemma22", "gemma2"},
    {"gpumem plugin show adamww", "adamw"},
    {"gpumem broken.json", "broken.json:2:"},
    {"gpumem phi-2 --class Nonsense", "PhiForCausalLM"},
};

START_TEST(error_names)
{
    outcome o = run(named[_i].line);

    ck_assert_msg(strstr(o.err, named[_i].has) != NULL, "%s: no '%s' in: %s", named[_i].line, named[_i].has, o.err);
    done(&o);
}
END_TEST

/* ---- parts of output ---------------------------------------------------------------------------------------------------------- */

/* Numbers are those of tests/oracle: params.jsonl and memory.jsonl. */
static const struct { const char *line; int code; const char *has; } partly[] = {
    {"gpumem microsoft/phi-2 --json", 0, "\"parameters\":2779683840"},
    {"gpumem microsoft/phi-2 --json", 0, "\"between_steps\":16678352384"},
    {"gpumem phi-2 --json --precision amp-bf16 --batch-size 2 --seq-length 1024", 0, "\"between_steps\":33356455424"},
    {"gpumem phi-2 --json --precision fp32 --seq-length 512 --implementation foreach", 0, "\"between_steps\":33356211200"},
    {"gpumem phi-2 --json --class PhiModel", 0, "\"total\":null"},
    {"gpumem phi-2 --json --class PhiModel", 0, "\"peak_forward\":null,\"peak_backward\":null,\"peak_step\":null,\"peak\":null"},
    {"gpumem phi-2 --json --class PhiModel", 0, "\"verdict\":null,\"fits\":null,\"limits\":null,\"suggestions\":[]"},
    /* with two masks of 2048 * 2560 bytes in each of 32 layers on top of what was traced */
    {"gpumem phi-2 --json", 0, "\"total\":27362081280"},
    {"gpumem phi-2 --json", 0, "\"peak_forward\":27152382976,\"peak_backward\":27362081280,\"peak_step\":22237720064,\"peak\":27362081280"},
    {"gpumem phi-2 --json", 0, "\"kept\":9844884992"},
    {"gpumem phi-2 --json", 0, "\"peak_phase\":\"backward\",\"peak_op\":\"loss\""},
    {"gpumem phi-2 --json --param resid_pdrop=0", 0, "\"peak_forward\":26816838656,\"peak_backward\":27026536960,\"peak_step\":22237720064,\"peak\":27026536960"},
    {"gpumem phi-2 --quiet --param resid_pdrop=0", 0, "27026536960\n"},
    {"gpumem phi-2 --quiet --param resid_pdrop=0 --check --memory 24GiB", 1, "27026536960\n"},
    {"gpumem phi-2 --json --param resid_pdrop=0 --seq-length 8192 --gradient-checkpointing", 0, "\"peak\":23382896128"},
    {"gpumem phi-2 --json --param resid_pdrop=0 --seq-length 8192 --gradient-checkpointing", 0, "\"peak_phase\":\"backward\",\"peak_op\":\"act\""},
    {"gpumem phi-2 --json --param resid_pdrop=0 --batch-size 2", 0, "{\"flag\":\"--gradient-checkpointing\",\"saves\":14747945984,\"total\":22626496000,\"verdict\":null}"},
    {"gpumem phi-2 --json --param resid_pdrop=0 --batch-size 2", 0, "{\"flag\":\"--batch-size 1\",\"saves\":10347905024,\"total\":27026536960,\"verdict\":null}"},
    {"gpumem phi-2 --json --param resid_pdrop=0 --batch-size 2 --memory 24GiB", 0, "\"total\":22626496000,\"verdict\":\"fits\"}"},
    {"gpumem phi-2 --json --param resid_pdrop=0 --batch-size 2 --memory 24GiB", 0, "\"total\":27026536960,\"verdict\":\"no\"}"},
    {"gpumem phi-2 --param resid_pdrop=0", 0, "\n  forward 24.98 \302\267 backward 25.17 \342\206\220 peak \302\267 step 20.71 GiB\n  the peak is in the backward of loss\n"},
    {"gpumem phi-2 --param resid_pdrop=0 --batch-size 2 --ascii", 0, "\n  to gain room:  --gradient-checkpointing  saves 13.74 GiB -> 21.07\n"
                                                             "                 --batch-size 1            saves  9.64 GiB -> 25.17\n"},
    {"COLUMNS=40 gpumem phi-2 --param resid_pdrop=0 --batch-size 2 --ascii", 0, "\n  to gain room:\n    --gradient-checkpointing\n      saves 13.74 GiB -> 21.07\n"
                                                             "    --batch-size 1\n      saves  9.64 GiB -> 25.17\n"},
    {"gpumem phi-2 --timeline --param resid_pdrop=0", 0, "phi-2 \302\267 bf16 \302\267 training \302\267 adamw fused \302\267 2048 tokens \303\227 1 sequence\n\n  phase       at block              peak     then  GiB\n"},
    {"gpumem phi-2 --timeline --param resid_pdrop=0", 0, " \342\206\220 peak\n"},
    {"gpumem phi-2 --timeline --param resid_pdrop=0", 0, "\n  step                             20.71    15.53\n"},
    {"gpumem phi-2 --timeline --json --param resid_pdrop=0", 0, "{\"schema\":\"gpumem.timeline/1\",\"units\":\"bytes\",\"model\":\"microsoft/phi-2\",\"between_steps\":16678352384,\"peak\":27026536960,"},
    {"gpumem phi-2 --timeline --json --param resid_pdrop=0", 0, "\"phase\":\"backward\",\"block\":33,\"op\":\"loss\",\"peak\":27026536960,"},
    {"gpumem phi-2 --timeline --json --param resid_pdrop=0", 0, "{\"phase\":\"step\",\"block\":null,\"op\":null,\"peak\":22237720064,\"live\":16678352384}]}\n"},
    {"gpumem phi-2 --timeline --svg --param resid_pdrop=0", 0, "<svg xmlns=\"http://www.w3.org/2000/svg\""},
    {"gpumem phi-2 --timeline --svg --param resid_pdrop=0", 0, ">peak 25.17 GiB: loss</text>"},
    {"gpumem phi-2 --timeline --svg --param resid_pdrop=0", 0, "</svg>\n"},
    {"gpumem infer phi-2 --timeline", 0, "\n  prefill      0 before"},
    {"gpumem infer phi-2 --timeline", 0, "\n  decode      33 after"},
    {"gpumem phi-2 --mode inference --timeline --json", 0, "\"phase\":\"decode\",\"block\":32,\"op\":\"add\","},
    {"gpumem infer phi-2 --timeline --svg", 0, ": live bytes along a prefill and the decode of one token</text>"},
    {"gpumem infer phi-2 --timeline --svg", 0, "\"/>\n<circle"},
    {"gpumem phi-2 --json", 0, "\"schema\":\"gpumem/1\""},
    {"gpumem phi-2 --json", 0, "{\"kind\":\"set\",\"id\":\"default\""},
    {"gpumem infer phi-2 --json", 0, "\"cache\":671088640,\"peak_prefill\":"}, /* 2 * 32 layers * 2048 * 2560 * 2 bytes */
    {"gpumem infer phi-2 --json --context 4096", 0, "\"cache\":1342177280,\"peak_prefill\":7321566208,\"peak_decode\":6922925056"},
    {"gpumem phi-2 --json --gpu b200", 0, "\"budget\":190761140224"}, /* free at start: 181924 MiB */
    {"gpumem phi-2 --json --gpu b200", 0, "\"runtime_visible\":191514017792,\"free_at_start\":190761140224"},
    {"gpumem phi-2 --json --gpu rtx-4090x2", 0, "\"source\":\"observed\",\"count\":2"},
    {"gpumem phi-2 --set classic --json --memory 7GB --mode inference", 0, "\"verdict\":\"tight\",\"fits\":true"},
    {"gpumem phi-2 --set classic --json --memory 6GB --mode inference", 0, "\"verdict\":\"no\",\"fits\":false"},
    {"gpumem phi-2 --set classic --json --memory 6GB --mode inference --check", 1, "\"verdict\":\"no\",\"fits\":false"},
    {"gpumem phi-2 --set classic --memory 6GB --quiet --check --mode inference", 1, "6805075968\n"},
    {"gpumem --param vocab_size=32000 --json", 0, "\"parameters\":6738415616"}, /* the defaults of llama */
    {"gpumem --model-type llama --json", 0, "\"parameters\":6738415616"},
    {"gpumem --model-type llama --param mlp_bias=true --json", 0, "\"parameters\":6739251200"},
    {"gpumem --model-type llama --json", 0, "\"model_source\":\"options\""},
    {"gpumem phi-2 --param num_hidden_layers=1 --json", 0, "\"layers\":1"},
    {"gpumem phi-2 --num-hidden-layers=1 --json", 0, "\"layers\":1"},
    {"gpumem phi/config.json --json", 0, "\"model_source\":\"config.json\""},
    {"gpumem phi/config.json", 0, "phi \302\267 bf16"},
    {"gpumem phi", 0, "phi \302\267 bf16"},
    {"gpumem phi-2 --freeze embed_tokens", 0, "2 779 683 840 parameters, 2 648 611 840 of them trained"},
    {"gpumem model phi-2", 0, "  2 779 683 840 parameters\n"},
    {"gpumem model phi-2", 0, "model.layers.{i}.mlp.fc1.weight [10240, 2560]"},
    {"gpumem model phi-2 --json", 0, "\"shape\":[10240,2560]"},
    {"gpumem model phi-2 --ascii", 0, "->"},
    {"gpumem phi-2 --explain", 0, "model.layers.{i}.mlp.fc1.weight [10240, 2560] x32 = 838 860 800"},
    {"gpumem phi-2 --explain", 0, "optimizer/adamw"},
    {"gpumem phi-2 --explain", 0, "  hidden_size              2560            config\n"},
    {"gpumem plugin list", 0, "adamw"},
    {"gpumem plugin list --kind set --json", 0, "\"kind\":\"set\",\"id\":\"classic\""},
    {"gpumem plugin show adamw", 0, "exp_avg_sq"},
    {"gpumem plugin show adamw --json", 0, "\"id\""},
    {"gpumem gpus --search H100", 0, "h100-sxm"},
    {"gpumem gpus --sources --search b200", 0, "observed"},
    {"gpumem gpus --json --search b200", 0, "\"key\":\"b200\",\"name\":\"B200 (HGX)\""},
    {"gpumem --version", 0, "gpumem 0."},
    {"calc --version", 0, "gpu_memory_calculator 0."},
    {"gpumem --help", 0, "usage: gpumem [COMMAND]"},
    {"gpumem help train", 0, "usage: gpumem train MODEL"},
    {"gpumem infer --help", 0, "--context N"},
    {"gpumem -h", 0, "usage: gpumem"},
    {"calc --help", 0, "usage: gpu_memory_calculator"},
    {"gpumem completion fish", 0, "complete -c gpumem"},
    {"gpumem completion zsh", 0, "#compdef gpumem gpu_memory_calculator"},
    {"gpumem completion words optimizer", 0, "adamw\t"},
    {"gpumem completion words gpu", 0, "h100-sxm\tH100 SXM5 80GB, 80 GB\n"},
    {"gpumem completion words model", 0, "llama3-8b\tmeta-llama/Meta-Llama-3-8B\n"},
};

START_TEST(partial_output)
{
    outcome o = run(partly[_i].line);

    ck_assert_msg(strstr(o.out, partly[_i].has) != NULL, "%s: no '%s' in: %.2000s%s", partly[_i].line, partly[_i].has, o.out, o.err);
    ck_assert_msg(o.code == partly[_i].code, "%s: code %d: %s", partly[_i].line, o.code, o.err);
    done(&o);
}
END_TEST

START_TEST(notes_go_to_stderr)
{
    outcome o = run("gpumem phi-2 --seq-length 4k --gpu h100x8");

    ck_assert_int_eq(o.code, 0);
    ck_assert_str_eq(o.err, "note: 4096 tokens are more than the 2048 positions of the model\n"
                            "note: each of the 8 GPUs holds the whole model: this version does not divide\n      models\n");
    done(&o);
}
END_TEST

/* No line of a human view is wider than 80 columns, but for words that are. */
START_TEST(default_views_are_narrow)
{
    static const char *const lines[] = {"gpumem phi-2", "gpumem model phi-2", "gpumem --help", "gpumem infer --help", "gpumem gpus",
                                        "gpumem phi-2 --set classic --gpu h100 --gradient-checkpointing"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        outcome o = run(lines[i]);
        ck_assert_int_eq(o.code, 0);
        for (const char *s = o.out; *s;) {
            size_t n = strcspn(s, "\n"), columns = 0;
            for (size_t k = 0; k < n; k++)
                columns += ((unsigned char)s[k] & 0xc0) != 0x80;
            ck_assert_msg(columns <= 80, "%s: %.*s", lines[i], (int)n, s);
            s += n + 1;
        }
        done(&o);
    }
}
END_TEST

/* ---- colour --------------------------------------------------------------------------------------------------------------------- */

/* Takes the escapes out; returns how many there were. */
static unsigned strip(char *s)
{
    unsigned n = 0;
    char *to = s;

    for (; *s; s++) {
        if (*s != '\033') {
            *to++ = *s;
            continue;
        }
        s += strcspn(s, "m");
        n++;
    }
    *to = '\0';
    return n;
}

static const struct { const char *line; bool color; } colors[] = {
    {"gpumem phi-2", false},
    {"TERM=xterm gpumem phi-2", false},
    {"gpumem phi-2 --color always", true},
    {"NO_COLOR=1 gpumem phi-2 --color=always", true},
    {"CLICOLOR_FORCE=1 gpumem phi-2", true},
    {"CLICOLOR_FORCE=0 gpumem phi-2", false},
    {"NO_COLOR= CLICOLOR_FORCE=1 gpumem phi-2", true},
    {"NO_COLOR=1 CLICOLOR_FORCE=1 gpumem phi-2", false},
    {"CLICOLOR_FORCE=1 gpumem phi-2 --color never", false},
};

START_TEST(color_is_decided_once)
{
    outcome o = run(colors[_i].line);
    char *want = expected("table.txt");

    ck_assert_int_eq(strip(o.out) > 0, colors[_i].color);
    ck_assert_str_eq(o.out, want);
    free(want);
    done(&o);
}
END_TEST

START_TEST(verdicts_have_colors_and_words)
{
    static const struct { const char *line, *has; } cases[] = {
        {"gpumem infer phi-2 --set classic --gpu h100 --color always", "\033[1;32mFITS\033[0m"},
        {"gpumem infer phi-2 --set classic --memory 7GB --color always", "\033[1;33mTIGHT\033[0m"},
        {"gpumem infer phi-2 --set classic --memory 6GB --color always", "\033[1;31mNO\033[0m"}};
    outcome o = run(cases[_i].line);

    ck_assert_ptr_nonnull(strstr(o.out, cases[_i].has));
    done(&o);
}
END_TEST

START_TEST(errors_have_colors_too)
{
    outcome o = run("CLICOLOR_FORCE=1 gpumem phi-2 --precison 3");

    ck_assert_str_eq(o.err, "\033[1;31merror:\033[0m unknown option '--precison'\n  \033[1;32mtip:\033[0m did you mean --precision?\n");
    done(&o);
}
END_TEST

/* On a terminal of so many columns; returns what it got. */
static char *run_on_terminal(const char *line, unsigned short width)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave, null = open("/dev/null", O_RDWR);
    struct winsize size = {24, width, 0, 0};
    char *s = calloc(1, 1 << 16);
    size_t n = 0;
    pid_t pid;

    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(slave, 0);
    ck_assert_int_eq(ioctl(slave, TIOCSWINSZ, &size), 0);
    pid = start(line, null, slave, null);
    close(slave);
    for (;;) {
        ssize_t got = read(master, s + n, (1 << 16) - 1 - n);
        if (got <= 0) /* EIO: the other side is closed */
            break;
        n += (size_t)got;
    }
    ck_assert_int_eq(wait_for(pid), 0);
    close(master);
    close(null);
    for (char *cr = s; (cr = strchr(cr, '\r')) != NULL;)
        memmove(cr, cr + 1, strlen(cr));
    return s;
}

START_TEST(terminals_have_width_and_color)
{
    static const struct { const char *line; unsigned short width; bool color; const char *file; } cases[] = {
        {"TERM=xterm gpumem phi-2", 80, true, "table.txt"},
        {"TERM=xterm gpumem phi-2", 50, true, "table_50.txt"},
        {"TERM=xterm COLUMNS=26 gpumem phi-2", 80, true, "table_26.txt"},
        {"TERM=dumb gpumem phi-2", 0, false, "table.txt"},
        {"gpumem phi-2", 80, false, "table.txt"},
        {"TERM=xterm NO_COLOR=1 gpumem phi-2", 80, false, "table.txt"},
        {"TERM=xterm gpumem phi-2 --color never", 80, false, "table.txt"}};
    char *got = run_on_terminal(cases[_i].line, cases[_i].width), *want = expected(cases[_i].file);

    ck_assert_int_eq(strip(got) > 0, cases[_i].color);
    ck_assert_str_eq(got, want);
    free(got);
    free(want);
}
END_TEST

/* ---- streams --------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_full_disk_is_an_error)
{
    static const char *const lines[] = {"gpumem phi-2", "gpumem phi-2 --json", "calc", "gpumem --help", "gpumem batch -", "gpumem gpus"};
    int full = open("/dev/full", O_WRONLY), in = scratch(), err = scratch();
    size_t n;
    char *s;

    ck_assert_int_ge(full, 0);
    ck_assert_int_eq(pwrite(in, "{}\n", 3, 0), 3);
    ck_assert_int_eq(wait_for(start(lines[_i], in, full, err)), 5);
    s = read_fd(err, &n);
    ck_assert_ptr_nonnull(strstr(s, "No space left on device"));
    free(s);
    close(full);
    close(in);
    close(err);
}
END_TEST

START_TEST(a_reader_that_leaves_ends_it_silently)
{
    int pipe_fd[2], null = open("/dev/null", O_RDWR), err = scratch();
    size_t n;

    ck_assert_int_eq(pipe(pipe_fd), 0);
    close(pipe_fd[0]);
    signal(SIGPIPE, SIG_IGN); /* and the program does not inherit that */
    ck_assert_int_eq(wait_for(start("gpumem phi-2", null, pipe_fd[1], err)), 1000 + SIGPIPE);
    free(read_fd(err, &n));
    ck_assert_uint_eq(n, 0);
    close(pipe_fd[1]);
    close(null);
    close(err);
}
END_TEST

/* ---- batch ----------------------------------------------------------------------------------------------------------------------- */

static const char llama[] = "{\"model_type\": \"llama\", \"hidden_size\": 64, \"intermediate_size\": 128, \"num_hidden_layers\": 2, \"num_attention_heads\": 4}";

static unsigned count_lines(const char *s)
{
    unsigned n = 0;

    for (; *s; s++)
        n += *s == '\n';
    return n;
}

START_TEST(batch_answers_in_order)
{
    char input[2048];
    int n = snprintf(input, sizeof input, "{\"id\": 1, \"config\": %s}\n\n  \t\n{\"id\": 2, \"config\": 3}\r\nnonsense\n{\"id\": 4, \"config\": %s}", llama, llama);
    outcome o = run_with("gpumem batch -", input, (size_t)n);
    const char *one = strstr(o.out, "\"id\": 1"), *two = strstr(o.out, "\"id\": 2"), *four = strstr(o.out, "\"id\": 4");

    ck_assert_int_eq(o.code, 0);
    ck_assert_str_eq(o.err, "");
    ck_assert_uint_eq(count_lines(o.out), 4);
    ck_assert_msg(one && two && four && one < two && two < four, "%s", o.out);
    ck_assert_ptr_nonnull(strstr(two, "\"error\""));
    ck_assert_ptr_nonnull(strstr(four, "\"parameters\""));
    done(&o);
}
END_TEST

START_TEST(batch_paths_start_at_the_file)
{
    outcome o = run("gpumem batch phi/cases.jsonl");

    ck_assert_int_eq(o.code, 0);
    ck_assert_msg(strstr(o.out, "\"parameters\": 2779683840"), "%s", o.out);
    done(&o);
    o = run_with("gpumem batch -", "{\"config\": \"phi/config.json\"}\n", 30);
    ck_assert_msg(strstr(o.out, "\"parameters\": 2779683840"), "%s", o.out);
    done(&o);
    o = run_with("gpumem batch -", "{\"config\": \"config.json\"}\n", 26);
    ck_assert_msg(strstr(o.out, "\"error\""), "%s", o.out);
    ck_assert_int_eq(o.code, 0);
    done(&o);
}
END_TEST

/* A case of some MiB, then many small ones: more than any buffer. */
START_TEST(batch_lines_have_any_length)
{
    size_t pad = 3u << 20, each, n = 0;
    char *input = malloc(pad + (2u << 20)), one[512];

    ck_assert_ptr_nonnull(input);
    n += (size_t)sprintf(input, "{\"note\": \"");
    memset(input + n, 'x', pad);
    n += pad;
    n += (size_t)sprintf(input + n, "\", \"config\": %s}\n", llama);
    each = (size_t)snprintf(one, sizeof one, "{\"config\": %s, \"batch\": 3}\n", llama);
    for (int i = 0; i < 4000; i++, n += each)
        memcpy(input + n, one, each);
    outcome o = run_with("gpumem batch -", input, n);
    ck_assert_int_eq(o.code, 0);
    ck_assert_uint_eq(count_lines(o.out), 4001);
    ck_assert_ptr_null(strstr(o.out, "\"error\""));
    ck_assert_uint_ge(o.nout, pad);
    done(&o);
    free(input);
}
END_TEST

/* A case is answered although the pipe stays open. */
START_TEST(batch_answers_at_once)
{
    int in[2], out[2], null = open("/dev/null", O_RDWR);
    char input[512], answer[4096];

    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = start("gpumem batch -", in[0], out[1], null);
    close(in[0]);
    close(out[1]);
    for (int i = 0; i < 3; i++) {
        int n = snprintf(input, sizeof input, "{\"config\": %s, \"batch\": %d}\n", llama, i + 1);
        ck_assert_int_eq(write(in[1], input, (size_t)n), n);
        struct pollfd p = {out[0], POLLIN, 0};
        ck_assert_int_eq(poll(&p, 1, 20000), 1);
        ssize_t got = read(out[0], answer, sizeof answer - 1);
        ck_assert_int_gt(got, 0);
        answer[got] = '\0';
        ck_assert_uint_eq(count_lines(answer), 1);
        ck_assert_ptr_nonnull(strstr(answer, "\"parameters\""));
    }
    close(in[1]);
    ck_assert_int_eq(wait_for(pid), 0);
    close(out[0]);
    close(null);
}
END_TEST

/* ---- one table of options ------------------------------------------------------------------------------------------------------------ */

/* Is `--name` in s, with nothing of a name behind it? */
static bool has_option(const char *s, const char *before, const char *name, size_t n)
{
    size_t length = strlen(before);

    for (; (s = strstr(s, before)) != NULL; s += length)
        if (strncmp(s + length, name, n) == 0 && !strchr("abcdefghijklmnopqrstuvwxyz-", s[length + n] ? s[length + n] : ' '))
            return true;
    return false;
}

START_TEST(man_page_and_help_agree)
{
    outcome help = run("gpumem --help");
    char *man = read_file(GM_SOURCE "/docs/gpumem.1");
    unsigned count = 0;

    for (const char *s = help.out; (s = strstr(s, "\n  --")) != NULL; count++) {
        size_t n = strcspn(s += 5, " \n");
        ck_assert_msg(has_option(man, ".It Fl Fl ", s, n), "the man page lacks --%.*s", (int)n, s);
    }
    ck_assert_uint_gt(count, 40);
    for (const char *s = man; (s = strstr(s, "\n.It Fl Fl ")) != NULL;) {
        size_t n = strcspn(s += 11, " \n");
        ck_assert_msg(has_option(help.out, "  --", s, n), "--help lacks --%.*s", (int)n, s);
        count--;
    }
    ck_assert_uint_eq(count, 0);
    free(man);
    done(&help);
}
END_TEST

/* Every option of the classic calculator works under both names. */
START_TEST(classic_options_work_everywhere)
{
    static const char *const names[] = {"model NAME", "mode ", "precision ", "batch-size ", "seq-length ", "optimizer ",
                                        "gradient-accumulation-steps ", "gradient-checkpointing", "no-kv-cache"};
    outcome gpumem = run("gpumem --help"), classic = run("calc --help");

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char option[64];
        snprintf(option, sizeof option, "\n  --%s", names[i]);
        ck_assert_ptr_nonnull(strstr(gpumem.out, option));
        ck_assert_ptr_nonnull(strstr(classic.out, option));
    }
    done(&gpumem);
    done(&classic);
}
END_TEST

/* ---- completion in bash ----------------------------------------------------------------------------------------------------------------- */

/* The words are COMP_WORDS, the last one is completed. */
static char *complete(const char *words)
{
    char command[2048], *s = calloc(1, 1 << 16);
    FILE *f;

    snprintf(command, sizeof command,
             "cd %s && exec bash --norc -c 'source <(%s completion bash); COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _gpumem %s;"
             " printf \"%%s \" \"${COMPREPLY[@]}\"' 2>&1",
             folder, GM_BINARY, words, GM_BINARY);
    f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(s);
    size_t n = fread(s, 1, (1 << 16) - 1, f);
    s[n] = '\0';
    ck_assert_int_eq(pclose(f), 0);
    return s;
}

static const struct { const char *words, *want; } completions[] = {
    {"gpumem tra", "train "},
    {"gpumem --mod", "--model --model-type --mode "},
    {"gpumem train --mod", "--model --model-type "},
    {"gpumem phi-2 --mode \"\"", "training inference "},
    {"gpumem phi-2 --mode = inf", "inference "},
    {"gpumem phi-2 --optimizer adamw", "adamw adamw-8bit "},
    {"gpumem phi-2 --gpu h100-s", "h100-sxm h100-sxm5 "},
    {"gpumem phi-2 --color a", "auto always "},
    {"gpumem plugin s", "show "},
    {"gpumem plugin show adamw", "adamw adamw-8bit "},
    {"gpumem completion f", "fish "},
    {"gpumem model microsoft/phi-2", "microsoft/phi-2 "},
    {"gpumem batch ph", "phi "},
    {"gpumem help mo", "model "},
    {"gpumem infer phi-2 --plugin-dir ph", "phi "},
};

START_TEST(bash_completes)
{
    char *got = complete(completions[_i].words);

    ck_assert_msg(strcmp(got, completions[_i].want) == 0, "%s: '%s'", completions[_i].words, got);
    free(got);
}
END_TEST

/* ---- all ---------------------------------------------------------------------------------------------------------------------------------- */

/* Outside of tests: Check's assertions do not work here. */
static void must(const char *format, const char *argument)
{
    char command[2048];

    snprintf(command, sizeof command, format, folder, argument);
    if (system(command) != 0) {
        fprintf(stderr, "failed: %s\n", command);
        exit(EXIT_FAILURE);
    }
}

static void make_folder(void)
{
    if (!mkdtemp(folder))
        exit(EXIT_FAILURE);
    must("cd %s && mkdir phi && cp %s phi/config.json", GM_DATA "/model/microsoft--phi-2.json");
    must("cd %s && printf '%%b' '%s' >broken.json", "{\"model_type\": \"llama\",\\n oops}");
    must("cd %s && printf '%%b' '%s' >nomodel.json", "{\"hidden_size\": 3}");
    must("cd %s && printf '%%b' '%s' >phi/cases.jsonl", "{\"config\": \"config.json\"}\\n");
}

#define LOOP(test, n) tcase_add_loop_test(c, test, 0, (int)(n))
#define COUNT(a) (sizeof(a) / sizeof *(a))

int main(void)
{
    Suite *s = suite_create("cli");
    TCase *c = tcase_create("cli");
    int failed;

    make_folder();
    LOOP(exact_output, COUNT(exact));
    LOOP(error_output, COUNT(errors));
    LOOP(error_names, COUNT(named));
    LOOP(partial_output, COUNT(partly));
    LOOP(color_is_decided_once, COUNT(colors));
    LOOP(verdicts_have_colors_and_words, 3);
    LOOP(terminals_have_width_and_color, 7);
    LOOP(a_full_disk_is_an_error, 6);
    LOOP(bash_completes, COUNT(completions));
    tcase_add_test(c, notes_go_to_stderr);
    tcase_add_test(c, default_views_are_narrow);
    tcase_add_test(c, errors_have_colors_too);
    tcase_add_test(c, a_reader_that_leaves_ends_it_silently);
    tcase_add_test(c, batch_answers_in_order);
    tcase_add_test(c, batch_paths_start_at_the_file);
    tcase_add_test(c, batch_lines_have_any_length);
    tcase_add_test(c, batch_answers_at_once);
    tcase_add_test(c, man_page_and_help_agree);
    tcase_add_test(c, classic_options_work_everywhere);
    suite_add_tcase(s, c);
    failed = run_suite(s);
    must("rm -r %s%s", "");
    return failed;
}
