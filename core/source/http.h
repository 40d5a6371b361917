/* Requests to a hub: GET and HEAD, ranges, many at once; redirects, retries, limits.  Only http.c knows libcurl, which is loaded when
 * the first gm_http is made. */
#ifndef GM_HTTP_H
#define GM_HTTP_H

#include "base/error.h"

typedef struct gm_http gm_http;

typedef struct gm_http_options { /* strings are copied */
    const char *endpoint; /* scheme://host[:port]; the token goes there and to no other place */
    const char *token;    /* or NULL */
    const char *agent;    /* User-Agent */
    const char *ca;       /* file or directory of certificates, or NULL */
    const char *proxy;    /* for http:// URLs, or NULL: as libcurl finds it in the environment */
    unsigned timeout;     /* seconds until it is connected, and without a byte */
    unsigned backoff;     /* milliseconds before the first retry; they double three times */
    unsigned patience;    /* seconds that a hub may ask to wait; more is an error */
    void (*progress)(void *self, const gpumem_progress *p); /* or NULL */
    void *self;
} gm_http_options;

typedef enum gm_failure {
    GM_HTTP_FINE,        /* there is an answer; see its status */
    GM_HTTP_UNREACHABLE, /* no such host, nobody there, not trusted */
    GM_HTTP_BROKEN,      /* timeouts, truncated answers, after all retries */
    GM_HTTP_REFUSED,     /* an answer that must not be followed or read: redirects, sizes, ranges */
    GM_HTTP_NO_MEMORY
} gm_failure;

typedef struct gm_exchange { /* {0} but for what is asked */
    /* asked */
    const char *url;
    const char *what;     /* for progress: a file's name */
    bool head;            /* nothing but the headers */
    bool ranged;
    bool anonymous;       /* send no token */
    uint64_t offset;      /* ranged: the first byte */
    size_t most;          /* ranged: so many bytes, fewer at the end of the file; else an error if there are more */
    unsigned retries;     /* after a timeout or an error of the server */
    bool (*have)(void *self, const char *etag, const char *commit); /* true: what these name is known, its body is not asked for; or NULL */
    void *self;
    /* answered */
    gm_failure failure;
    char why[256];        /* of a failure */
    int status;           /* of HTTP; 0: none */
    bool unchanged;       /* have() said so, or the server */
    char commit[65], etag[129], error_code[64], error_message[256], request[96];
    char moved[512];      /* path of the last redirect that stayed on the hub; or "" */
    long wait;            /* seconds that the server asks for, -1: none */
    uint64_t size;        /* of the whole file, UINT64_MAX: not known */
    char *body;           /* NUL-terminated; or NULL */
    size_t n;
    uint64_t received;    /* bytes of bodies, thrown away ones too */
    unsigned sent;        /* requests */
} gm_exchange;

gpumem_status gm_http_new(const gm_http_options *options, gm_http **out, gpumem_error *err);
void gm_http_free(gm_http *http);
/* All of them at once.  Not OK only where nothing could be sent; else see each. */
gpumem_status gm_http_do(gm_http *http, gm_exchange *x, size_t n, gpumem_error *err);
void gm_exchange_free(gm_exchange *x); /* its body */
#endif
