/* The tape: tensors that live and die as a program of PyTorch makes them, and what its autograd keeps of them.
 *
 * A rule (rules.h) says what an operator does in words (words.c): mul, linear, transpose, softmax, ...  Each word makes tensors, and
 * where something needs a gradient a node that says what is kept and what its derivative makes (derivatives.c).  No byte of any
 * tensor exists: a storage is a size, and what lives is a count by size.
 *
 * Facts are those of PyTorch 2.13: tools/autograd/derivatives.yaml, torch/csrc/autograd/engine.cpp and input_buffer.cpp,
 * torch/utils/checkpoint.py, aten/src/ATen/TensorIterator.cpp (order in memory of what an elementwise operator makes). */
#ifndef GM_TAPE_H
#define GM_TAPE_H

#include "base/arena.h"
#include "tape/ext.h"
#include <gpumem/gpumem.h>

#define GM_TV_DIMS 6
#define GM_NODE_INPUTS 4 /* more: in the tape's edges */
#define GM_NODE_SAVED 8
#define GM_NODE_OUTS 6
#define GM_NONE GPUMEM_NONE

typedef struct gm_atom { /* a size of allocations */
    gpumem_count count; /* bytes before rounding */
    uint64_t bytes;     /* rounded, where the point is known */
    uint8_t times;      /* symbol: so many equal ones; 0: one */
} gm_atom;

/* A loop whose number of turns is a symbol: its first, second and last turn are walked, and what the second changes happens n - 3 times
 * more.  Where it has no more than two turns, the second is not walked for what it makes: what is live in it does not count. */
typedef struct gm_loop { gm_ext n; int64_t *live; uint32_t natom, *late, nlate, max_late; } gm_loop; /* late: atoms of what goes in the last of the turns that the second stands for */
#define GM_LOOP_WALKED 3
typedef struct gm_list { uint32_t refs, n, max, loop; struct { uint32_t tv; uint8_t turn; } *one; } gm_list; /* what the turns of a loop have made */

typedef struct gm_storage { /* once: there only where a loop has a turn between its first and its last; of_turn: made by a turn; second: of refs, those
                             * that the second turn of this loop keeps for backward */
    uint32_t atom, refs, label, second, loop;
    uint8_t is;
    bool once, of_turn;
} gm_storage;

typedef struct gm_tv { /* a tensor: a view of a storage */
    uint32_t refs, storage, node, leaf; /* node: whose output it is; leaf: of the leaves, or GM_NONE */
    uint8_t out, ndim, dtype;
    bool grad; /* needs one */
    bool view; /* shares the bytes of another tensor object: nothing is added into it in place */
    bool second; /* of its storage's */
    gm_ext dim[GM_TV_DIMS], stride[GM_TV_DIMS];
} gm_tv;

typedef struct gm_edge { uint32_t node; uint8_t out; } gm_edge; /* where an input's gradient goes; node GM_NONE: nowhere */
typedef struct gm_meta { /* of an input: what its gradient has to look like */
    uint8_t ndim, dtype;
    gm_ext dim[GM_TV_DIMS], stride[GM_TV_DIMS];
} gm_meta;

typedef struct gm_node {
    uint32_t refs, seq, deps, label, position;
    int32_t rep; /* of the walk */
    uint16_t word, nin;
    uint8_t nout, nsaved;
    bool hooked; /* what it keeps is made again by a replay */
    bool visited;
    uint32_t frame, leaf;
    uint32_t loop; /* one more than its number */
    uint8_t turn;
    uint32_t edge0; /* in the tape's edges and metas */
    uint32_t saved[GM_NODE_SAVED]; /* tensors; of a hooked node: places in its frame */
    uint32_t grad[GM_NODE_OUTS];   /* that have arrived, by output */
    uint32_t own;                  /* a tensor that its context holds, which goes with the graph; or GM_NONE */
    int64_t a, b;                  /* the word's own */
    gm_ext x[GM_NODE_OUTS]; /* of split: the parts */
} gm_node;

typedef struct gm_tape_leaf { uint32_t node, grad, cast; int32_t rep; bool has_grad, trains; uint32_t held; } gm_tape_leaf; /* held: an activation that was made a leaf */

struct gm_once { const char *name; size_t nname; uint32_t tv; bool used; }; /* used: by the block that runs */
#define GM_ONCE 8

typedef struct gm_frame { /* of a checkpointed block */
    uint32_t packs, left; /* how much it keeps; how much of that is not yet released */
    uint32_t *made;       /* by pack: tensors of the replay */
    uint32_t max_made;
    bool replayed;
    uint32_t position;    /* in the walk */
    int32_t rep;
    uint32_t *args;       /* tensors that are held for the replay */
    uint32_t nargs, nonce;
    struct gm_once once[GM_ONCE]; /* of args: what the block has read of those */
} gm_frame;

typedef struct gm_tape gm_tape;
struct gm_tape {
    gm_symbols *symbols;
    const gpumem_format *format;
    uint32_t nformat, low; /* low: format of autocast's products, or GM_NONE */
    bool grad_mode, training, checkpointing;

    gm_storage *storage;
    gm_tv *tv;
    gm_node *node;
    gm_edge *edge;
    gm_meta *meta;
    gm_tape_leaf *leaf;
    gm_frame *frame;
    uint32_t needs; /* of the node that was begun last: bits by input */
    uint32_t max_meta;
    uint32_t nstorage, max_storage, free_storage, ntv, max_tv, free_tv, nnode, max_node, free_node, nedge, max_edge, nleaf, max_leaf,
        nframe, max_frame, seq;
    uint32_t rounding;

    gm_atom *atom;
    int64_t *live; /* by atom */
    uint32_t natom, max_atom;
    bool rising;

    /* checkpointing */
    uint32_t packing;   /* frame that what is kept is packed into, or GM_NONE */
    uint32_t replaying; /* frame that is made again, or GM_NONE */
    uint32_t repacked;
    bool stop;          /* the replay has all that it needs */

    struct gm_once once[GM_ONCE]; /* made where first needed, held by the decoder */
    uint32_t nonce;
    bool ahead; /* rules run only as far as what they make once */

    /* inference: what is remembered of the tokens, in the order in which layers ask */
    struct gm_past { uint32_t tv; int32_t rep; } *cached;
    uint32_t ncached, max_cached, at_cached;
    bool caching, decoding, last_only; /* last_only: logits of the last token alone */
    gm_ext past;                       /* tokens before those that run: a rule's `past` */
    gm_ext seen;                       /* cells of an engine's cache, of a sequence: a rule's `seen` */
    uint32_t page, room;               /* cells of a page; tokens that a window has room for beside its own */
    bool fixed;                        /* what is remembered is made once, for `limit` tokens */
    gm_ext limit;
    gm_loop *loop;
    gm_list *list;
    uint32_t nloop, max_loop, nlist, max_list, looping, turning; /* looping, turning: one more than the loop that runs, forward and backward */
    uint8_t turn;
    bool in_loop; /* a node of a turn runs backward */
    bool whole; /* loops are walked turn by turn where their number is known */

    const char *variant;      /* of the operator that runs, or NULL: NAME.* in a rule */
    uint32_t label, position; /* of what is made now; of the block that runs */
    int32_t rep;
    bool in_backward;

    void *walk;
    /* who listens */
    void *self;
    void (*top)(void *self, gm_tape *t);                               /* live bytes are at a local maximum */
    void (*event)(void *self, gm_tape *t, uint32_t storage, int sign); /* or NULL */
    void (*turned)(void *self, gm_tape *t, uint32_t storage); /* it is a leaf's gradient from now on; or NULL */
    bool (*replay)(void *walk, gm_tape *t, uint32_t frame);            /* runs a block again */
    void (*before_node)(void *walk, gm_tape *t, const gm_node *node);  /* or NULL */
    void (*drop_own)(void *walk, uint32_t tv, int32_t rep);            /* what a node's context held goes */
    void (*hold_replayed)(void *walk, uint32_t tv);                    /* until the replay is over */

    bool failed; /* no memory, or a size that does not fit: the first failure sticks */
    gpumem_status status;
    char why[160];
};

void gm_tape_free(gm_tape *t);
uint32_t gm_tape_fail(gm_tape *t, gpumem_status status, const char *why);

/* ---- storages and tensors ---- */

uint32_t gm_tape_atom(gm_tape *t, gm_ext elements, uint32_t dtype);
uint32_t gm_storage_new(gm_tape *t, gm_ext elements, uint32_t dtype);
void gm_storage_unref(gm_tape *t, uint32_t s);
/* n turns or chunks: points of one, and of whole ones, are walked apart. */
void gm_turns_noted(gm_tape *t, gm_ext n);
/* Loops: n turns; GM_NONE: they are walked one by one, all n.num of them. */
uint32_t gm_loop_new(gm_tape *t, gm_ext n);
void gm_loop_enter(gm_tape *t, uint32_t loop);
void gm_loop_leave(gm_tape *t, uint32_t loop);
/* What the second turn has just made is there once, not for each turn that it stands for. */
void gm_loop_once(gm_tape *t, uint32_t loop, uint32_t storage);
uint32_t gm_list_new(gm_tape *t, uint32_t loop);
void gm_list_add(gm_tape *t, uint32_t list, uint32_t tv); /* takes it */
void gm_list_unref(gm_tape *t, uint32_t list);
/* A short-lived allocation inside a kernel. */
void gm_tape_scratch(gm_tape *t, gm_ext elements, uint32_t dtype);
/* Adds times * delta to what lives, by atom. */
void gm_tape_skip(gm_tape *t, const int64_t *delta, uint32_t n, int64_t times);

uint32_t gm_tv_slot(gm_tape *t); /* without a storage */
uint32_t gm_tv_new(gm_tape *t, unsigned ndim, const gm_ext *dim, uint32_t dtype); /* contiguous */
uint32_t gm_tv_strided(gm_tape *t, unsigned ndim, const gm_ext *dim, const gm_ext *stride, uint32_t dtype);
uint32_t gm_tv_alias(gm_tape *t, uint32_t tv); /* another view of its storage, without its node */
uint32_t gm_tv_kept(gm_tape *t, uint32_t tv); /* one that a node keeps */
uint32_t gm_tv_ref(gm_tape *t, uint32_t tv);
void gm_tv_unref(gm_tape *t, uint32_t tv);
gm_ext gm_tv_elements(gm_tape *t, uint32_t tv);
bool gm_tv_contiguous(gm_tape *t, uint32_t tv);
bool gm_tv_dense(gm_tape *t, uint32_t tv);
bool gm_same_shape(const gm_ext *a, unsigned na, const gm_ext *b, unsigned nb);
void gm_contiguous_strides(gm_tape *t, unsigned ndim, const gm_ext *dim, gm_ext *stride);
/* Strides of a view with another shape; false: it has to be copied. */
bool gm_view_strides(gm_tape *t, const gm_tv *x, unsigned ndim, const gm_ext *dim, gm_ext *stride);
/* Shape and strides of what an elementwise operator makes of its operands. */
bool gm_elementwise(gm_tape *t, unsigned n, const uint32_t *in, unsigned *ndim, gm_ext *dim, gm_ext *stride);
uint32_t gm_promote(const gm_tape *t, uint32_t a, uint32_t b);
bool gm_format_is_plain(const gpumem_format *f); /* one number for an element, and nothing else */
bool gm_is_float(const gm_tape *t, uint32_t dtype);

/* ---- autograd ---- */

uint32_t gm_leaf_new(gm_tape *t, bool trains);
/* A node where one of the inputs needs a gradient, else GM_NONE.  Its word's derivative is in derivatives.c. */
uint32_t gm_node_begin(gm_tape *t, unsigned word, unsigned nin, const uint32_t *in);
void gm_node_save(gm_tape *t, uint32_t node, uint32_t tv);
/* Its context holds tv, which no hook sees, until the graph goes. */
void gm_node_hold(gm_tape *t, uint32_t node, uint32_t tv);
/* tv is output `out` of the node. */
void gm_node_output(gm_tape *t, uint32_t node, uint32_t tv, unsigned out);
/* Would its input i get a gradient? */
bool gm_node_needs(const gm_tape *t, uint32_t node, unsigned i);
void gm_node_unref(gm_tape *t, uint32_t node);
void gm_tape_backward(gm_tape *t, uint32_t loss);

/* ---- words ---- */

typedef struct gm_arg { /* what an expression of a rule gives: a tensor, a size or a list of sizes */
    enum { GM_ARG_NONE, GM_ARG_TENSOR, GM_ARG_SIZE, GM_ARG_LIST, GM_ARG_MANY } type; /* MANY: tv is a list of tensors */
    uint32_t tv;
    gm_ext size; /* of a list: the first */
    gm_ext list[GM_TV_DIMS];
    unsigned n;
} gm_arg;
#define GM_WORD_ARGS 16
#define GM_WORD_OUTS 16
typedef struct gm_word {
    const char *name;
    const char *takes; /* a letter an argument: t tensor, o one that may be left out, s size, d size or tensor, l shape or one size, L shape,
                        * m list of tensors, a anything; those behind | may be missing, and * says that the last goes on */
    char autocast;    /* 'l': in the lower precision, 'h': in fp32, 0: as it comes */
    /* Gives its results, owned; returns how many. */
    unsigned (*run)(gm_tape *t, unsigned word, unsigned n, const gm_arg *arg, uint32_t *out);
    /* Its derivative: g by output, saved in the node; sets res by input, owned. */
    void (*derive)(gm_tape *t, const gm_node *node, const uint32_t *g, uint32_t *res);
} gm_word;
unsigned gm_word_find(const char *name, size_t n); /* 0: there is none */
const gm_word *gm_word_at(unsigned word);
/* Does it take so many arguments? */
bool gm_word_takes(unsigned word, unsigned n);
void gm_derive(gm_tape *t, uint32_t node, const uint32_t *g, uint32_t *res);
/* Runs a word, with autocast's casts around it. */
unsigned gm_word_run(gm_tape *t, unsigned word, unsigned n, const gm_arg *arg, uint32_t *out);
uint32_t gm_word_cast(gm_tape *t, uint32_t tv, uint32_t dtype); /* a cast without a node: the same tensor once more where it is that already */
#endif
