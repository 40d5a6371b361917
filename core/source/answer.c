/* What the hub's refusals mean, in the order in which its own clients look at them. */
#include "source/hub.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool says(const gm_exchange *x, const char *code)
{
    return strcasecmp(x->error_code, code) == 0;
}

bool gm_hub_is_absent(const gm_exchange *x)
{
    return x->failure == GM_HTTP_FINE && says(x, "EntryNotFound") && x->status >= 400;
}

bool gm_hub_is_down(const gm_exchange *x)
{
    return x->failure == GM_HTTP_UNREACHABLE || x->failure == GM_HTTP_BROKEN || (x->failure == GM_HTTP_FINE && (x->status >= 500 || x->status == 429 || x->status == 408));
}

bool gm_hub_is_bad_token(const gm_exchange *x)
{
    return x->failure == GM_HTTP_FINE && x->status == 401 && strcmp(x->error_message, "Invalid credentials in Authorization header") == 0;
}

static gpumem_status gated(const gm_hub *hub, const gm_repo *repo, gpumem_error *err)
{
    bool token = hub->environment.token && !hub->bare;
    gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the model '%s' is gated: %s", repo->id,
            token ? "the account of this token has no access to it yet" : "only who has been granted access may read it");
    gm_tip(err, "access must be requested, and the terms be accepted, on %s/%s", hub->environment.endpoint, repo->id);
    gm_tip(err, token ? "then run the same again; `huggingface-cli login` or HF_TOKEN log in as somebody else" : "then log in: `huggingface-cli login`, or set HF_TOKEN");
    if (hub->options.open)
        gm_tip(err, "open models to try: %s", hub->options.open);
    return GPUMEM_EHUB;
}

static gpumem_status missing(const gm_hub *hub, const gm_repo *repo, gpumem_error *err)
{
    bool token = hub->environment.token && !hub->bare;
    gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the model '%s' is not on the Hub, or it is private%s", repo->id, token ? " and the token may not read it" : "");
    gm_tip(err, "is the name right? see %s/models?search=%s", hub->environment.endpoint, strchr(repo->id, '/') ? strchr(repo->id, '/') + 1 : repo->id);
    gm_tip(err, token ? "a private one: the token needs the right to read it" : "a private or gated one: `huggingface-cli login`, or set HF_TOKEN");
    return GPUMEM_EHUB;
}

static gpumem_status limited(const gm_hub *hub, const gm_exchange *x, gpumem_error *err)
{
    if (x->wait >= 0)
        gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the Hub's rate limit is reached: it asks to wait for %ld seconds", x->wait);
    else
        gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the Hub's rate limit is reached, also after some retries");
    if (!hub->environment.token)
        gm_tip(err, "who is logged in may ask more often: `huggingface-cli login`, or set HF_TOKEN");
    gm_tip(err, "what is in the cache needs no request: --offline");
    return GPUMEM_EHUB;
}

static gpumem_status no_answer(const gm_hub *hub, const gm_repo *repo, const char *file, const gm_exchange *x, gpumem_error *err)
{
    const char *endpoint = hub->environment.endpoint;
    if (x->failure == GM_HTTP_NO_MEMORY)
        return gm_no_memory(err);
    if (x->failure == GM_HTTP_REFUSED)
        return gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "%s: %s: %s", repo->id, file, x->why);
    if (x->failure == GM_HTTP_UNREACHABLE)
        gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "'%s' cannot be looked up: %s cannot be reached: %s", repo->id, endpoint, x->why);
    else
        gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "%s: %s: no whole answer from %s: %s", repo->id, file, endpoint, x->why);
    gm_tip(err, "a path to a config.json, or to a directory with one, needs no network");
    if (x->failure == GM_HTTP_UNREACHABLE)
        gm_tip(err, "behind a proxy: HTTPS_PROXY, and SSL_CERT_FILE for its certificate; a mirror: HF_ENDPOINT");
    return GPUMEM_EHUB;
}

static gpumem_status other(const gm_hub *hub, const gm_repo *repo, const char *file, const gm_exchange *x, gpumem_error *err)
{
    const char *words = *x->error_message ? x->error_message : x->status >= 500 ? "an error of the server" : "no reason given";
    gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "%s: %s: %s answers %d: %s", repo->id, file, hub->environment.endpoint, x->status, words);
    if (*x->request)
        gm_tip(err, "the request's id, for those who look after the server: %s", x->request);
    return GPUMEM_EHUB;
}

gpumem_status gm_hub_refused(const gm_hub *hub, const gm_repo *repo, const char *file, const gm_exchange *x, gpumem_error *err)
{
    if (x->failure != GM_HTTP_FINE)
        return no_answer(hub, repo, file, x, err);
    if (says(x, "RevisionNotFound")) {
        gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the model '%s' has no revision '%s'", repo->id, repo->revision);
        gm_tip(err, "its branches and commits: %s/%s/commits/main", hub->environment.endpoint, repo->id);
        return GPUMEM_EHUB;
    }
    if (says(x, "EntryNotFound"))
        return gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the model '%s' has no file '%s'", repo->id, file);
    if (says(x, "GatedRepo"))
        return gated(hub, repo, err);
    if (strcmp(x->error_message, "Access to this resource is disabled.") == 0)
        return gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the model '%s' was disabled by the Hub", repo->id);
    if (gm_hub_is_bad_token(x)) {
        gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the Hub does not accept the token, and without it '%s' cannot be read", repo->id);
        gm_tip(err, "`huggingface-cli login` makes a new one; HF_TOKEN goes over it where it is set");
        return GPUMEM_EHUB;
    }
    if (says(x, "RepoNotFound") || x->status == 401 || (x->status == 404 && !*x->error_code))
        return missing(hub, repo, err);
    if (x->status == 429)
        return limited(hub, x, err);
    if (x->status == 403) {
        gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the Hub forbids to read '%s': %s", repo->id, *x->error_message ? x->error_message : "no reason given");
        gm_tip(err, "has the token the right to read it?");
        return GPUMEM_EHUB;
    }
    return other(hub, repo, file, x, err);
}
