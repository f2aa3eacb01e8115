/* test_config.c - good and bad configurations; bad ones by their whole message. */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

TEST_SUITE(config);

#define MODEL(keys) "models: [{name: m, task: classify, variants: [{name: v, file: /dev/fd/9}]" keys "}]\n"

#define PALM "- {name: p, task: detect, detector: palm, variants: [{name: v, file: /dev/fd/9}]}\n"
#define FACE "- {name: f, task: landmarks, landmarks: face, variants: [{name: v, file: /dev/fd/9}]}\n"

static struct config_error error;

static int load(const char *text, struct config **ret_config)
{
	error.text[0] = 0;
	return config_load_text("c.yaml", "/etc", text, strlen(text), &error, ret_config);
}

static struct config *load_good(const char *text)
{
	struct config *config = NULL;

	cr_assert_eq(load(text, &config), 0, "%s", error.text);
	return config;
}

static void expect_bad(const char *text, const char *message)
{
	struct config *config = (struct config *)1;

	cr_assert_eq(load(text, &config), -EINVAL, "taken: %s", text);
	cr_assert_str_eq(error.text, message);
	cr_assert_eq((uintptr_t)config, 1, "the output was touched");
}

/* ---- a folder of files ------------------------------------------------------------------------------- */

struct folder {
	char path[64];
};

static void folder_init(struct folder *folder)
{
	char path[128];

	snprintf(folder->path, sizeof(folder->path), "/tmp/inferd-config-XXXXXX");
	cr_assert_not_null(mkdtemp(folder->path));
	snprintf(path, sizeof(path), "%s/conf.d", folder->path);
	cr_assert_eq(mkdir(path, 0755), 0);
}

static void folder_write(const struct folder *folder, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	file = fopen(path, "w");
	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
}

static void folder_finish(struct folder *folder)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder->path);
	cr_assert_eq(system(command), 0);
}

static int folder_load(const struct folder *folder, struct config **ret_config)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/inferd.yaml", folder->path);
	error.text[0] = 0;
	return config_load(path, &error, ret_config);
}

/* The message with the folder's name before it. */
static void folder_expect_bad(const struct folder *folder, int rc, const char *message)
{
	struct config *config = NULL;
	char whole[512];

	cr_assert_eq(folder_load(folder, &config), rc);
	snprintf(whole, sizeof(whole), "%s/%s", folder->path, message);
	cr_assert_str_eq(error.text, whole);
}

/* ---- values ------------------------------------------------------------------------------------------ */

Test(config, nothing_gives_the_defaults)
{
	struct config *config = load_good("");

	cr_assert_str_eq(config->socket, "/run/inferd/inferd.sock");
	cr_assert_str_eq(config->group, "");
	cr_assert_eq(config->mode, 0660);
	cr_assert_eq(config->n_lanes + config->n_models, 0);
	cr_assert_eq(config->memory_budget_mb, 256);
	cr_assert_eq(config->converted_mb, 0);
	cr_assert_eq(config->limits.streams_per_client, 8);
	cr_assert_eq(config->limits.pool_mb_per_client, 64);
	cr_assert_eq(config->limits.clients_per_user, 16);
	cr_assert_eq(config->policy.temp_high_c, 75);
	cr_assert(config->policy.scene && !config->policy.uclamp);
	cr_assert_eq(config->policy.temp_critical_c, 90);
	cr_assert_eq(config->policy.min_fps, 2);
	cr_assert(!config->record.enabled);
	cr_assert_eq(config->record.limit_mb, 64);
	cr_assert_eq(config->record.flush_s, 60);
	cr_assert_str_eq(config->record.trace, "");
	config_destroy(config);
}

static const char whole_text[] =
	"socket: run/s.sock\n"
	"access: {group: video, mode: 0600}\n"
	"lanes:\n"
	"  - {name: big, cpus: 4-7, threads: 3}\n"
	"  - {name: little, cpus: '0,2-3'}\n"
	"  - {name: one, cpus: 9}\n"
	"  - {name: listed, cpus: [10, 12-13]}\n"
	"memory_budget_mb: 99\n"
	"converted_mb: 98\n"
	"limits: {streams_per_client: 1, pool_mb_per_client: 2, clients_per_user: 3}\n"
	"plugins: []\n"
	"models:\n"
	"  - name: imagenet\n"
	"    task: classify\n"
	"    top_k: 3\n"
	"    deadline_ms: 150\n"
	"    weight: 0.5\n"
	"    min_fps: 4\n"
	"    variants:\n"
	"      - {name: a, file: passwd, accuracy: 0.71}\n"
	"      - {name: b, file: /etc/passwd}\n"
	"    preprocess: {fit: crop, crop: 0.875, order: bgr, mean: [1, 2.5, -3], scale: 0.0078125}\n"
	"    inputs: [224, 128]\n"
	"    gray: true\n"
	"  - {name: e, task: embed, labels: passwd, variants: [{name: v, file: passwd}], preprocess: {fit: letterbox, pad: "
	"7}}\n"
	"record: {enabled: true, limit_mb: 5, flush_s: 7, trace: t.jsonl}\n"
	"policy: {temp_high_c: 60, temp_critical_c: 80, min_fps: 1, scene: false, uclamp: auto}\n";

Test(config, every_key_is_read)
{
	struct config *config = load_good(whole_text);
	struct config_model *model = &config->models[0];

	cr_assert_str_eq(config->socket, "/etc/run/s.sock");
	cr_assert_str_eq(config->group, "video");
	cr_assert_eq(config->mode, 0600);
	cr_assert_eq(config->n_lanes, 4);
	cr_assert_eq(config->lanes[0].threads, 3);
	cr_assert_eq(config->lanes[0].cpus[0] * 10 + config->lanes[0].cpus[3], 47);
	cr_assert_eq(config->lanes[1].threads, 3, "as many as cores");
	cr_assert_eq(config->lanes[1].cpus[1], 2);
	cr_assert_eq(config->lanes[2].cpus[0], 9);
	cr_assert_eq(config->lanes[3].n_cpus, 3);
	cr_assert_eq(config->memory_budget_mb, 99);
	cr_assert_eq(config->converted_mb, 98);
	cr_assert_eq(config->limits.streams_per_client, 1);
	cr_assert_eq(config->n_models, 2);
	cr_assert_str_eq(model->name, "imagenet");
	cr_assert_eq((int)model->task, (int)CONFIG_CLASSIFY);
	cr_assert_eq(model->top_k, 3);
	cr_assert_eq(model->deadline_ms, 150);
	cr_assert_eq(model->weight, 0.5f);
	cr_assert_eq(model->min_fps, 4);
	cr_assert_eq(model->n_variants, 2);
	cr_assert_str_eq(model->variants[0].file, "/etc/passwd");
	cr_assert_eq(model->variants[0].accuracy, 0.71f);
	cr_assert_eq(model->variants[1].accuracy, 0.5f);
	cr_assert_eq((int)model->preprocess.fit, (int)CONFIG_FIT_CROP);
	cr_assert(model->preprocess.bgr && model->preprocess.given && model->gray);
	cr_assert_eq(model->preprocess.mean[1], 2.5f);
	cr_assert_eq(model->preprocess.scale[2], 0.0078125f);
	cr_assert_eq(model->n_inputs * 1000 + model->inputs[1], 2128);
	model = &config->models[1];
	cr_assert_str_eq(model->labels, "/etc/passwd");
	cr_assert_eq(model->preprocess.pad[2], 7);
	cr_assert(!model->preprocess.given);
	cr_assert_eq(model->min_fps, 1, "the policy's");
	cr_assert(config->record.enabled);
	cr_assert(!config->policy.scene && config->policy.uclamp);
	cr_assert_eq(config->record.limit_mb * 100 + config->record.flush_s, 507);
	cr_assert_str_eq(config->record.trace, "/etc/t.jsonl");
	config_destroy(config);
}

Test(config, trace_is_off_on_or_a_path)
{
	struct config *config = load_good("record: {trace: on}\n");

	cr_assert_str_eq(config->record.trace, "on");
	config_destroy(config);
	config = load_good("record: {trace: off}\n");
	cr_assert_str_eq(config->record.trace, "");
	config_destroy(config);
	config = load_good("record: {trace: /var/only}\n");
	cr_assert_str_eq(config->record.trace, "/var/only");
	config_destroy(config);
}

Test(config, variants_of_one_file_may_multiply_in_float16)
{
	struct config *config = load_good("models: [{name: m, task: classify, variants: [{name: a, file: /etc/passwd}, "
					  "{name: b, file: /etc/passwd, half_arithmetic: true}]}]\n");

	cr_assert(!config->models[0].variants[0].half_arithmetic);
	cr_assert(config->models[0].variants[1].half_arithmetic);
	config_destroy(config);
}

Test(config, bad_values_are_named_with_line_and_key)
{
	static const char *const bad[][2] = {
		{"sockett: x\n", "c.yaml:1: sockett: unknown key, did you mean 'socket'?"},
		{"\n\nxyz: x\n", "c.yaml:3: xyz: unknown key"},
		{"access: {mod: 0660}\n", "c.yaml:1: access.mod: unknown key, did you mean 'mode'?"},
		{"access: {mode: 9999}\n", "c.yaml:1: access.mode: '9999' is not an octal file mode such as 0660"},
		{"access: 3\n", "c.yaml:1: access: a single value where a group of keys is due"},
		{"memory_budget_mb: lots\n", "c.yaml:1: memory_budget_mb: 'lots' is not a whole number"},
		{"memory_budget_mb: '3'\n", "c.yaml:1: memory_budget_mb: '3' is not a whole number"},
		{"memory_budget_mb: 0\n", "c.yaml:1: memory_budget_mb: 0 is not within 1..65536"},
		{"memory_budget_mb: 99999999999999999999\n",
		 "c.yaml:1: memory_budget_mb: 99999999999999999999 is not within 1..65536"},
		{"memory_budget_mb: [1]\n", "c.yaml:1: memory_budget_mb: a list where a single value is due"},
		{"memory_budget_mb:\n", "c.yaml:1: memory_budget_mb: nothing where a single value is due"},
		{"socket: a\nsocket: b\n", "c.yaml:2: the key 'socket' is given twice, first in line 1"},
		{"policy: {temp_high_c: .nan}\n", "c.yaml:1: policy.temp_high_c: '.nan' is not a number"},
		{"policy:\n  temp_high_c: 90\n",
		 "c.yaml:2: policy.temp_high_c: 90 is not below temp_critical_c, which is 90"},
		{"record: {enabled: yes}\n", "c.yaml:1: record.enabled: 'yes' is not true or false"},
		{"plugins: [{a: b}]\n", "c.yaml:1: plugins: a group of keys where a single value is due"},
		{"lanes: [{name: a}]\n", "c.yaml:1: lanes[a]: the key 'cpus' is missing"},
		{"lanes: [{cpus: 1}]\n", "c.yaml:1: lanes[0]: the key 'name' is missing"},
		{"lanes: [{name: a, cpus: 3-1}]\n",
		 "c.yaml:1: lanes[a].cpus: '3-1' is not a set of cores such as 4-7 or 0,2-3 (the highest is 1023)"},
		{"lanes: [{name: a, cpus: '1,1'}]\n", "c.yaml:1: lanes[a].cpus: core 1 is given twice"},
		{"lanes: [{name: a, cpus: 0-99}]\n", "c.yaml:1: lanes[a].cpus: more than 64 cores"},
		{"lanes: [{name: a b, cpus: 0}]\n",
		 "c.yaml:1: lanes[0].name: 'a b' is not a name of letters, digits, '.', '_' and '-'"},
		{"lanes: [{name: a, cpus: 0}, {name: a, cpus: 1}]\n",
		 "c.yaml:1: lanes[a]: the name is given twice, first in line 1"},
		{"models: {}\n", "c.yaml:1: models: a group of keys where a list is due"},
		{"models: [{name: m, task: draw, variants: []}]\n",
		 "c.yaml:1: models[m].task: 'draw' is not classify, detect, landmarks, segment, embed or raw"},
		{"models: [{name: m, task: raw, variants: []}]\n",
		 "c.yaml:1: models[m].variants: at least one variant is due"},
		{"models: [{name: m, task: raw, variants: [{name: v, file: a, half_arithmetic: 1}]}]\n",
		 "c.yaml:1: models[m].variants[v].half_arithmetic: '1' is not true or false"},
		{"models: [{name: m, task: raw}]\n", "c.yaml:1: models[m]: the key 'variants' is missing"},
		{"models: [{name: m, task: detect, variants: [{name: v, file: a.tflite}]}]\n",
		 "c.yaml:1: models[m]: the key 'detector' (blazeface, palm, pose, rfb, corners, nanodet, ssd or ssd-anchors) "
		 "belongs to task: detect, which needs it"},
		{"models: [{name: m, task: classify, landmarks: hand, variants: [{name: v, file: a.tflite}]}]\n",
		 "c.yaml:1: models[m]: the key 'landmarks' (hand, face or pose) belongs to task: landmarks, which needs it"},
		{"models: [{name: m, task: landmarks, landmarks: pose, gestures: true, variants: [{name: v, file: a}]}]\n",
		 "c.yaml:1: models[m]: gestures are told from the landmarks of a hand: landmarks: hand"},
		{"models: [{name: m, task: segment, preprocess: {fit: crop}, variants: [{name: v, file: a.tflite}]}]\n",
		 "c.yaml:1: models[m]: task: segment needs fit: stretch, so that the mask covers the picture"},
		{"models: [{name: m, task: classify, gallery: {sure: 0.9}, variants: [{name: v, file: a.tflite}]}]\n",
		 "c.yaml:1: models[m]: 'gallery', 'sure' and 'maybe' belong to task: embed"},
		{"models: [{name: m, task: embed, gallery: {sure: 0.7}, variants: [{name: v, file: a.tflite}]}]\n",
		 "c.yaml:1: models[m]: 'maybe' must be below 'sure', for every variant"},
		{"models: [{name: m, task: embed, variants: [{name: v, file: a.tflite, maybe: 0.9}]}]\n",
		 "c.yaml:1: models[m]: 'maybe' must be below 'sure', for every variant"},
		{"models: [{name: m, task: embed, gallery: {maybe_lead: 3.1}, variants: [{name: v, file: a.tflite}]}]\n",
		 "c.yaml:1: models[m].gallery.maybe_lead: 3.1 is not within 0..3"},
		{"models: [{name: m, task: detect, detector: palm, smooth: true, variants: [{name: v, file: a}]}]\n",
		 "c.yaml:1: models[m]: the key 'smooth' belongs to a pipeline"},
		{"models: [{name: m, pipeline: [a]}]\n",
		 "c.yaml:1: models[m].pipeline: two stages are due: a detector and a landmarks model"},
		{"models: [{name: m, pipeline: [a, b, c]}]\n",
		 "c.yaml:1: models[m].pipeline: 3 entries, at most 2 are possible"},
		{"models: [{name: m, pipeline: [a, b], gray: true}]\n",
		 "c.yaml:1: models[m].gray: belongs to the stages of a pipeline"},
		{"models: [{name: m, pipeline: [a, b], max_results: 7}]\n",
		 "c.yaml:1: models[m]: a pipeline looks at 6 places in a frame at most: max_results is too large"},
		{"models: [{name: m, pipeline: [a, b]}]\n",
		 "c.yaml:1: models[m].pipeline: stage 1 is 'a', and there is no model of this name"},
		{"models:\n- {name: m, pipeline: [p, m]}\n" PALM,
		 "c.yaml:2: models[m].pipeline: stage 2 has to be a model with task: landmarks, which 'm' is not"},
		{"models:\n- {name: m, pipeline: [f, p]}\n" PALM FACE,
		 "c.yaml:2: models[m].pipeline: stage 1 has to be a model with task: detect, which 'f' is not"},
		{"models:\n- {name: m, pipeline: [p, f]}\n" PALM FACE,
		 "c.yaml:2: models[m].pipeline: 'p' does not find what 'f' looks at: faces need a detector of faces"},
		{MODEL(", deadline_ms: 700000"), "c.yaml:1: models[m].deadline_ms: 700000 is not within 1..60000"},
		{MODEL(", deadlin_ms: 7"), "c.yaml:1: models[m].deadlin_ms: unknown key, did you mean 'deadline_ms'?"},
		{MODEL(", weight: 0"), "c.yaml:1: models[m].weight: 0 is not above 0 and at most 1000"},
		{MODEL(", inputs: [224, 224]"), "c.yaml:1: models[m].inputs: 224 is given twice"},
		{MODEL(", inputs: [8]"), "c.yaml:1: models[m].inputs: 8 is not within 16..4096"},
		{MODEL(", preprocess: {crop: 0.5}"),
		 "c.yaml:1: models[m].preprocess.crop: has a meaning only with fit: crop"},
		{MODEL(", preprocess: {mean: [1, 2]}"),
		 "c.yaml:1: models[m].preprocess.mean: one number or three are due"},
		{MODEL(", preprocess: {pad: [1, 2, 256], fit: letterbox}"),
		 "c.yaml:1: models[m].preprocess.pad: 256 is not within 0..255"},
		{"models:\n  - name: m\n    task: raw\n    variants:\n      - name: v\n        file: /nonexistent\n",
		 "c.yaml:6: models[m].variants[v].file: /nonexistent: No such file or directory"},
		{"models: [{name: m, task: raw, variants: [{name: v, file: /dev}]}]\n",
		 "c.yaml:1: models[m].variants[v].file: /dev: Is a directory"},
		{"models: [{name: m, task: raw, variants: [{name: v, file: /dev/null}]}]\n",
		 "c.yaml:1: models[m].variants[v].file: /dev/null: is not a regular file"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_bad(bad[i][0], bad[i][1]);
}

Test(config, what_yaml_has_and_a_configuration_does_not_need_is_refused)
{
	static const char deep[] = "plugins: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n";

	expect_bad("a: &x 1\nsocket: *x\n", "c.yaml:2: aliases are not taken");
	expect_bad("socket: !!str x\n", "c.yaml:1: tags are not taken");
	expect_bad("socket: x\n---\nsocket: y\n", "c.yaml:2: a second document");
	expect_bad(deep, "c.yaml:1: nested too deeply");
	expect_bad("socket: \"a\\0b\"\n", "c.yaml:1: socket: the text holds a zero byte");
	expect_bad("socket: \"a\\nb\"\n", "c.yaml:1: socket: 'a?b' holds a control character");
	expect_bad("{}\n{}\n", "c.yaml:2: not YAML: did not find expected <document start>");
	expect_bad("- 1\n", "c.yaml:1: a list where a group of keys is due");
}

Test(config, text_that_is_no_utf8_is_refused)
{
	expect_bad("socket: a\nlanes: \xff\xfe\n", "c.yaml:2: not UTF-8 text: invalid leading UTF-8 octet");
}

Test(config, one_entry_too_many)
{
	char text[4096];
	size_t n = (size_t)snprintf(text, sizeof(text), "lanes:\n");

	for (int i = 0; i <= CONFIG_LANES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "- {name: l%d, cpus: %d}\n", i, i);
	expect_bad(text, "c.yaml:2: lanes: 9 entries, at most 8 are possible");
}

/* ---- files ------------------------------------------------------------------------------------------- */

Test(config, fragments_replace_keys_and_entries_in_name_order)
{
	struct folder folder;
	struct config *config = NULL;

	folder_init(&folder);
	folder_write(&folder, "net", "x");
	folder_write(&folder, "conf.d/net2", "x");
	folder_write(&folder, "inferd.yaml",
		     "policy: {min_fps: 3}\nlimits: {streams_per_client: 4, clients_per_user: 5}\n"
		     "models: [{name: a, task: raw, top_k: 7, variants: [{name: v, file: net}]}]\n");
	folder_write(&folder, "conf.d/10-b.yaml",
		     "models: [{name: b, task: raw, variants: [{name: v, file: net2}]}]\n"
		     "limits: {clients_per_user: 6}\n");
	folder_write(&folder, "conf.d/20-a.yaml",
		     "policy: {min_fps: 1}\nmodels: [{name: a, task: embed, variants: [{name: w, file: net2}]}]\n");
	folder_write(&folder, "conf.d/30-no.txt", "this is: [not read\n");
	folder_write(&folder, "conf.d/.40-no.yaml", "this is: [not read\n");
	cr_assert_eq(folder_load(&folder, &config), 0, "%s", error.text);
	cr_assert_eq(config->n_models, 2);
	cr_assert_str_eq(config->models[0].name, "a");
	cr_assert_eq((int)config->models[0].task, (int)CONFIG_EMBED);
	cr_assert_eq(config->models[0].top_k, 5, "the whole entry is replaced");
	cr_assert_str_eq(config->models[0].variants[0].name, "w");
	cr_assert(strstr(config->models[0].variants[0].file, "/conf.d/net2"));
	cr_assert_eq(config->models[1].min_fps, 1);
	cr_assert_eq(config->limits.streams_per_client, 4);
	cr_assert_eq(config->limits.clients_per_user, 6);
	config_destroy(config);
	folder_finish(&folder);
}

Test(config, errors_name_the_fragment)
{
	struct folder folder;

	folder_init(&folder);
	folder_write(&folder, "inferd.yaml", "policy: {temp_high_c: 80}\n");
	folder_write(&folder, "conf.d/a.yaml", "\npolicy: {temp_critical_c: 70}\n");
	folder_expect_bad(&folder, -EINVAL,
			  "conf.d/a.yaml:2: policy.temp_high_c: 80 is not below temp_critical_c, which is 70");
	folder_write(&folder, "conf.d/a.yaml", "models: [{name: m, task: raw, variants: [{name: v, file: gone}]}]\n");
	cr_assert_eq(folder_load(&folder, &(struct config *){NULL}), -EINVAL);
	cr_assert(strstr(error.text, "conf.d/a.yaml:1: models[m].variants[v].file: ") && strstr(error.text, "gone"),
		  "%s", error.text);
	folder_finish(&folder);
}

Test(config, files_that_cannot_be_read)
{
	struct folder folder;
	char path[256];
	FILE *file;

	folder_init(&folder);
	folder_expect_bad(&folder, -ENOENT, "inferd.yaml: No such file or directory");
	snprintf(path, sizeof(path), "%s/inferd.yaml", folder.path);
	cr_assert_eq(mkdir(path, 0755), 0);
	folder_expect_bad(&folder, -EINVAL, "inferd.yaml: Is a directory");
	cr_assert_eq(rmdir(path), 0);
	cr_assert_eq(mkfifo(path, 0600), 0);
	folder_expect_bad(&folder, -EINVAL, "inferd.yaml: is not a regular file");
	cr_assert_eq(unlink(path), 0);
	file = fopen(path, "w");
	cr_assert_not_null(file);
	for (int i = 0; i < (1 << 20) + 1; i++)
		fputc('#', file);
	fclose(file);
	folder_expect_bad(&folder, -EFBIG, "inferd.yaml: File too large");
	folder_finish(&folder);
}

Test(config, shipped_file_is_good_and_says_the_defaults)
{
	struct config *shipped = NULL, *empty = load_good("");

	cr_assert_eq(config_load(INFERD_SHIPPED_CONFIG, &error, &shipped), 0, "%s", error.text);
	cr_assert_eq(memcmp(shipped, empty, sizeof(*empty)), 0);
	config_destroy(shipped);
	config_destroy(empty);
}
