/* Any bytes as a safetensors file: refused with a message, or every tensor lies in the data, one behind the other. */
#include "fuzz/memory.h"
#include "source/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (unsigned known = 0; known < 2; known++) {
        memory m = memory_of(data, size, known);
        gpumem_error err = {0};
        gm_safetensors s = {0};
        uint64_t sum = 0;
        if (gm_safetensors_read(&m.reader, &s, &err) == GPUMEM_OK) {
            for (uint32_t i = 0; i < s.ntensor; i++) {
                const gm_safetensor *t = &s.tensor[i];
                if (t->end < t->begin || s.data + t->end > size || strlen(t->name) != t->nname)
                    __builtin_trap();
                sum += t->end - t->begin;
            }
            if (s.data + sum != size)
                __builtin_trap();
        } else if (err.status == GPUMEM_OK || !err.message[0]) {
            __builtin_trap();
        }
        gm_safetensors_free(&s);
    }
    return 0;
}
