/* gpumem/gpumem.h - how much memory a model needs, and why.
 *
 * The library never prints, never exits and keeps no global state.  Objects are opaque; each is used by one thread at a
 * time.  Functions that can fail return a gpumem_status and fill the caller's gpumem_error (which may be NULL).  Sizes are
 * bytes as uint64_t unless a name says otherwise.  Strings that are returned live as long as the object that they came from. */
#ifndef GPUMEM_GPUMEM_H
#define GPUMEM_GPUMEM_H

#include <gpumem/plugin.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GPUMEM_VERSION "0.1.0"
GPUMEM_EXPORT const char *gpumem_version(void);

#if defined(__GNUC__) || defined(__clang__)
#define GPUMEM_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define GPUMEM_PRINTF(f, a)
#endif

/* ---- errors -------------------------------------------------------------------------------------------------------- */

typedef struct gpumem_error { /* {0} before the first call */
    gpumem_status status;
    unsigned line, column; /* 1-based; 0: not known */
    unsigned ntip;
    char file[512];        /* "" where no file is to blame */
    char message[512];     /* one sentence, no full stop, no newline */
    char tip[3][256];      /* what could help */
} gpumem_error;

GPUMEM_EXPORT void gpumem_error_clear(gpumem_error *err);
/* Best three of the names that are near to what was asked for: gpumem_near_offer each, then the text "a, b or c". */
typedef struct gpumem_near { const char *wanted; unsigned n; struct { char name[96]; unsigned rank; } best[3]; } gpumem_near;
GPUMEM_EXPORT void gpumem_near_init(gpumem_near *near, const char *wanted);
GPUMEM_EXPORT void gpumem_near_offer(gpumem_near *near, const char *name);
GPUMEM_EXPORT const char *gpumem_near_text(const gpumem_near *near, char *buf, size_t n); /* "" when nothing is near */
/* "file:line:column: message"; the parts that are known. */
GPUMEM_EXPORT const char *gpumem_error_text(const gpumem_error *err, char *buf, size_t n);
/* The command's exit code for a status: 0, 2 usage, 3 model or config, 4 plugin, 5 internal, 6 network or access. */
GPUMEM_EXPORT int gpumem_exit_code(gpumem_status status);

/* ---- a growing string ----------------------------------------------------------------------------------------------- */

/* {0} is empty; s is NUL-terminated once it is not NULL.  A failed allocation sticks: later appends do nothing. */
typedef struct gpumem_text { char *s; size_t n, size; bool failed; } gpumem_text;
GPUMEM_EXPORT void gpumem_text_put(gpumem_text *t, const char *s, size_t n);
GPUMEM_EXPORT void gpumem_text_puts(gpumem_text *t, const char *s);
GPUMEM_EXPORT void gpumem_text_char(gpumem_text *t, char c);
GPUMEM_EXPORT void gpumem_text_u64(gpumem_text *t, uint64_t v);
GPUMEM_EXPORT void gpumem_text_i64(gpumem_text *t, int64_t v);
GPUMEM_EXPORT void gpumem_text_json(gpumem_text *t, const char *s, size_t n); /* quoted and escaped as JSON; invalid UTF-8 as U+FFFD */
GPUMEM_EXPORT void gpumem_text_printf(gpumem_text *t, const char *format, ...) GPUMEM_PRINTF(2, 3);
GPUMEM_EXPORT void gpumem_text_clear(gpumem_text *t); /* keeps the memory */
GPUMEM_EXPORT void gpumem_text_free(gpumem_text *t);

/* ---- the host: where plugins are found ------------------------------------------------------------------------------- */

typedef struct gpumem_host gpumem_host;

typedef struct gpumem_host_options {
    const char *const *plugin_dir; /* searched first, in order */
    size_t nplugin_dir;
    bool no_environment;           /* leave out $GPUMEM_PLUGIN_PATH and the user's data directory */
} gpumem_host_options;

/* options may be NULL.  A directory of plugin_dir that does not exist is an error. */
GPUMEM_EXPORT gpumem_status gpumem_host_new(const gpumem_host_options *options, gpumem_host **out, gpumem_error *err);
GPUMEM_EXPORT void gpumem_host_free(gpumem_host *host);

GPUMEM_EXPORT const char *gpumem_kind_name(gpumem_kind kind); /* "architecture", ... or NULL */
GPUMEM_EXPORT gpumem_kind gpumem_kind_from(const char *name); /* 0 if there is none */

/* Every candidate, in the order of search; `error` says why one was refused. */
typedef struct gpumem_candidate {
    gpumem_kind kind;
    const char *id, *version, *title; /* version, title: "" where the manifest could not be read */
    const char *directory;            /* of the search path */
    const char *path;                 /* of the manifest */
    const char *library;              /* file name, or NULL: data only */
    const char *use;                  /* id of the plugin whose library it uses, or of the family that it is like; or NULL */
    bool shadowed;                    /* an earlier directory has the same kind and id */
    gpumem_error error;               /* status OK: the manifest is well, and the library too (it is opened) */
} gpumem_candidate;
/* Calls back for each; stops when the callback returns nonzero.  kind 0: all kinds. */
GPUMEM_EXPORT gpumem_status gpumem_plugin_each(gpumem_host *host, gpumem_kind kind, int (*each)(void *self, const gpumem_candidate *c),
                                               void *self, gpumem_error *err);
/* What a plugin says of itself, as JSON: kind, id, version, title, sources, directory, library, parameters (key, type, default, range,
 * help), components, formats, what it uses and what it is used by.  kind 0: any; ids that several kinds have give a list of all. */
GPUMEM_EXPORT gpumem_status gpumem_plugin_describe(gpumem_host *host, gpumem_kind kind, const char *id, gpumem_text *json, gpumem_error *err);

/* ---- the Hub: models by their name there ---------------------------------------------------------------------------------- */

typedef enum gpumem_progress_kind {
    GPUMEM_PROGRESS_FETCH, /* often: `what` is being fetched; done and total bytes of all that is fetched at once */
    GPUMEM_PROGRESS_WAIT,  /* the server asks to wait for so many seconds */
    GPUMEM_PROGRESS_DONE,  /* all that was asked at once is there, or failed */
    GPUMEM_PROGRESS_NOTE   /* `what` is a sentence for people */
} gpumem_progress_kind;
typedef struct gpumem_progress {
    gpumem_progress_kind kind;
    const char *what;
    uint64_t done, total; /* total 0: not known yet */
    unsigned seconds;
} gpumem_progress;

typedef struct gpumem_hub_options { /* NULL, 0 and false: as the environment says, HF_HOME, HF_ENDPOINT, HF_TOKEN and so on */
    const char *endpoint, *token;
    const char *cache;  /* the folder with models--ORG--NAME in it */
    bool offline;       /* nothing but the cache */
    unsigned backoff;   /* milliseconds before the first retry; 0: 1000 */
    unsigned patience;  /* seconds that a server may ask to wait; 0: 60 */
    const char *open;   /* models that anybody may read, named where one is gated; or NULL */
    void (*progress)(void *self, const gpumem_progress *p); /* or NULL */
    void *self;
} gpumem_hub_options;
/* From now on gpumem_config_open() also knows "org/name", "org/name@revision" and URLs of the Hub: what the cache of Hugging Face's own
 * clients has, then what the Hub has.  Nothing is asked, and libcurl is not loaded, before a model is neither a path nor in the catalogue.
 * options may be NULL; its strings must live as long as the host. */
GPUMEM_EXPORT gpumem_status gpumem_hub_use(gpumem_host *host, const gpumem_hub_options *options, gpumem_error *err);

typedef struct gpumem_pulled {
    const char *file;
    uint64_t size;    /* of the whole file; UINT64_MAX: not known */
    uint64_t kept;    /* bytes of it that are here now */
    uint64_t fetched; /* bytes that came over the network for it this time */
    bool header;      /* only the head of a file of weights */
    const char *path; /* in the cache; "" for a header */
} gpumem_pulled;
/* Fetches what an estimate needs: config.json, the index, the headers of the weights.  Calls back for each of them. */
GPUMEM_EXPORT gpumem_status gpumem_hub_pull(gpumem_host *host, const char *model, void (*each)(void *self, const gpumem_pulled *file), void *self,
                                            gpumem_error *err);
typedef struct gpumem_cached {
    const char *model;    /* "org/name" */
    const char *revision; /* what was asked for, "main"; or "" */
    const char *commit;
    const char *path;     /* of its folder */
    uint64_t files, bytes;/* of the clients' cache */
    uint64_t headers, header_bytes; /* heads of weights, which gpumem keeps apart */
    bool config;          /* can be estimated offline */
} gpumem_cached;
GPUMEM_EXPORT gpumem_status gpumem_cache_each(gpumem_host *host, int (*each)(void *self, const gpumem_cached *c), void *self, gpumem_error *err);
/* Where that is: the clients' cache, and gpumem's own folder; "" where there is none. */
GPUMEM_EXPORT const char *gpumem_cache_path(gpumem_host *host, bool own);
/* Removes the heads of weights that gpumem keeps, of a model or of all (NULL).  What the clients' cache has is not touched. */
GPUMEM_EXPORT gpumem_status gpumem_cache_clean(gpumem_host *host, const char *model, uint64_t *bytes, gpumem_error *err);

/* ---- models ----------------------------------------------------------------------------------------------------------- */

typedef struct gpumem_config gpumem_config; /* a config.json that was read */

/* A path to a file or a directory with config.json, or a name of the bundled catalogue ("microsoft/phi-2", "phi-2"); after gpumem_hub_use()
 * also a name on the Hub. */
GPUMEM_EXPORT gpumem_status gpumem_config_open(gpumem_host *host, const char *model, gpumem_config **out, gpumem_error *err);
GPUMEM_EXPORT gpumem_status gpumem_config_parse(gpumem_host *host, const char *name, const char *json, size_t n, gpumem_config **out, gpumem_error *err);
/* Sets a key as --param does: the value is JSON, or else a string.  A dotted key reaches into a mapping. */
GPUMEM_EXPORT gpumem_status gpumem_config_set(gpumem_config *config, const char *key, const char *value, gpumem_error *err);
GPUMEM_EXPORT void gpumem_config_free(gpumem_config *config);
GPUMEM_EXPORT const char *gpumem_config_name(const gpumem_config *config);   /* as asked for, or the catalogue's or the Hub's full name */
GPUMEM_EXPORT const char *gpumem_config_source(const gpumem_config *config); /* "config.json", "catalogue", "hub", "cache" or "options" */
GPUMEM_EXPORT const char *gpumem_config_path(const gpumem_config *config);   /* of the file, or "" */
/* Calls back for each name of the bundled catalogue, short names too (full: the full name, NULL for a full name). */
GPUMEM_EXPORT gpumem_status gpumem_catalogue_each(gpumem_host *host, int (*each)(void *self, const char *name, const char *full), void *self, gpumem_error *err);

typedef struct gpumem_model gpumem_model; /* a description that owns its arrays */

typedef struct gpumem_model_options {
    const char *class_name; /* a transformers class or auto class; NULL: the config's architectures[0], else the family's usual */
    const char *freeze;     /* parameters whose names match this POSIX extended regular expression do not train; a leading ! turns it round; NULL: all train */
    const char *like;       /* describe it as this family; NULL: as its model_type says */
    const struct gpumem_set *set; /* whose rules for quantised configs hold; NULL: none */
} gpumem_model_options;

GPUMEM_EXPORT gpumem_status gpumem_model_new(gpumem_host *host, const gpumem_config *config, const gpumem_model_options *options,
                                             gpumem_model **out, gpumem_error *err);
GPUMEM_EXPORT void gpumem_model_free(gpumem_model *model);
GPUMEM_EXPORT const gpumem_description *gpumem_model_description(const gpumem_model *model);
GPUMEM_EXPORT const char *gpumem_model_class(const gpumem_model *model);  /* the transformers class that is described */
GPUMEM_EXPORT const char *gpumem_model_family(const gpumem_model *model); /* id of the family's manifest */
GPUMEM_EXPORT uint64_t gpumem_model_parameters(const gpumem_model *model); /* tied weights once, buffers never */
GPUMEM_EXPORT uint64_t gpumem_model_trainable(const gpumem_model *model);
/* A named size of the description (hidden, layers, ...); false if the family has none of that name. */
GPUMEM_EXPORT bool gpumem_model_dim(const gpumem_model *model, const char *name, int64_t *value);
/* Parameters by what they are for: embedding, matrix, norm, bias, router, expert, head, other. */
GPUMEM_EXPORT uint64_t gpumem_model_parameters_of(const gpumem_model *model, unsigned family);
/* Parameters by what they are part of: embedding, attention, mlp, experts, router, norm, mixer, head, tower, projector, other. */
GPUMEM_EXPORT uint64_t gpumem_model_parameters_in(const gpumem_model *model, unsigned part);
/* Parameters that one token uses: of routed experts only those that it is sent to. */
GPUMEM_EXPORT uint64_t gpumem_model_active(const gpumem_model *model);

/* Every parameter and buffer, layer by layer, as the running module names it or as checkpoints do. */
typedef struct gpumem_stored_tensor {
    const char *name;
    const char *tied; /* the parameter whose bytes it shares, or NULL */
    uint32_t ndim;
    uint64_t dim[GPUMEM_MAX_DIMS];
    unsigned role, dtype, part; /* GPUMEM_ROLE_WEIGHT or GPUMEM_ROLE_BUFFER; GPUMEM_DTYPE_...; GPUMEM_PART_... */
} gpumem_stored_tensor;
/* Calls back for each until the callback returns nonzero.  Strings live as long as the call. */
GPUMEM_EXPORT gpumem_status gpumem_model_tensors(const gpumem_model *model, bool checkpoint, int (*each)(void *self, const gpumem_stored_tensor *t),
                                                 void *self, gpumem_error *err);

/* What the layers of one kind keep of the tokens that they have seen, for one sequence. */
typedef struct gpumem_cache {
    uint32_t layers;
    uint64_t elements_per_token; /* a layer; of the model's format unless dtype says otherwise */
    uint64_t tokens;             /* so many tokens share them: compressed ones; else 1 */
    uint64_t window;             /* tokens that are kept at most, or 0: all */
    uint64_t elements;           /* a layer, whatever the length: recurrent and convolution states */
    unsigned dtype;              /* GPUMEM_DTYPE_... */
    const char *name;            /* of the tensor: keys, values, latent, state, ... */
} gpumem_cache;
/* At most max of them; returns how many there are. */
GPUMEM_EXPORT size_t gpumem_model_caches(const gpumem_model *model, gpumem_cache *cache, size_t max);

typedef struct gpumem_flops { uint64_t token, token_and_context; } gpumem_flops;
/* Floating point operations of one forward pass, two for each multiplication: for a token, and more for each token of its context.  Matrix
 * products and attention only.  ERANGE if they do not fit. */
GPUMEM_EXPORT gpumem_status gpumem_model_flops(const gpumem_model *model, gpumem_flops *out, gpumem_error *err);
GPUMEM_EXPORT const char *gpumem_family_name(unsigned family); /* name of a GPUMEM_FAMILY_..., or NULL */
GPUMEM_EXPORT const char *gpumem_part_name(unsigned part);     /* name of a GPUMEM_PART_..., or NULL */
GPUMEM_EXPORT const char *gpumem_op_name(unsigned kind);       /* name of a GPUMEM_OP_..., or NULL */

/* Where each value came from. */
typedef struct gpumem_key {
    const char *key;   /* of the config */
    const char *value; /* as JSON */
    const char *origin;/* "config", "alias NAME", "default" (the class's own), "ignored" */
} gpumem_key;
GPUMEM_EXPORT size_t gpumem_model_keys(const gpumem_model *model, const gpumem_key **keys);
GPUMEM_EXPORT size_t gpumem_model_warnings(const gpumem_model *model, const char *const **warnings);

/* ---- GPUs ---------------------------------------------------------------------------------------------------------------- */

typedef struct gpumem_gpu gpumem_gpu; /* a profile that was read */
/* A key or alias; or "" with memory > 0 for a size that a person gave. */
GPUMEM_EXPORT gpumem_status gpumem_gpu_open(gpumem_host *host, const char *key, gpumem_gpu **out, gpumem_error *err);
GPUMEM_EXPORT void gpumem_gpu_free(gpumem_gpu *gpu);
GPUMEM_EXPORT const char *gpumem_gpu_text(const gpumem_gpu *gpu, const char *key); /* key, name, vendor, source, ...; of a list (aliases) the entries with spaces between; NULL if unset */
GPUMEM_EXPORT bool gpumem_gpu_number(const gpumem_gpu *gpu, const char *key, double *value);   /* marketing_gb, driver_total_mib, visible_linux_mib, ...; false if unset */

/* ---- plans ---------------------------------------------------------------------------------------------------------------- */

typedef struct gpumem_set gpumem_set;   /* a named choice of plugins and their parameters */
GPUMEM_EXPORT gpumem_status gpumem_set_open(gpumem_host *host, const char *name_or_path, gpumem_set **out, gpumem_error *err);
GPUMEM_EXPORT void gpumem_set_free(gpumem_set *set);
GPUMEM_EXPORT const char *gpumem_set_id(const gpumem_set *set);
GPUMEM_EXPORT size_t gpumem_set_gpus(const gpumem_set *set, const char *const **keys); /* GPUs that the set compares with */

/* The point at which a plan is evaluated: a value for each input of the family. */
typedef struct gpumem_point { uint64_t batch, tokens; } gpumem_point;

typedef enum gpumem_mode { GPUMEM_MODE_TRAINING, GPUMEM_MODE_INFERENCE } gpumem_mode;
typedef struct gpumem_request { /* {0} and gpumem_request_init: what the set says */
    gpumem_mode mode;
    const char *precision, *optimizer; /* ids or the set's names for them; NULL: the set's choice */
    const char *activation;            /* id; NULL: the set's choice */
    const char *implementation;        /* fused, foreach, for-loop; NULL: the set's preference; "torch": what torch takes by itself */
    const char *attention;             /* flash, sdpa, eager; NULL: flash */
    const char *engine;                /* inference: id; NULL: the set's choice */
    const char *cache_format;          /* of the cache, one that the engine has; NULL: as activations */
    bool checkpointing, no_cache, all_logits;
    uint32_t accumulation;             /* micro-batches a step; 0: 1 */
    uint64_t static_cache;             /* inference, where the engine makes the cache as it runs: it is made once, for so many tokens, or for those of the
                                          point and one more where these are more; 0: it grows */
    uint32_t gpu_layers;               /* inference, where the engine can: what is behind the layers is on the GPU, and of them the last so many less one; what is
                                          before them is not; 0: all layers, or where the engine cannot, the whole model */
    gpumem_point only;                 /* {0, 0}: the plan is for all points; else for this one (0 tokens: the default), and for others with one sequence where
                                          it has one, one token where it has one, and as many turns of the model's loops, one or more: made in a
                                          quarter of the time; evaluating at another kind of point is EINVAL */
} gpumem_request;

typedef struct gpumem_plan gpumem_plan; /* immutable */
GPUMEM_EXPORT gpumem_status gpumem_plan_new(gpumem_host *host, const gpumem_model *model, const gpumem_set *set, const gpumem_request *request,
                                            gpumem_plan **out, gpumem_error *err);
GPUMEM_EXPORT void gpumem_plan_free(gpumem_plan *plan);

/* The set's defaults for what is 0: batch 1, tokens min(the set's, positions of the model). */
GPUMEM_EXPORT void gpumem_plan_defaults(const gpumem_plan *plan, gpumem_point *point);

#define GPUMEM_MAX_LINES 48
typedef struct gpumem_result { /* by line of the plan */
    uint64_t line[GPUMEM_MAX_LINES];
    uint64_t weights;          /* parameters and buffers */
    uint64_t kept, held_for_backward; /* training: what autograd keeps of the activations; all that lives between forward and backward */
    uint64_t cache;            /* inference: what the prefill leaves behind */
    uint64_t between_steps;    /* training: weights, buffers, optimizer states, input */
    uint64_t phase[6];         /* by bit number of GPUMEM_FORWARD ... GPUMEM_BETWEEN; right where the plan is complete */
    uint64_t total;            /* the largest phase; right where the plan is complete */
} gpumem_result;
/* Allocates nothing.  ERANGE if a size does not fit in 64 bits. */
GPUMEM_EXPORT gpumem_status gpumem_plan_evaluate(const gpumem_plan *plan, const gpumem_point *point, gpumem_result *out, gpumem_error *err);

typedef struct gpumem_line { /* one line of an estimate */
    unsigned is;             /* GPUMEM_IS_... */
    unsigned phases;         /* GPUMEM_FORWARD ... in which any of it lives */
    const char *part;        /* id of the part in JSON: weights, gradients, optimizer, ... */
    const char *name;        /* for people */
    const char *plugin;      /* "kind/id" that claimed it, or "core" */
    const char *formula;     /* symbols, sizes and format, or "" */
    bool sub;                /* details the line before that is not sub */
    const char *format;      /* of all its tensors, "bf16"; NULL: several, or not known */
} gpumem_line;
GPUMEM_EXPORT size_t gpumem_plan_lines(const gpumem_plan *plan, const gpumem_line **lines);
/* Every allocation and release of a training step, or of a prefill and the decoding of one more token, at one point, in their order, layer by layer. */
typedef struct gpumem_event {
    unsigned phase;       /* GPUMEM_FORWARD, GPUMEM_BACKWARD; GPUMEM_PREFILL, GPUMEM_DECODE */
    int sign;             /* 1: made; -1: gone; 0: has become a weight's gradient, or, where bytes are 0, the end of a phase */
    unsigned is;          /* GPUMEM_IS_ACTIVATIONS or GPUMEM_IS_GRADIENTS */
    uint32_t op;          /* of the description, or GPUMEM_NONE: what makes or drops it */
    uint32_t position;    /* of the block, in the description's sequence */
    uint32_t maker;       /* operator that made it */
    uint64_t bytes, live; /* of this one, rounded; of all that live now, what lives all the time included */
} gpumem_event;
/* EUNSUP where the plan does not walk.  The callback returns nonzero to end it early. */
GPUMEM_EXPORT gpumem_status gpumem_plan_trace(const gpumem_plan *plan, const gpumem_point *point, int (*each)(void *self, const gpumem_event *event),
                                              void *self, gpumem_error *err);

typedef struct gpumem_share { unsigned is; uint32_t op; uint64_t bytes, count; } gpumem_share; /* what one operator has made: allocations that live */
typedef struct gpumem_moment { /* of the peak */
    unsigned phase;     /* GPUMEM_FORWARD, GPUMEM_BACKWARD or GPUMEM_STEP */
    uint32_t op;        /* that makes the last of it, or GPUMEM_NONE: the optimizer */
    uint32_t layer;     /* its layer, or GPUMEM_NONE */
    uint64_t bytes;     /* all that lives */
    uint64_t gradients, activations; /* that live then */
    size_t nshare;      /* how many operators have made what lives, or at most max */
} gpumem_moment;
/* What the peak of a step is made of; shares: the largest first, at most max. */
GPUMEM_EXPORT gpumem_status gpumem_plan_peak(const gpumem_plan *plan, const gpumem_point *point, gpumem_moment *out, gpumem_share *share, size_t max,
                                             gpumem_error *err);
/* The highest value of an axis at which the plan needs at most so many bytes: tokens (`by_tokens`) or sequences, the other one as in `point`;
 * 0: not even one fits.  ERANGE: no end of it was found below 2^40. */
GPUMEM_EXPORT gpumem_status gpumem_plan_most(const gpumem_plan *plan, const gpumem_point *point, uint64_t budget, bool by_tokens, uint64_t *out,
                                             gpumem_error *err);
/* The share of a GPU that the engine takes; 1: all. */
GPUMEM_EXPORT double gpumem_plan_utilization(const gpumem_plan *plan);
/* Does the plan know everything that lives?  If not, only weights, between_steps and the lines are right. */
GPUMEM_EXPORT bool gpumem_plan_complete(const gpumem_plan *plan);
/* Does it follow the operators one by one?  Then `kept`, the phases and their moments are known. */
GPUMEM_EXPORT bool gpumem_plan_walks(const gpumem_plan *plan);
/* Did the config's quantisation choose the precision? */
GPUMEM_EXPORT bool gpumem_plan_quantized(const gpumem_plan *plan);
GPUMEM_EXPORT const char *gpumem_plan_warning(const gpumem_plan *plan); /* or NULL */
/* source: what it is made after, with versions of frameworks */
typedef struct gpumem_used { gpumem_kind kind; const char *id, *version, *path; const char *const *source; size_t nsource; } gpumem_used;
GPUMEM_EXPORT size_t gpumem_plan_plugins(const gpumem_plan *plan, const gpumem_used **used); /* provenance */
GPUMEM_EXPORT const gpumem_model *gpumem_plan_model(const gpumem_plan *plan);
GPUMEM_EXPORT const gpumem_request *gpumem_plan_request(const gpumem_plan *plan); /* with every default filled in */

/* ---- many cases ------------------------------------------------------------------------------------------------------------ */

typedef struct gpumem_batch gpumem_batch; /* keeps configs, models and plans that it has made */
/* folder: where relative paths of cases start; NULL: the current one. */
GPUMEM_EXPORT gpumem_status gpumem_batch_new(gpumem_host *host, const gpumem_set *set, const char *folder, gpumem_batch **out, gpumem_error *err);
GPUMEM_EXPORT void gpumem_batch_free(gpumem_batch *batch);
/* One case in, one result line (with its newline) appended to out.  A bad case gives a line with "error"; the status is not OK
 * only when out could not grow. */
GPUMEM_EXPORT gpumem_status gpumem_batch_line(gpumem_batch *batch, const char *line, size_t n, gpumem_text *out);

/* ---- weights: what the headers of weight files say ---------------------------------------------------------------------------- */

typedef struct gpumem_weights gpumem_weights; /* the tensors of a checkpoint; the data are not read */

/* A folder with weights, or one file of them: safetensors (and their index), GGUF (also split), PyTorch's .bin (sized, not opened).
 * config: what says how they are quantised and which dtype they are loaded in; NULL: the config.json beside them, if there is one. */
GPUMEM_EXPORT gpumem_status gpumem_weights_open_local(gpumem_host *host, const char *path, const gpumem_config *config, gpumem_weights **out,
                                                      gpumem_error *err);
/* The same of a model on the Hub, by ranges: the headers and little more.  Not before gpumem_hub_use(). */
GPUMEM_EXPORT gpumem_status gpumem_weights_open_hub(gpumem_host *host, const char *model, const gpumem_config *config, gpumem_weights **out,
                                                    gpumem_error *err);
GPUMEM_EXPORT void gpumem_weights_free(gpumem_weights *weights);

typedef struct gpumem_weights_totals {
    const char *format;       /* "safetensors", "gguf", "bin" */
    const char *quantisation; /* the method, or NULL */
    const char *rule;         /* how `loaded` is counted */
    uint64_t files, tensors;
    uint64_t parameters;      /* logical: packed weights unpacked, scales and the like not counted */
    uint64_t stored, loaded;  /* bytes of tensors: in the files, and once they are in memory */
    bool exact;               /* false: parameters are bytes divided by the size of the config's dtype */
} gpumem_weights_totals;
GPUMEM_EXPORT const gpumem_weights_totals *gpumem_weights_sum(const gpumem_weights *weights);

typedef struct gpumem_weights_dtype { const char *name; uint64_t tensors, parameters, stored; } gpumem_weights_dtype;
GPUMEM_EXPORT size_t gpumem_weights_dtypes(const gpumem_weights *weights, const gpumem_weights_dtype **rows); /* most bytes first */
GPUMEM_EXPORT size_t gpumem_weights_warnings(const gpumem_weights *weights, const char *const **warnings);

typedef struct gpumem_weight { /* one tensor */
    const char *name, *dtype; /* dtype: as the file names it */
    const char *file;         /* in the folder */
    const char *component;    /* "unet", "" where there is only one */
    const uint64_t *dim;      /* outermost first */
    uint32_t ndim;
    uint64_t elements;        /* as stored */
    uint64_t parameters, stored, loaded;
} gpumem_weight;
/* All tensors; none for .bin files, which are only sized. */
GPUMEM_EXPORT size_t gpumem_weights_tensors(const gpumem_weights *weights, const gpumem_weight **tensors);

/* The config.json that a GGUF file's metadata amount to, where its architecture is known (share/gpumem/gguf); else EMODEL.  name: of the model. */
GPUMEM_EXPORT gpumem_status gpumem_weights_config(gpumem_host *host, const gpumem_weights *weights, const char *name, gpumem_config **out,
                                                  gpumem_error *err);

typedef enum gpumem_difference_kind { GPUMEM_DIFFERENCE_MISSING, GPUMEM_DIFFERENCE_EXTRA, GPUMEM_DIFFERENCE_SHAPE } gpumem_difference_kind;
typedef struct gpumem_difference {
    gpumem_difference_kind kind;       /* missing: from the files; extra: not of the architecture */
    const char *name;
    const gpumem_stored_tensor *model; /* NULL: extra */
    const gpumem_weight *weight;       /* NULL: missing */
} gpumem_difference;
typedef struct gpumem_comparison { uint64_t same, missing, extra, shape; } gpumem_comparison;
/* Sets the tensors of the files and those of the architecture side by side; calls back for each that differs until the callback returns
 * nonzero.  Names may differ by the base model's prefix; a packed tensor is the same if it stands for as many parameters. */
GPUMEM_EXPORT gpumem_status gpumem_weights_compare(const gpumem_weights *weights, const gpumem_model *model,
                                                   int (*each)(void *self, const gpumem_difference *d), void *self, gpumem_comparison *out,
                                                   gpumem_error *err);

#ifdef __cplusplus
}
#endif
#endif
