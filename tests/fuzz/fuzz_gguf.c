/* Any bytes as a GGUF file: refused with a message, or all tensors lie in the file. */
#include "fuzz/memory.h"
#include "source/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (unsigned known = 0; known < 2; known++) {
        memory m = memory_of(data, size, known);
        gpumem_error err = {0};
        gm_gguf g = {0};
        if (gm_gguf_read(&m.reader, &g, &err) == GPUMEM_OK) {
            for (uint32_t i = 0; i < g.ntensor; i++)
                if ((g.tensor[i].bytes && g.data + g.tensor[i].offset + g.tensor[i].bytes > size) || strlen(g.tensor[i].name) != g.tensor[i].nname)
                    __builtin_trap();
            for (uint32_t i = 0; i < g.nkey; i++)
                if (gm_gguf_find(&g, g.key[i].key) != &g.key[i])
                    __builtin_trap();
        } else if (err.status == GPUMEM_OK || !err.message[0]) {
            __builtin_trap();
        }
        gm_gguf_free(&g);
    }
    return 0;
}
