/* fuzz_config.c - any bytes as a configuration: a whole struct or an error with a text, and nothing leaked. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_error error = {""};
	struct config *config = NULL;

	if (config_load_text("fuzz", "/", (const char *)data, size, &error, &config) < 0) {
		assert(error.text[0] && !config);
		return 0;
	}
	assert(config->policy.temp_high_c < config->policy.temp_critical_c);
	for (int i = 0; i < config->n_models; i++)
		assert(config->models[i].n_variants >= 1 && config->models[i].name[0]);
	config_destroy(config);
	return 0;
}
