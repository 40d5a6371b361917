/* Does a string end in another? */
#ifndef GM_ENDS_H
#define GM_ENDS_H

#include <stdbool.h>
#include <string.h>

static inline bool gm_ends(const char *s, const char *with)
{
    size_t n = strlen(s), k = strlen(with);
    return n >= k && strcmp(s + n - k, with) == 0;
}
#endif
