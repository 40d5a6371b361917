/* What llama.cpp allocates on a GPU for a model, without a GPU and without weights: prints the bytes of its model, context and compute buffers.
 *
 * usage: llama_cpp FILE.gguf CONTEXT FLASH OUTPUTS SEQUENCES [TYPE [LAYERS]]
 *
 * The file needs no data behind its header; `tokenizer.ggml.model` is "none".  The device is the process itself, reached through ggml's RPC backend, which
 * the scheduler treats as it does a GPU.  Link with libllama, libggml, libggml-base and libggml-rpc, built with -DGGML_RPC=ON. */
#include "ggml-rpc.h"
#include "llama-ext.h"
#include "llama.h"
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>

static void quiet(ggml_log_level level, const char *text, void *)
{
    if (level >= GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

static int print(const char *file, ggml_backend_dev_t device, char **arg, int n)
{
    ggml_backend_dev_t devices[] = {device, nullptr};
    llama_model_params m = llama_model_default_params();
    m.devices = devices;
    m.n_gpu_layers = n > 5 ? atoi(arg[5]) : 999;
    m.no_alloc = true;
    m.load_mode = LLAMA_LOAD_MODE_NONE;
    llama_model *model = llama_model_load_from_file(file, m);
    if (!model)
        return 1;
    llama_context_params c = llama_context_default_params(); /* and what llama-server has otherwise: windows have small caches, few outputs are reserved */
    c.n_ctx = (uint32_t)atoi(arg[0]);
    c.n_ubatch = 512;
    c.flash_attn_type = atoi(arg[1]) ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    c.n_outputs_max = (uint32_t)atoi(arg[2]);
    c.n_seq_max = (uint32_t)atoi(arg[3]);
    c.swa_full = false;
    if (n > 4 && strcmp(arg[4], "q8_0") == 0)
        c.type_k = c.type_v = GGML_TYPE_Q8_0;
    llama_context *context = llama_init_from_model(model, c);
    if (!context)
        return 1;
    for (const auto &b : llama_get_memory_breakdown(context))
        printf("%s model %zu context %zu compute %zu\n", ggml_backend_buft_name(b.first), b.second.model, b.second.context, b.second.compute);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    std::string endpoint = "127.0.0.1:" + std::to_string(20000 + getpid() % 20000);
    llama_log_set(quiet, nullptr);
    pid_t server = fork();
    if (server == 0) {
        ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
        fclose(stdout);
        ggml_backend_rpc_start_server(endpoint.c_str(), nullptr, 1, 1, &cpu);
        _exit(0);
    }
    sleep(1);
    llama_backend_init();
    ggml_backend_reg_t reg = ggml_backend_rpc_add_server(endpoint.c_str());
    ggml_backend_register(reg);
    int status = print(argv[1], ggml_backend_reg_dev_get(reg, 0), argv + 2, argc - 2);
    kill(server, SIGKILL);
    return status;
}
