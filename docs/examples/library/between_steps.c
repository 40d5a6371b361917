/* between_steps MODEL: bytes that training in bf16 with AdamW holds between two steps. */
#include <gpumem/gpumem.h>
#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    gpumem_error err = {0};
    gpumem_host *host = NULL;
    gpumem_set *set = NULL;
    gpumem_config *config = NULL;
    gpumem_model *model = NULL;
    gpumem_plan *plan = NULL;
    gpumem_request request = {.mode = GPUMEM_MODE_TRAINING, .precision = "bf16", .optimizer = "adamw"};
    gpumem_point point = {.batch = 4};
    gpumem_result result;
    char text[1100];

    if (argc == 2 && gpumem_host_new(NULL, &host, &err) == GPUMEM_OK && gpumem_set_open(host, "default", &set, &err) == GPUMEM_OK &&
        gpumem_config_open(host, argv[1], &config, &err) == GPUMEM_OK && gpumem_model_new(host, config, NULL, &model, &err) == GPUMEM_OK &&
        gpumem_plan_new(host, model, set, &request, &plan, &err) == GPUMEM_OK) {
        gpumem_plan_defaults(plan, &point);
        if (gpumem_plan_evaluate(plan, &point, &result, &err) == GPUMEM_OK)
            printf("%" PRIu64 " parameters, %" PRIu64 " bytes between steps\n", gpumem_model_parameters(model), result.between_steps);
    }
    if (err.status != GPUMEM_OK)
        fprintf(stderr, "%s\n", gpumem_error_text(&err, text, sizeof text));
    gpumem_plan_free(plan);
    gpumem_model_free(model);
    gpumem_config_free(config);
    gpumem_set_free(set);
    gpumem_host_free(host);
    return gpumem_exit_code(err.status);
}
