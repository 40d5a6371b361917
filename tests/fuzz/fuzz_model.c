/* Any text as a config: read or refused, described or refused, estimated or refused. */
#include <gpumem/gpumem.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gpumem_host *host;
static gpumem_set *sets[2];

static void open_once(void)
{
    static const char *const dir[] = {GM_PLUGINS, GM_DATA};
    gpumem_host_options options = {dir, 2, true};
    if (gpumem_host_new(&options, &host, NULL) != GPUMEM_OK || gpumem_set_open(host, "default", &sets[0], NULL) != GPUMEM_OK ||
        gpumem_set_open(host, "classic", &sets[1], NULL) != GPUMEM_OK)
        abort();
}

static void estimate(const gpumem_model *model, const gpumem_set *set, gpumem_request request)
{
    gpumem_plan *plan = NULL;
    gpumem_error err = {0};
    gpumem_result result;
    gpumem_point point = {0};
    const gpumem_key *keys;
    if (gpumem_plan_new(host, model, set, &request, &plan, &err) == GPUMEM_OK) {
        gpumem_plan_defaults(plan, &point);
        gpumem_plan_evaluate(plan, &point, &result, &err);
    }
    if (err.status != GPUMEM_OK && (err.message[0] == '\0' || err.status == GPUMEM_EINTERNAL))
        abort(); /* an error without a word, or of ours */
    gpumem_model_keys(model, &keys);
    gpumem_plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gpumem_config *config = NULL;
    gpumem_model *model = NULL;
    gpumem_error err = {0};
    if (host == NULL)
        open_once();
    if (gpumem_config_parse(host, "fuzz", (const char *)data, size, &config, &err) == GPUMEM_OK &&
        gpumem_model_new(host, config, NULL, &model, &err) == GPUMEM_OK)
        for (int i = 0; i < 6; i++)
            estimate(model, sets[i < 4 ? i & 1 : 0], (gpumem_request){.mode = i < 2 ? GPUMEM_MODE_TRAINING : GPUMEM_MODE_INFERENCE, .engine = i < 4 ? NULL : "llama.cpp",
                                                                      .attention = i < 5 ? NULL : "eager"});
    else if (err.message[0] == '\0' || err.status == GPUMEM_EINTERNAL)
        abort();
    gpumem_model_free(model);
    gpumem_config_free(config);
    return 0;
}
