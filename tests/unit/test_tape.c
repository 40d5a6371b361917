/* core/tape: order in memory, what autograd keeps and makes and in which order it goes, checkpoints, autocast.  What PyTorch does is in the comments
 * with its source; sequences are those that were found by tracing it (m: bf16, f4: fp32, n: elements, r: rows). */
#include "tape.h"

static void setup(void) { tape_open(); }
static void teardown(void) { tape_close(); }

/* Runs a rule on tensors, which it takes. */
static unsigned run(const char *text, unsigned nin, const uint32_t *in, uint32_t *out)
{
    uint32_t rule = rules_of(text);
    unsigned n = gm_rule_run(rules, &tape, rule, nin, in, 0, 0, NULL, 0, NULL, out);
    ck_assert_msg(!tape.failed, "%s: %s", text, tape.why);
    return n;
}

static uint32_t one_of(const char *text, unsigned nin, const uint32_t *in)
{
    uint32_t out[GM_WORD_OUTS];
    ck_assert_uint_eq(run(text, nin, in, out), 1);
    return out[0];
}

static const char *strides_of(uint32_t tv)
{
    static char s[200];
    int n = 0;
    for (unsigned i = 0; i < tape.tv[tv].ndim; i++) {
        const gm_ext *e = &tape.tv[tv].stride[i];
        n += snprintf(s + n, sizeof s - (size_t)n, "%s%llu", i ? " " : "", (unsigned long long)e->num);
        for (int k = 0; k < GM_EXT_SYMS && e->sym[k]; k++)
            n += snprintf(s + n, sizeof s - (size_t)n, "%s", symbols.sym[e->sym[k]].name);
    }
    return s;
}

/* ---- views and copies ---- */

#define F "rule f x y?\n"
/* x: [2, 3, 4, 5]; allocations of what the rule makes, and the strides of what it returns */
static const struct { const char *text, *events, *strides; } shapes[] = {
    {F " return view(x, [2, 3, 20])\n", "", "60 20 1"},
    {F " return view(x, [120])\n", "", "1"},
    {F " return view(x, [2, 3, 2, 2, 5])\n", "", "60 20 10 5 1"},
    {F " return view(x, [2, 1, 12, 5])\n", "", "60 60 5 1"},
    {F " return transpose(x, 1, 2)\n", "", "60 5 20 1"},
    {F " return permute(x, [3, 0, 2, 1])\n", "", "1 60 5 20"},
    {F " return view(transpose(x, 1, 2), [2, 4, 15])\n", "+480", "60 15 1"},           /* reshape: torch copies what cannot be a view */
    {F " return view(transpose(x, 1, 2), [8, 3, 5])\n", "+480", "15 5 1"},
    {F " return view(transpose(x, 0, 1), [3, 2, 20])\n", "", "20 60 1"},               /* what is cut anew lies side by side */
    {F " return view(transpose(x, 1, 2), [2, 2, 2, 3, 5])\n", "", "60 10 5 20 1"},
    {F " return contiguous(x)\n", "", "60 20 5 1"},
    {F " return contiguous(transpose(x, 1, 2))\n", "+480", "60 15 5 1"},
    {F " return contiguous(transpose(transpose(x, 1, 2), 1, 2))\n", "", "60 20 5 1"},
    {F " return slice(x, 1, 2)\n", "", "60 20 5 1"},
    {F " return contiguous(slice(x, 1, 2))\n", "+320", "40 20 5 1"},
    {F " return contiguous(slice(x, 0, 1))\n", "", "60 20 5 1"},                       /* a stride of what has one is not looked at */
    {F " return view(slice(x, 1, 2), [2, 2, 20])\n", "", "60 20 1"},
    {F " return view(slice(x, 1, 2), [4, 20])\n", "+320", "20 1"},
    {F " return every(x, -1, 5)\n", "", "60 20 5 5"},
    {F " return select(x, 1)\n", "", "60 5 1"},
    {F " return unsqueeze(x, 1)\n", "", "60 60 20 5 1"},
    {F " return unsqueeze(x, -1)\n", "", "60 20 5 1 1"},
    {F " return expand(slice(x, 1, 1), [2, 7, 4, 5])\n", "", "60 0 5 1"},
    {F " return contiguous(expand(slice(x, 1, 1), [2, 7, 4, 5]))\n", "+1120", "140 20 5 1"},
    {F " a, b = split(x, -1, [2, 3])\n return b\n", "", "60 20 5 1"},
    {F " return cat(-1, transpose(x, 1, 2), transpose(x, 1, 2))\n", "+960", "120 30 10 1"},
    {F " return stack(0, x, x)\n", "+960", "120 60 20 5 1"},
    {F " return pad(x, 3)\n", "+768", "96 32 8 1"},
    /* elementwise: as their operands lie in memory (TensorIterator) */
    {F " return neg(x)\n", "+480", "60 20 5 1"},
    {F " return neg(transpose(x, 1, 2))\n", "+480", "60 5 20 1"},
    {F " return neg(permute(x, [3, 0, 2, 1]))\n", "+480", "1 60 5 20"},
    {F " return neg(slice(x, -1, 2))\n", "+192", "24 8 2 1"},
    {F " return neg(slice(transpose(x, 1, 2), -1, 2))\n", "+192", "24 2 8 1"},
    {F " return to(transpose(x, 1, 2), bf16)\n", "+240", "60 5 20 1"},
    {F " return to_dense(transpose(x, 1, 2), bf16)\n", "+240", "60 15 5 1"},
    {F " return mul(transpose(x, 1, 2), transpose(x, 1, 2))\n", "+480", "60 5 20 1"},
    {F " return mul(transpose(x, 1, 2), contiguous(transpose(x, 1, 2)))\n", "+480 +480 -480", "60 5 20 1"}, /* the first operand decides */
    {F " return mul(contiguous(transpose(x, 1, 2)), transpose(x, 1, 2))\n", "+480 +480 -480", "60 15 5 1"},
    {F " return mul(transpose(x, 1, 2), select(select(select(x, 0), 0), 0))\n", "+480", "60 5 20 1"},
    {F " return mul(x, mean(x, -1))\n", "+96 +480 -96", "60 20 5 1"},
    {F " return mul(mean(x, 1), x)\n", "+160 +480 -160", "60 20 5 1"},
    {F " return add(expand(slice(x, 1, 1), [2, 3, 4, 5]), x)\n", "+480", "60 20 5 1"},
    {F " return mean(transpose(x, 1, 2), -1)\n", "+96", "12 3 1 1"},                    /* reductions are contiguous */
    {F " return mul(x, to(x, bf16))\n", "+240 +480 -240", "60 20 5 1"},                 /* fp32 wins */
    {F " return test(x, x)\n", "+120", "60 20 5 1"},
};

START_TEST(order_in_memory)
{
    uint32_t x = SIZED(F32, false, 2, 3, 4, 5), y = one_of(shapes[_i].text, 1, &x);
    ck_assert_msg(strcmp(events, shapes[_i].events) == 0, "%s: %s, not %s", shapes[_i].text, events, shapes[_i].events);
    ck_assert_msg(strcmp(strides_of(y), shapes[_i].strides) == 0, "%s: %s, not %s", shapes[_i].text, strides_of(y), shapes[_i].strides);
    gm_tv_unref(&tape, y);
    gm_tv_unref(&tape, x);
    ck_assert_int_eq(live_bytes(), 0);
}
END_TEST

/* The same of sizes that are not known; where there is one token only, heads first is no other order. */
START_TEST(order_of_symbols)
{
    static const char text[] = F " t = transpose(view(x, [x[0], x[1], 4, 5]), 1, 2)\n return contiguous(t)\n";
    for (unsigned one = 0; one < 2; one++) {
        uint32_t x, y;
        tape_close();
        tape_open();
        x = given(F32, false, 3, (const gm_ext[]){{1, {1}}, one ? gm_ext_of(1) : (gm_ext){1, {2}}, {20, {0}}});
        y = one_of(text, 1, &x);
        ck_assert_str_eq(events, one ? "" : "+80*S*B");
        ck_assert_str_eq(strides_of(y), one ? "20 5 20 1" : "20S 5S 5 1");
        gm_tv_unref(&tape, y);
        gm_tv_unref(&tape, x);
    }
}
END_TEST

/* ---- autograd ---- */

/* forward, what is left when the caller has dropped all but the loss, and backward.  The loss is `muls` of what the rule returns, so that its gradient
 * comes from a node that lets go of it: +loss at the end of forward; backward starts with the loss's own gradient and g, and ends with the former. */
static const char *trained(const char *text, unsigned nin, const uint32_t *in, unsigned nattr, const uint32_t *attr, const char *name)
{
    static char back[sizeof events];
    uint32_t out[GM_WORD_OUTS], loss, rule;
    gpumem_error err = {0};
    unsigned n;
    tape.grad_mode = true; /* it was off in the last backward */
    if (text)
        rule = rules_of(text);
    else {
        rule = gm_rules_find(rules, name, &err);
        ck_assert_msg(rule != GM_NONE, "%s: %s", name, err.message);
    }
    n = gm_rule_run(rules, &tape, rule, nin, in, 0, nattr, attr, 0, NULL, out);
    ck_assert_msg(n >= 1, "%s", tape.why);
    ck_assert_uint_eq(gm_word_run(&tape, gm_word_find("muls", 4), 1, &(gm_arg){.type = GM_ARG_TENSOR, .tv = out[0]}, &loss), 1);
    for (unsigned i = 0; i < n; i++)
        gm_tv_unref(&tape, out[i]);
    for (unsigned i = 0; i < nin; i++)
        gm_tv_unref(&tape, in[i]);
    for (uint32_t i = 0; i < tape.nleaf; i++) { /* the region of autocast ends */
        gm_tv_unref(&tape, tape.leaf[i].cast);
        tape.leaf[i].cast = GM_NONE;
    }
    snprintf(back, sizeof back, "%s", events);
    events[0] = '\0';
    gm_tape_backward(&tape, loss);
    ck_assert_msg(!tape.failed, "%s", tape.why);
    gm_tv_unref(&tape, loss);
    return back;
}

static void check(const char *text, unsigned nin, const uint32_t *in, const char *forward, const char *backward)
{
    const char *have = trained(text, nin, in, 0, NULL, NULL);
    ck_assert_msg(strcmp(have, forward) == 0, "%s: forward: %s, not %s", text, have, forward);
    ck_assert_msg(strcmp(events, backward) == 0, "%s: backward: %s, not %s", text, events, backward);
}

/* x is a weight of [2, 3], 24 bytes; its gradient is the only thing that stays. */
START_TEST(nodes)
{
    static const struct { const char *text, *forward, *backward; } table[] = {
        /* loss, its gradient and g (a new one: muls); then of neg: dx, -g; dx becomes the weight's gradient */
        {F " return neg(x)\n", "+24 +24 -24", "+24 +24 +24 -24 -24 -24"},
        /* silu keeps its input, which is a weight: nothing of the walk's; grad * f(x) in one kernel */
        {F " return silu(x)\n", "+24 +24 -24", "+24 +24 +24 -24 -24 -24"},
        /* tanh keeps its result: it goes after the gradient is made, and after g */
        {F " return tanh(x)\n", "+24 +24", "+24 +24 +24 -24 -24 -24 -24"},
        {F " return exp(x)\n", "+24 +24", "+24 +24 +24 -24 -24 -24 -24"},
        /* rsqrt: -0.5 * grad * result.pow(3) */
        {F " return rsqrt(x)\n", "+24 +24", "+24 +24 +24 +24 +24 -24 -24 -24 -24 -24 -24"},
        /* pow: grad * (exponent * self.pow(exponent - 1)) */
        {F " return pow(x)\n", "+24 +24 -24", "+24 +24 +24 +24 +24 -24 -24 -24 -24 -24"},
        /* a number added: the gradient goes through as it is, and becomes the weight's (nobody else has it) */
        {F " return adds(x)\n", "+24 +24 -24", "+24 +24 -24 -24"},
        /* a cast: the gradient is cast back */
        {F " return to(x, bf16)\n", "+12 +12 -12", "+12 +12 +24 -12 -12 -12"},
        {F " return to(x, f32)\n", "+24", "+24 +24 -24 -24"},
        /* views: the gradient is viewed, and copied where it does not lie in memory as the weight does (AccumulateGrad) */
        {F " return view(x, [6])\n", "+24", "+24 +24 -24 -24"},
        {F " return transpose(x, 0, 1)\n", "+24", "+24 +24 +24 -24 -24 -24"},
        /* a part: zeros of the whole */
        {F " return slice(x, 1, 1)\n", "+8", "+8 +8 +24 -8 -8 -8"},
        /* x twice: both gradients are one tensor, so the sum is a third; which is nobody else's */
        {F " return add(x, x)\n", "+24 +24 -24", "+24 +24 +24 -24 -24 -24"},
        /* mul keeps both (the weight itself); two new gradients, the second is added into the first */
        {F " return mul(x, x)\n", "+24 +24 -24", "+24 +24 +24 +24 -24 -24 -24 -24"},
        /* mean: expanded and divided; sum: expanded alone, so the weight's gradient is a copy of a view */
        {F " return mean(x, 1)\n", "+8 +8 -8", "+8 +8 +24 -8 -8 -8"},
        {F " return sum(x, 1)\n", "+8 +8 -8", "+8 +8 +24 -8 -8 -8"},
        /* broadcast: the gradient of the result is summed to the operand's shape (validate_outputs) */
        {F " return mul(x, y)\n", "+96 +96 -96", "+96 +96 +96 +24 -96 -96 -96 -96"},
        /* detached: there is no node */
        {F " return mul(x, detach(x))\n", "+24 +24 -24", "+24 +24 +24 -24 -24 -24"},
        /* div keeps both; -grad * ((self / other) / other), then grad / other */
        {F " return div(x, x)\n", "+24 +24 -24", "+24 +24 +24 +24 +24 +24 -24 -24 -24 +24 -24 -24 -24 -24"},
        /* softmax keeps its result; dropout a mask of bytes */
        {F " return softmax(x)\n", "+24 +24", "+24 +24 +24 -24 -24 -24 -24"},
        {F " return dropout(x, 1)\n", "+24 +6 +24 -24", "+24 +24 +24 -24 -6 -24 -24"},
        {F " return dropout(x, 0)\n", "+24", "+24 +24 -24 -24"},
        /* what needs no gradient keeps nothing */
        {F " a = mul(y, y)\n b = silu(a)\n return add(x, b)\n", "+96 +96 +96 -96 -96 +96 -96", "+96 +96 +24 -96 -96 -96"},
        /* split: the gradients are put together, zeros where there is none */
        {F " a, b = split(x, 1, [1, 2])\n return b\n", "+16", "+16 +16 +8 +24 -8 -16 -16 -16"},
        {F " a, b = split(x, 1, [1, 2])\n return cat(1, a, b)\n", "+24 +24 -24", "+24 +24 +24 -24 -24 -24"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint32_t in[2];
        bool broadcast = strchr(table[i].text + sizeof F - 1, 'y') != NULL && strstr(table[i].text, " y") != NULL;
        tape_close();
        tape_open();
        in[0] = SIZED(F32, true, 2, 3);
        in[1] = SIZED(F32, false, 4, 2, 3);
        check(table[i].text, broadcast ? 2 : 2, in, table[i].forward, table[i].backward);
        ck_assert_msg(tape.leaf[0].has_grad, "%s", table[i].text);
        ck_assert_msg(live_bytes() == 24, "%s: %lld bytes stay", table[i].text, (long long)live_bytes());
        gm_tv_unref(&tape, tape.leaf[0].grad);
        ck_assert_int_eq(live_bytes(), 0);
    }
}
END_TEST

/* From the second micro-batch on the gradient is there already: what arrives is added in place. */
START_TEST(accumulation)
{
    uint32_t x = SIZED(F32, true, 2, 3);
    tape.leaf[0].has_grad = true;
    check(F " return muls(x)\n", 1, &x, "+24 +24 -24", "+24 +24 +24 -24 -24 -24 -24");
    ck_assert_int_eq(live_bytes(), 0);
}
END_TEST

/* Of two gradients the second is added into the first, if that is no view and nobody else's; else into a third. */
START_TEST(gradients_that_meet)
{
    static const struct { const char *text, *backward; } table[] = {
        /* a's: of tanh, then of exp (the newest operator first), which is added; then a's own */
        {F " a = muls(x)\n return add(exp(a), tanh(a))\n", "+24 +24 +24 -24 +24 -24 -24 -24 +24 -24 -24 -24"},
        /* an activation's gradient that went through `adds` is the other branch's too: a third beside both */
        {F " a = muls(x)\n return add(a, adds(a))\n", "+24 +24 +24 -24 +24 -24 -24 -24"},
        /* the first is a view of a gradient: a third */
        {F " a = muls(x)\n c = tanh(a)\n b = exp(view(a, [6]))\n return add(c, view(b, [2, 3]))\n", "+24 +24 +24 -24 +24 -24 -24 +24 -24 -24 +24 -24 -24 -24"},
        /* the other way round: into the first */
        {F " a = muls(x)\n b = exp(view(a, [6]))\n return add(tanh(a), view(b, [2, 3]))\n", "+24 +24 +24 -24 +24 -24 -24 -24 +24 -24 -24 -24"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint32_t x;
        tape_close();
        tape_open();
        x = SIZED(F32, true, 2, 3);
        trained(table[i].text, 1, &x, 0, NULL, NULL);
        ck_assert_msg(strcmp(events, table[i].backward) == 0, "%s: %s, not %s", table[i].text, events, table[i].backward);
        ck_assert_int_eq(live_bytes(), 24);
    }
}
END_TEST

/* ---- sequences that were traced ---- */

static void plugin_rules(void)
{
    static char text[1 << 18];
    FILE *f = fopen(GM_SOURCE "/plugins/activation/torch/rules.txt", "rb");
    size_t n;
    gpumem_error err = {0};
    ck_assert_ptr_nonnull(f);
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    ck_assert_uint_lt(n, sizeof text - 1);
    ck_assert_msg(gm_rules_new(text, n, "rules.txt", &rules, &err) == GPUMEM_OK, "%u:%u: %s", err.line, err.column, err.message);
}

/* An activation: what a node has made of a leaf, in place of the description's earlier operators. */
static uint32_t activation(uint32_t dtype, unsigned ndim, const unsigned *n)
{
    uint32_t leaf = sized(dtype, true, ndim, n), y;
    tape.grad_mode = true;
    ck_assert_uint_eq(gm_word_run(&tape, gm_word_find("muls", 4), 1, &(gm_arg){.type = GM_ARG_TENSOR, .tv = leaf}, &y), 1);
    gm_tv_unref(&tape, leaf);
    return y;
}
#define ACTIVATION(dtype, ...) activation(dtype, sizeof((unsigned[]){__VA_ARGS__}) / sizeof(unsigned), (unsigned[]){__VA_ARGS__})

static void sequence(const char *name, unsigned nin, const uint32_t *in, unsigned nattr, const uint32_t *attr, const char *forward, const char *backward)
{
    events[0] = '\0';
    const char *have = trained(NULL, nin, in, nattr, attr, name);
    ck_assert_msg(strcmp(have, forward) == 0, "%s: forward: %s, not %s", name, have, forward);
    ck_assert_msg(strcmp(events, backward) == 0, "%s: backward: %s, not %s", name, events, backward);
}

/* x: m[6 x 8] is 96 bytes, f4 192; rows of f4 24; the weight m[8] 16.  Backward begins with the loss's gradient and g, and ends with what
 * the activation's own `muls` makes of its gradient, and the loss's gradient. */
START_TEST(traced)
{
    uint32_t in[4];
    static const uint32_t rotary[] = {4, 4}, flash[] = {2, 1, 8, 8};
    plugin_rules();

    /* MUL: +results, -g, -kept */
    in[0] = ACTIVATION(BF16, 1, 6, 8);
    in[1] = ACTIVATION(BF16, 1, 6, 8);
    sequence("mul", 2, in, 0, NULL, "+96 +96 -96", "+96 +96 +96 +96 -96 -96 -96 +96 -96 +96 -96 -96 -96");
    /* ADD: none */
    in[0] = ACTIVATION(BF16, 1, 6, 8);
    in[1] = ACTIVATION(BF16, 1, 6, 8);
    sequence("add", 2, in, 0, NULL, "+96 +96 -96 -96 -96", "+96 +96 +96 +96 -96 -96 -96");
    /* LINEAR: +dW, +dx, +db, -g, -i0; W m[4 x 8] is 64, b m[4] 8, y m[6 x 4] 48 */
    in[0] = ACTIVATION(BF16, 1, 6, 8);
    in[1] = SIZED(BF16, true, 4, 8);
    in[2] = SIZED(BF16, true, 4);
    sequence("linear", 3, in, 0, NULL, "+48 +48 -48", "+48 +48 +64 +96 +8 -48 -96 +96 -96 -48 -48");
    /* gelu_new */
    in[0] = ACTIVATION(BF16, 1, 6, 8);
    sequence("act.gelu_new", 1, in, 0, NULL, "+96 +96 +96 -96 +96 -96 +96 -96 +96 -96 +96 +96 +96 -96",
             "+96 +96" " +96 +96 -96 -96 -96" " +96 -96 -96" " +96 -96" " +96 +96 +96 +96 -96 -96 -96 -96 -96" " +96 -96 -96" " +96 -96 -96 -96");
    /* RMSNORM llama */
    in[0] = ACTIVATION(BF16, 1, 6, 8);
    in[1] = SIZED(BF16, true, 8);
    sequence("rmsnorm.llama", 2, in, 0, NULL, "+192 +192 +24 -192 +24 +24 -24 +192 +96 +96 -192 -24 +96 -96 -96",
             "+96 +96" " +96 +96 +16 -96 -96 -96" " +192 -96" " +192 +192 +24 -192 -192" " +24 +24 +24 -24 -24 -24 -24" " +192 -24"
             " +192 +192 +192 -192 -192 -192 -192 -192" " +96 -192" " +96 -96 -96 -96");
    /* ROTARY half, of q alone (k has no gradient): n is [1, 3, 2, 4], 48 bytes, half of it 24; cos and sin are the model's.
     * +a n, +h n/2, +s n, -h, +dx, -a, -s; +a, -g, -a; dx is heads first, and copied for the projection: +m[n], -g */
    in[0] = ACTIVATION(BF16, 1, 3, 8);
    in[1] = SIZED(BF16, false, 1, 3, 8);
    in[2] = SIZED(BF16, false, 1, 3, 4);
    in[3] = SIZED(BF16, false, 1, 3, 4);
    sequence("rotary.half", 4, in, 2, rotary, "+48 +24 +48 -24 +48 -48 +48 -48 -48 +48 +24 +48 -24 +48 -48 +48 -48 -48 +48 -48 -48 -48",
             "+48 +48" " +48 +24 +48 -24 +48 -48 -48" " +48 -48 -48" " +48 -48" " +48 -48 -48 -48");
    /* ATTENTION flash, 2 heads of 8 and one of keys: +dq, +dk, +dv, then scratch: f4[B H ceil128(S) ceil32(d)], f4[B H ceil128(S)], and m[B K H d] twice, for
     * heads are grouped; -scratch, -g, -kept.  Kept besides q, k and v: the result, f4[B H S], i64[2] and i64. */
    in[0] = ACTIVATION(BF16, 1, 3, 16);
    in[1] = ACTIVATION(BF16, 1, 3, 8);
    in[2] = ACTIVATION(BF16, 1, 3, 8);
    sequence("attention.flash", 3, in, 4, flash, "+96 +24 +16 +8 +96",
             "+96 +96" " +96 +48 +48 +32768 +1024 +96 +96 -96 -96 -1024 -32768 -96" " -96 -48 -48 -96 -24 -16 -8" " +48 -48 +48 -48 +96 -96 -96 -96");
}
END_TEST

/* ---- checkpoints ---- */

static struct { uint32_t rule, x; } block;

static bool replay(void *walk, gm_tape *t, uint32_t frame)
{
    uint32_t out[GM_WORD_OUTS], n;
    bool mode = t->grad_mode;
    (void)walk;
    note("[");
    t->replaying = frame;
    t->packing = GM_NONE;
    t->repacked = 0;
    t->grad_mode = true;
    n = gm_rule_run(rules, t, block.rule, 1, &block.x, 0, 0, NULL, 0, NULL, out);
    ck_assert_msg(!t->failed, "%s", t->why);
    t->stop = false;
    for (uint32_t i = 0; i < n; i++)
        gm_tv_unref(t, out[i]);
    t->replaying = GM_NONE;
    t->grad_mode = mode;
    note("]");
    return true;
}

START_TEST(checkpoints)
{
    static const struct { const char *text, *forward, *backward; } table[] = {
        /* nothing is kept: exp's result goes, tanh's is the caller's.  The replay keeps exp's and stops where tanh has made what it keeps. */
        {F " return tanh(exp(x))\n", "+24 +24 -24 +24 -24", "+24 +24 [ +24 +24 ] +24 -24 -24 +24 -24 -24 -24 -24"},
        /* silu keeps its input: the replay stops before silu computes anything */
        {F " return silu(neg(x))\n", "+24 +24 -24 +24 -24", "+24 +24 [ +24 ] +24 -24 -24 +24 -24 -24 -24"},
        /* neg keeps nothing: it is run backward before the replay, which ends with exp */
        {F " a = exp(x)\n b = neg(a)\n return b\n", "+24 +24 -24 +24 -24", "+24 +24 +24 -24 [ +24 ] +24 -24 -24 -24 -24"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint32_t y, loss;
        char forward[sizeof events];
        tape_close();
        tape_open();
        tape.replay = replay;
        tape.checkpointing = true;
        block.rule = rules_of(table[i].text);
        block.x = SIZED(F32, true, 2, 3);
        tape.frame = calloc(1, sizeof *tape.frame);
        tape.nframe = tape.max_frame = 1;
        tape.packing = 0;
        ck_assert_uint_eq(gm_rule_run(rules, &tape, block.rule, 1, &block.x, 0, 0, NULL, 0, NULL, &y), 1);
        tape.packing = GM_NONE;
        ck_assert_uint_eq(gm_word_run(&tape, gm_word_find("muls", 4), 1, &(gm_arg){.type = GM_ARG_TENSOR, .tv = y}, &loss), 1);
        gm_tv_unref(&tape, y);
        snprintf(forward, sizeof forward, "%s", events);
        events[0] = '\0';
        gm_tape_backward(&tape, loss);
        gm_tv_unref(&tape, loss);
        ck_assert_msg(strcmp(forward, table[i].forward) == 0, "%s: forward: %s, not %s", table[i].text, forward, table[i].forward);
        ck_assert_msg(strcmp(events, table[i].backward) == 0, "%s: backward: %s, not %s", table[i].text, events, table[i].backward);
        ck_assert_uint_eq(tape.frame[0].left, 0);
        ck_assert_int_eq(live_bytes(), 24);
        gm_tv_unref(&tape, block.x);
    }
}
END_TEST

/* ---- loops ---- */

#define TURNS 9
static int64_t highest[TURNS];

static uint64_t value_of(uint8_t sym, uint64_t turns)
{
    const gpumem_symbol *s = &symbols.sym[sym];
    uint64_t a, b;
    if (sym == 0)
        return 1;
    if (s->op == GPUMEM_SYM_INPUT)
        return turns;
    a = value_of(s->a, turns);
    b = s->b ? value_of(s->b, turns) : s->k;
    return s->op == GPUMEM_SYM_SUB ? a > b ? a - b : 0 : s->op == GPUMEM_SYM_MIN ? a < b ? a : b : a * b;
}

static void climbs(void *self, gm_tape *t)
{
    (void)self;
    for (uint64_t turns = 0; turns < TURNS; turns++) {
        int64_t live = 0;
        for (uint32_t i = 0; i < t->natom; i++) {
            const gpumem_count *c = &t->atom[i].count;
            int64_t one = (int64_t)(c->num / c->den);
            for (int k = 0; k < 4 && c->sym[k]; k++)
                one *= (int64_t)value_of(c->sym[k], turns);
            live += t->live[i] * one * (int64_t)value_of(t->atom[i].times, turns);
        }
        if (live > highest[turns])
            highest[turns] = live;
    }
}

static void climb(const char *text, gm_ext turns)
{
    uint32_t x;
    tape_close();
    tape_open();
    tape.event = NULL;
    tape.top = climbs;
    tape.whole = true;
    memset(highest, 0, sizeof highest);
    x = given(F32, true, 3, (const gm_ext[]){turns, {2, {0}}, {2, {0}}});
    trained(text, 1, &x, 0, NULL, NULL);
}

/* The first, the second and the last turn are enough for the peak of any number of them. */
START_TEST(turns)
{
    static const char *const texts[] = {
        /* what the first turn does not keep, as its state needs no gradient, goes in the one before */
        F " k = neg(x)\n s = new(f32, [2, 2])\n for x[0]: s = g(k, s)\n del k\n return s\nrule g k s\n s = add(s, matmul(select(k, 0), s))\n return s\n",
        F " k = neg(x)\n s = new(f32, [2, 2])\n for x[0]: s = g(k, s)\n del k\n return s\nrule g k s\n s = add(select(k, 0), matmul(select(k, 0), s))\n return s\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t together[TURNS];
        climb(texts[i], (gm_ext){1, {2}});
        memcpy(together, highest, sizeof together);
        for (uint64_t n = 2; n < TURNS; n++) {
            climb(texts[i], gm_ext_of(n));
            ck_assert_msg(together[n] == highest[n], "%s: %llu turns: %lld, not %lld", texts[i], (unsigned long long)n, (long long)together[n],
                          (long long)highest[n]);
        }
    }
}
END_TEST

/* ---- autocast ---- */

START_TEST(autocast)
{
    static const struct { const char *text, *forward, *backward; } table[] = {
        /* both are cast, the weight once a region; W [3, 3] is 36 bytes, 18 in bf16 */
        {F " return linear(linear(x, y), y)\n", "+12 +18 +12 +12 +12 -12 -24",
         "+12 +12" " +18 +12 -12 -12" " +18 +12 -12 -12 -18" " +18 -18 -18" " +36 -18" " +24 -12" " +24 -24 -12 -12"},
        /* elementwise operators take what comes */
        {F " return mul(x, x)\n", "+24 +24 -24", "+24 +24" " +24 +24 -24 -24 -24" " +24 -24 -24 -24"},
        /* these compute in fp32 */
        {F " return softmax(to(x, bf16))\n", "+12 +24 +24 -24 -12 +24 -24", "+24 +24" " +24 -24 -24" " +12 -24" " +24 -12" " +24 -24 -24 -24"},
        /* each operand is cast, for neither is a weight */
        {F " return matmul(x, transpose(x, 0, 1))\n", "+12 +12 +8 +8 -8 -24", "+8 +8" " +12 +12 -8 -12 -12" " +24 -12" " +24 -12 -24" " +24 -24 -8 -8"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint32_t in[2];
        tape_close();
        tape_open();
        tape.low = BF16;
        in[0] = ACTIVATION(F32, 2, 3);
        in[1] = SIZED(F32, true, 3, 3);
        events[0] = '\0';
        check(table[i].text, 2, in, table[i].forward, table[i].backward);
    }
}
END_TEST

#define LOOP(test, n) tcase_add_loop_test(c, test, 0, (int)(n))
#define COUNT(a) (sizeof(a) / sizeof *(a))

int main(void)
{
    Suite *s = suite_create("tape");
    TCase *c = tcase_create("tape");
    tcase_add_checked_fixture(c, setup, teardown);
    LOOP(order_in_memory, COUNT(shapes));
    tcase_add_test(c, order_of_symbols);
    tcase_add_test(c, nodes);
    tcase_add_test(c, accumulation);
    tcase_add_test(c, gradients_that_meet);
    tcase_add_test(c, traced);
    tcase_add_test(c, checkpoints);
    tcase_add_test(c, turns);
    tcase_add_test(c, autocast);
    suite_add_tcase(s, c);
    return run_suite(s);
}
