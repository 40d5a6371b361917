#include "base/near.h"
#include <stdio.h>
#include <string.h>

#define LONGEST 128

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned gm_near_distance(const char *a, const char *b)
{
    unsigned row[3][LONGEST + 1], *before = row[0], *last = row[1], *now = row[2], *spare;
    size_t na = strlen(a), nb = strlen(b), i, j;
    if (na > LONGEST || nb > LONGEST)
        return (unsigned)(na > nb ? na : nb);
    for (j = 0; j <= nb; j++)
        last[j] = (unsigned)j;
    for (i = 1; i <= na; i++) {
        now[0] = (unsigned)i;
        for (j = 1; j <= nb; j++) {
            unsigned char x = lower(a[i - 1]), y = lower(b[j - 1]);
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
        spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[nb];
}

static bool contains(const char *s, const char *part)
{
    for (; *s; s++) {
        size_t i = 0;
        while (part[i] && lower(s[i]) == lower(part[i]))
            i++;
        if (!part[i])
            return true;
    }
    return false;
}

unsigned gm_near_rank(const char *wanted, const char *name)
{
    size_t w = strlen(wanted), m = strlen(name), longer = w > m ? w : m, shorter = w > m ? m : w;
    unsigned distance = gm_near_distance(wanted, name), limit = w < 6 ? 1 : 2;
    if (distance == 0 || (distance <= limit && distance < longer))
        return distance + 1;
    if (shorter >= 3 && contains(w > m ? wanted : name, w > m ? name : wanted))
        return 4 + (unsigned)(longer - shorter);
    return 0;
}

void gpumem_near_init(gpumem_near *near, const char *wanted)
{
    near->wanted = wanted;
    near->n = 0;
}

void gpumem_near_offer(gpumem_near *near, const char *name)
{
    const unsigned most = sizeof near->best / sizeof *near->best;
    unsigned rank, i;
    if (strlen(name) >= sizeof near->best[0].name || (rank = gm_near_rank(near->wanted, name)) == 0)
        return;
    for (i = 0; i < near->n; i++)
        if (strcmp(near->best[i].name, name) == 0)
            return;
    for (i = near->n; i > 0 && near->best[i - 1].rank > rank; i--)
        if (i < most)
            near->best[i] = near->best[i - 1];
    if (i == most)
        return;
    strcpy(near->best[i].name, name);
    near->best[i].rank = rank;
    near->n += near->n < most;
}

const char *gpumem_near_text(const gpumem_near *near, char *buf, size_t n)
{
    if (n == 0)
        return "";
    buf[0] = '\0';
    switch (near->n) {
    case 1: snprintf(buf, n, "%s", near->best[0].name); break;
    case 2: snprintf(buf, n, "%s or %s", near->best[0].name, near->best[1].name); break;
    case 3: snprintf(buf, n, "%s, %s or %s", near->best[0].name, near->best[1].name, near->best[2].name); break;
    default: break;
    }
    return buf;
}
