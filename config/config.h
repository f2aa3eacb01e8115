/*
 * config.h - what the owner of the device asked for: plain values, checked.
 *
 * Reads /etc/inferd/inferd.yaml and then conf.d/<name>.yaml beside it in name order (a later file replaces a
 * key, and a list entry of the same name).  One table maps keys to types, ranges and places.  Unknown
 * keys, wrong types, values out of range and references to what does not exist are errors that name
 * file, line and key.  All or nothing: a struct config is whole or not made.
 *
 * A struct config is immutable after config_load() and may be read by any thread.
 */
#ifndef INFERD_CONFIG_H
#define INFERD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONFIG_LANES_MAX    8
#define CONFIG_CPUS_MAX	    64
#define CONFIG_MODELS_MAX   64
#define CONFIG_VARIANTS_MAX 16
#define CONFIG_STAGES	    2 /* of a pipeline: a detector and what looks at its places */
#define CONFIG_PLACES_MAX   6 /* that a pipeline looks at in a frame */
#define CONFIG_INPUTS_MAX   8
#define CONFIG_PEERS_MAX    8
#define CONFIG_NAME_BYTES   64 /* with the final zero; [A-Za-z0-9._-]+ */
#define CONFIG_PATH_BYTES   1024
#define CONFIG_PLUGINS_MAX  16

enum config_task { CONFIG_CLASSIFY, CONFIG_DETECT, CONFIG_LANDMARKS, CONFIG_SEGMENT, CONFIG_EMBED, CONFIG_RAW };
/* How a detector's outputs are decoded; daemon/detect.h says what each is. */
enum config_detector {
	CONFIG_DETECTOR_NONE,
	CONFIG_BLAZEFACE,
	CONFIG_PALM,
	CONFIG_POSE_DETECTOR,
	CONFIG_RFB,
	CONFIG_CORNERS,
	CONFIG_NANODET,
	CONFIG_SSD,
	CONFIG_SSD_ANCHORS
};
enum config_landmarks { CONFIG_LANDMARKS_NONE, CONFIG_HAND, CONFIG_FACE, CONFIG_POSE };
enum config_priority { CONFIG_LOW, CONFIG_NORMAL, CONFIG_HIGH };
enum config_sampling { CONFIG_SAMPLING_AREA, CONFIG_SAMPLING_POINT };
enum config_fit { CONFIG_FIT_STRETCH, CONFIG_FIT_CROP, CONFIG_FIT_LETTERBOX };

struct config_lane {
	char name[CONFIG_NAME_BYTES];
	int cpus[CONFIG_CPUS_MAX]; /* "4-7" or "0,2-3" or a list */
	int n_cpus;
	int threads; /* 1..64; default n_cpus */
};

struct config_variant {
	char name[CONFIG_NAME_BYTES];
	char file[CONFIG_PATH_BYTES]; /* absolute; a relative one is resolved against the file that names it */
	float accuracy;		      /* 0..1, at the network's own size in colour; default 0.5 */
	float sure, maybe;	      /* 0: those of the model's gallery */
	bool half_arithmetic;	      /* multiply in float16 where the processor has that; default false */
};

struct config_preprocess {
	enum config_fit fit;	       /* default stretch */
	enum config_sampling sampling; /* default area */
	float crop;		       /* fit: crop; 0 < crop <= 1; default 1 */
	bool bgr;		       /* order: rgb (default) | bgr */
	bool given;		       /* mean or scale was given */
	float mean[3];		       /* default 0 */
	float scale[3];		       /* default 1; one number stands for three */
	uint8_t pad[3];		       /* letterbox colour; default 0 */
};

/* Of detectors and landmark networks. */
struct config_decode {
	enum config_detector detector;	 /* task detect has one, no other does */
	enum config_landmarks landmarks; /* task landmarks likewise */
	bool gestures;			 /* landmarks of a hand: what it shows; default false */
	float score_min;		 /* 0..1; default 0.5, of nanodet 0.4, of rfb and corners 0.7 */
	float iou_max;			 /* 0..1: boxes that overlap more are one thing; default 0.3, of nanodet 0.5 */
	int max_results;		 /* 1..512; default 100; of a pipeline 1..6, default 1 */
};

/* How frames are told from a gallery; docs/gallery.md.  Scores are cosines. */
struct config_gallery {
	float sure, maybe; /* default 0.85 and 0.75; maybe < sure */
	/* Of the first name over the second, in units of sure - maybe: to be named, and for `sure`; default 0.25. */
	float maybe_lead, lead;
	float window_s; /* default 2 */
};

struct config_model {
	char name[CONFIG_NAME_BYTES];
	/*
	 * Names of a detector and a landmarks model of the configuration; "" for a model that is no pipeline.  A
	 * pipeline has no network of its own: task landmarks, no variants.
	 */
	char stages[CONFIG_STAGES][CONFIG_NAME_BYTES];
	bool smooth; /* of a pipeline that follows bodies: their points from frame to frame; default true */
	enum config_task task;
	char labels[CONFIG_PATH_BYTES]; /* one label a line; "" none */
	int top_k;			/* 1..1000, default 5 */
	int deadline_ms;		/* 1..60000, default 200 */
	float weight;			/* > 0, default 1 */
	float min_fps;			/* >= 0; default policy.min_fps */
	enum config_priority priority;	/* default normal */
	/* Who may use it: names or numbers; both empty: everybody who can connect.  The superuser always may. */
	char users[CONFIG_PEERS_MAX][CONFIG_NAME_BYTES], groups[CONFIG_PEERS_MAX][CONFIG_NAME_BYTES];
	int n_users, n_groups;
	struct config_variant *variants;
	int n_variants; /* at least 1; 0 of a pipeline */
	struct config_preprocess preprocess;
	struct config_decode decode;
	struct config_gallery gallery; /* task embed */
	int inputs[CONFIG_INPUTS_MAX]; /* extra input sizes (width = height), 16..4096; 0 entries: own size only */
	int n_inputs;
	bool gray;
};

struct config_limits {
	int streams_per_client;	    /* default 8 */
	int pool_mb_per_client;	    /* default 64 */
	int clients_per_user;	    /* default 16 */
	int connections_per_second; /* new ones of a user; default 50 */
	int messages_per_second;    /* of a client; default 4000 */
	int gallery_mb;		    /* of all galleries on disk; default 512 */
	int unread_seconds;	    /* how long a client may leave its answers unread; default 10 */
};

struct config_policy {
	float temp_high_c, temp_critical_c; /* default 75, 90; high < critical */
	float min_fps;			    /* default 2 */
	char version[CONFIG_NAME_BYTES];    /* of these values, for the record; default "default" */
	/* What they mean, their ranges and defaults: policy/params.h, docs/policy.md. */
	float miss_target, miss_price, bound_share, stay_gain, horizon_frames, up_dwell_s, up_dwell_max_s,
		changes_per_min, switch_price, explore_frames, energy_price, heat_price, battery_low, battery_price,
		blur_price, still_motion, cap_share, prior_spread, rung_spread;
	bool scene;  /* look at pictures for motion and blur; default true */
	bool uclamp; /* ask the kernel for high clocks while lanes run; default off */
};

struct config {
	char socket[CONFIG_PATH_BYTES]; /* default /run/inferd/inferd.sock */
	char group[CONFIG_NAME_BYTES];	/* of the socket; "" leaves it */
	mode_t mode;			/* of the socket; default 0660 */
	struct config_lane *lanes;	/* none: one lane for each kind of core, found by the daemon */
	int n_lanes;
	int memory_budget_mb; /* default 256 */
	int converted_mb;     /* of networks kept converted on disk; 0: none (default) */
	struct config_limits limits;
	char plugins[CONFIG_PLUGINS_MAX][CONFIG_PATH_BYTES]; /* shared objects with operators of one's own */
	int n_plugins;
	struct config_model *models;
	int n_models;
	struct {
		bool enabled;		       /* default false */
		int limit_mb;		       /* of what is kept on disk; default 64 */
		int flush_s;		       /* how much may be lost with the power; default 60 */
		char trace[CONFIG_PATH_BYTES]; /* "" none (default), "on": in the state's folder, or a path */
	} record;
	struct config_policy policy;
};

struct config_error {
	char text[512]; /* "FILE:LINE: KEY: what is wrong", one line */
};

/*
 * Loads path and conf.d beside it.  0; -EINVAL for content, -ENOENT, -EACCES, -EIO, -ENOMEM, -EFBIG (over
 * 1 MiB a file) otherwise, with ret_error filled (may be NULL).  The files named in it (networks, labels)
 * are checked for being readable.
 */
int config_load(const char *path, struct config_error *ret_error, struct config **ret_config);

/* The same from text, without conf.d; name stands for the file in errors, dir resolves relative paths. */
int config_load_text(const char *name, const char *dir, const char *text, size_t size, struct config_error *ret_error,
		     struct config **ret_config);

/*
 * A configuration with the models of a file over those of base, and one without a model of base.  The file comes as a
 * descriptor (borrowed; a regular file) and may hold nothing but `models`; relative paths are resolved against where it
 * lies.  only_new: each of them must be new; otherwise each must replace one.  -EEXIST, -ENOENT; otherwise as
 * config_load().
 */
int config_with_models_fd(const struct config *base, int fd, bool only_new, struct config_error *ret_error,
			  struct config **ret_config);
int config_without_model(const struct config *base, const char *model, struct config_error *ret_error,
			 struct config **ret_config);

void config_destroy(struct config *config); /* accepts NULL */

static inline bool config_is_pipeline(const struct config_model *model)
{
	return model->stages[0][0] != '\0';
}

/* NULL: none of this name. */
const struct config_model *config_find_model(const struct config *config, const char *name);

#endif
