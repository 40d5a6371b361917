/* What the verbs share. */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include "options.h"
#include "term.h"
#include <gpumem/gpumem.h>

/* ---- errors (error.c) ----------------------------------------------------------------------------------------------- */

enum { CODE_OK = 0, CODE_NO = 1 }; /* the others come from gpumem_exit_code */

gpumem_status fail(gpumem_error *err, gpumem_status status, const char *format, ...) GPUMEM_PRINTF(3, 4);
gpumem_status add_tip(gpumem_error *err, const char *format, ...) GPUMEM_PRINTF(2, 3); /* returns err->status */
int report(const options *o, const gpumem_error *err); /* to stderr; returns the exit code */
void note(const options *o, const char *text);         /* "note: ..." to stderr */
/* Writes the result to stdout if there is no error, else reports it; frees the text; returns the exit code. */
int finish(const options *o, gpumem_text *out, gpumem_error *err);
bool write_all(int fd, const char *s, size_t n);

/* ---- JSON (json.c): values with the commas that they need ---------------------------------------------------------------- */

void json_key(gpumem_text *t, const char *key);
void json_open(gpumem_text *t, const char *key, char bracket); /* key NULL: in a list; bracket: { or [ */
void json_close(gpumem_text *t, char bracket);
void json_string(gpumem_text *t, const char *key, const char *s); /* NULL: null */
void json_u64(gpumem_text *t, const char *key, uint64_t v);
void json_i64(gpumem_text *t, const char *key, int64_t v);
void json_bool(gpumem_text *t, const char *key, bool v);
void json_null(gpumem_text *t, const char *key);
void json_known(gpumem_text *t, const char *key, bool known, uint64_t v); /* null if it is not known */
void json_raw(gpumem_text *t, const char *key, const char *json);
void json_line(gpumem_text *t); /* the next member of the outermost object starts a line */

/* ---- GPUs (card.c) -------------------------------------------------------------------------------------------------------- */

typedef enum verdict { VERDICT_UNKNOWN, VERDICT_FITS, VERDICT_TIGHT, VERDICT_NO } verdict;
typedef struct card { /* a GPU, or a size that was typed */
    gpumem_gpu *gpu;       /* NULL: only a size */
    const char *key, *name, *label, *vendor, *ecc, *source;
    double marketing_gb;   /* 0: not known, as below */
    uint64_t driver_total, visible, free_at_start, budget;
    unsigned count;
    char typed[NUMBER_SIZE]; /* the name of a size */
} card;

gpumem_status card_open(gpumem_host *host, const options *o, card *out, gpumem_error *err);
bool card_read(gpumem_gpu *gpu, card *out); /* takes the GPU over; false if its usable memory is not known */
void card_free(card *c);
/* The GPU of the list with the least usable memory that holds it; like: what was asked for, whose vendor it has if that is a GPU. */
bool smallest_card(gpumem_host *host, const card *like, uint64_t total, card *out);
void card_json(gpumem_text *t, const card *c, bool count);
verdict judge(uint64_t total, uint64_t budget);
const char *verdict_name(verdict v); /* fits, tight, no */
/* Calls back for each GPU that is not shadowed. */
gpumem_status each_id(gpumem_host *host, gpumem_kind kind, int (*each)(void *self, const char *id), void *self, gpumem_error *err);

/* ---- one estimate (estimate.c) ---------------------------------------------------------------------------------------------- */

#define MAX_ASSUMPTIONS 12
typedef struct assumption { const char *id, *reason, *confidence; char value[48], text[64]; bool number; } assumption;

#define MAX_SUGGESTIONS 6
typedef struct suggestion { char flag[64]; uint64_t total; verdict verdict; } suggestion;

typedef struct estimate {
    const options *o;
    gpumem_host *host;
    gpumem_set *set;
    gpumem_config *config;
    gpumem_model *model;
    gpumem_plan *plan;
    const gpumem_request *request;
    gpumem_point point;
    gpumem_result result;
    const gpumem_line *line;
    size_t nline;
    bool complete, training;
    bool has_card;
    card card;
    verdict verdict;
    const gpumem_key *key; /* of the config */
    size_t nkey;
    assumption assumption[MAX_ASSUMPTIONS];
    unsigned nassumption;
    gpumem_weights *weights; /* whose headers are counted, or NULL */
    gpumem_line *own_line;   /* line, where it is not the plan's */
    bool has_limits;         /* inference, with a card */
    uint64_t most_tokens, most_sequences;
    bool has_moment;         /* the lines are those of the peak */
    gpumem_moment moment;
    char by[96];             /* who says what operators make */
    suggestion suggestion[MAX_SUGGESTIONS];
    unsigned nsuggestion;
    char note[6][320]; /* beside the model's warnings */
    unsigned nnote;
} estimate;

gpumem_status open_host(const options *o, gpumem_host **out, gpumem_error *err);
gpumem_status open_config(gpumem_host *host, const options *o, gpumem_config **out, gpumem_error *err);
gpumem_status apply_settings(const options *o, gpumem_config *config, gpumem_error *err);
gpumem_status open_model(gpumem_host *host, const options *o, const gpumem_config *config, const gpumem_set *set, gpumem_model **out,
                         gpumem_error *err);
gpumem_status estimate_make(estimate *e, const options *o, gpumem_error *err);
void say_warnings(const options *o, const gpumem_model *model); /* as notes */
void estimate_free(estimate *e);

void title_of(gpumem_text *t, const gpumem_config *config); /* the model's name for people */
void put_title(gpumem_text *t, const estimate *e, const terminal *term);
void put_table(gpumem_text *t, const estimate *e, const terminal *term);
void put_json(gpumem_text *t, const estimate *e);
void put_explanation(gpumem_text *t, const estimate *e, const terminal *term);
void put_assumed(gpumem_text *t, const estimate *e, const terminal *term);

/* ---- the peak (peak.c, suggest.c, timeline.c) ------------------------------------------------------------------------------ */

const char *phase_name(unsigned phase); /* GPUMEM_FORWARD: "forward" */
gpumem_status estimate_remembered(estimate *e, gpumem_error *err); /* inference: lines for the cache and the activations */
gpumem_status estimate_at_peak(estimate *e, gpumem_error *err); /* lines and values of the moment of the peak, where the plan has moments */
void put_phases(gpumem_text *t, const estimate *e, const terminal *term, unsigned shift);
void put_place(gpumem_text *t, const estimate *e, const terminal *term);
void json_moment(gpumem_text *t, const estimate *e);
void find_suggestions(estimate *e);
void put_suggestions(gpumem_text *t, const estimate *e, const terminal *term, unsigned shift);
void json_suggestions(gpumem_text *t, const estimate *e);
gpumem_status put_timeline(gpumem_text *t, const estimate *e, const terminal *term, gpumem_error *err);

/* ---- the Hub (progress.c) -------------------------------------------------------------------------------------------------- */

typedef struct progress { const options *o; bool terminal, shown; long since, drawn; } progress;

void show_progress(void *self, const gpumem_progress *of);
gpumem_status use_hub(gpumem_host *host, const options *o, gpumem_error *err);

/* ---- weights (weights.c) ----------------------------------------------------------------------------------------------------- */

bool has_only_weights(const options *o); /* MODEL is a weight file, or a folder without config.json */
bool wants_headers(const options *o);
gpumem_status open_weights(gpumem_host *host, const options *o, const gpumem_config *config, gpumem_weights **out, gpumem_error *err);
/* The config, and the weights where they are asked for or say it; *weights may be there where this fails. */
gpumem_status open_with_weights(gpumem_host *host, const options *o, gpumem_config **config, gpumem_weights **weights, gpumem_error *err);
void put_weights(gpumem_text *t, const gpumem_weights *w, const char *name, const terminal *term);
void json_weights(gpumem_text *t, const gpumem_weights *w);
void say_weights(const options *o, const gpumem_weights *w); /* as notes */
void show_weights(gpumem_text *t, const options *o, const gpumem_weights *w);
gpumem_status show_comparison(gpumem_text *t, const options *o, const gpumem_weights *w, const gpumem_model *model, bool *same, gpumem_error *err);
gpumem_status estimate_from_headers(estimate *e, gpumem_error *err); /* once the plan is evaluated */

/* ---- descriptions (describe.c) ------------------------------------------------------------------------------------------------ */

/* Key, value and origin of each, a line each. */
void put_keys(gpumem_text *t, const terminal *term, const gpumem_key *key, size_t n);
void put_block_name(gpumem_text *t, const gpumem_description *d, const gpumem_block *block);
void put_pattern(gpumem_text *t, const gpumem_description *d);                         /* [embed][layer x32][head] */
void put_shape(gpumem_text *t, const gpumem_description *d, const gpumem_tensor *tensor); /* [B, S, 2560] */
void put_extent(gpumem_text *t, const gpumem_description *d, const gpumem_dim *dim);       /* 2*S */
const char *text_at(const gpumem_description *d, uint32_t at);
/* How often a tensor exists: 0 if it shares the bytes of another. */
uint64_t tensor_times(const gpumem_block *block, const gpumem_tensor *tensor);
uint64_t tensor_elements(const gpumem_tensor *tensor); /* 0 if they depend on an input */
const char *role_name(unsigned role);

/* ---- JSON for people (outline.c) --------------------------------------------------------------------------------------------------- */

bool put_outline(gpumem_text *t, const terminal *term, const char *json, size_t n); /* false: it is no JSON */

/* ---- verbs --------------------------------------------------------------------------------------------------------------------------- */

int verb_estimate(const options *o);
int verb_model(const options *o);
int verb_batch(const options *o);
int verb_plugin(const options *o);
int verb_gpus(const options *o);
int verb_pull(const options *o);
int verb_cache(const options *o);
int verb_completion(const options *o);
int verb_help(const options *o);
int verb_version(const options *o);
int verb_classic(const options *o);
#endif
