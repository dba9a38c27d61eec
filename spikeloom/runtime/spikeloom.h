#pragma once
/* Spikeloom's runtime for C and whatever calls C: trained networks in, votes out.
 *
 * No exception leaves it, nothing is printed. A function that can fail returns a status; the text of the last
 * failure of the calling thread is spikeloom_last_error(). Models never change and may be used by any number
 * of threads; a session by one thread at a time. Values are floats in memory order [height, width, channels].
 * A function that returns no status takes a null handle too: it gives 0, a null pointer, of best and
 * runner_up -1.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SPIKELOOM_API __attribute__((visibility("default")))
#else
#define SPIKELOOM_API
#endif

/* Grows when a function changes or goes; new functions leave it as it is. */
#define SPIKELOOM_ABI_VERSION 1

typedef enum spikeloom_status {
  SPIKELOOM_OK = 0,
  SPIKELOOM_ERROR_ARGUMENT = 1, /* a null pointer, a number of values or an option that does not fit */
  SPIKELOOM_ERROR_FILE = 2,     /* a file that cannot be read, is damaged, or is no model */
  SPIKELOOM_ERROR_NUMBERS = 3,  /* values or votes that are not finite */
  SPIKELOOM_ERROR_OTHER = 4     /* memory, for example */
} spikeloom_status;

/* A brightness change that a camera saw, in 16 bytes. */
typedef struct spikeloom_event {
  int64_t t_us;     /* microseconds; only differences mean something */
  uint16_t x, y;    /* pixel */
  uint8_t polarity; /* 0 darker, 1 brighter */
} spikeloom_event;

typedef struct spikeloom_model spikeloom_model;
typedef struct spikeloom_session spikeloom_session;

/* "0.1.0", and the ABI version of the library that is loaded. */
SPIKELOOM_API const char* spikeloom_version(void);
SPIKELOOM_API int spikeloom_abi_version(void);

/* One line; "" if nothing failed. Valid until the thread's next call that fails. */
SPIKELOOM_API const char* spikeloom_last_error(void);

/* Reads a model file, a checkpoint, the kept model of a run folder, or a graph of NIR, which is detected from
 * its content and read by libspikeloom_events: that has to be installed too. What a graph does not store is
 * taken from its metadata ("dt", "reset", "steps", as `spikeloom export` writes them), else a step is 1 ms, a
 * spike sets v to v_reset, v leaks by forward Euler; a dt or reset there that has no meaning is an error.
 * Graphs run in double, and not as fast as models. *model is null where it fails. */
SPIKELOOM_API spikeloom_status spikeloom_model_load(const char* path, spikeloom_model** model);

/* How a graph of NIR is stepped (docs/nir.md). A member that is 0 has its default. */
typedef struct spikeloom_graph_options {
  size_t size;        /* sizeof(spikeloom_graph_options) */
  double dt;          /* seconds a step; 0: 0.001 */
  int subtract;       /* a spike subtracts v_threshold from v, instead of setting v to v_reset */
  int exponential;    /* v leaks by the exponential of a step, instead of forward Euler */
  int several_spikes; /* a neuron fires as often in a step as v reaches v_threshold */
  int has_v_min;      /* v is at least v_min, a finite number */
  double v_min;
} spikeloom_graph_options;
/* The same for a graph alone, stepped as the options say; of its metadata only "steps" and "input" count. */
SPIKELOOM_API spikeloom_status spikeloom_graph_load(const char* path, const spikeloom_graph_options* options,
                                                    spikeloom_model** model);
/* Sessions that were made of it go on. Null is allowed. */
SPIKELOOM_API void spikeloom_model_free(spikeloom_model* model);

SPIKELOOM_API int64_t spikeloom_model_channels(const spikeloom_model* model);
SPIKELOOM_API int64_t spikeloom_model_height(const spikeloom_model* model);
SPIKELOOM_API int64_t spikeloom_model_width(const spikeloom_model* model);
/* Dimensions of what the network takes. 3: frames. Graphs of NIR may take fewer; a step of values has the
 * same memory order. 2: [channels, length], given as frames of one row: [length, channels]. 1: [channels],
 * one pixel. */
SPIKELOOM_API int spikeloom_model_input_rank(const spikeloom_model* model);
SPIKELOOM_API int spikeloom_model_num_classes(const spikeloom_model* model);
/* Steps of a sample of the training; 0 where a graph does not say it. */
SPIKELOOM_API int spikeloom_model_num_steps(const spikeloom_model* model);
/* Length of a step of the training, or of a graph's, in microseconds; 0 where it is none: still images, other
 * ways of slicing. */
SPIKELOOM_API int64_t spikeloom_model_window_us(const spikeloom_model* model);
/* Valid as long as the model; null outside of 0 .. num_classes - 1. */
SPIKELOOM_API const char* spikeloom_model_class_name(const spikeloom_model* model, int index);

SPIKELOOM_API spikeloom_status spikeloom_session_new(const spikeloom_model* model,
                                                     spikeloom_session** session);
/* Null is allowed. */
SPIKELOOM_API void spikeloom_session_free(spikeloom_session* session);
/* Back to the beginning: all state and votes are 0. */
SPIKELOOM_API spikeloom_status spikeloom_session_reset(spikeloom_session* session);

/* One step of `count` = height * width * channels values: pixel values, or counts of events. Where it fails,
 * the state is as it was; where the votes are not finite (SPIKELOOM_ERROR_NUMBERS), reset the session. */
SPIKELOOM_API spikeloom_status spikeloom_session_step(spikeloom_session* session, const float* values,
                                                      size_t count);
/* From a reset on, a whole sample: [steps, height, width, channels], or one step, a still image, which is
 * shown for the steps of the training (of a graph that does not say them: for one). */
SPIKELOOM_API spikeloom_status spikeloom_session_run(spikeloom_session* session, const float* values,
                                                     size_t count);

/* Adds one event to the step that is being gathered. Those that lie outside of the frame are counted, not
 * added. x and y: pixels of the frame that the network takes. polarity: 0 or 1. */
SPIKELOOM_API spikeloom_status spikeloom_session_add_event(spikeloom_session* session, int x, int y,
                                                           int polarity);
/* The same for an array of them, whose times are not read. Where it fails nothing was added. */
SPIKELOOM_API spikeloom_status spikeloom_session_add_events(spikeloom_session* session,
                                                            const spikeloom_event* events, size_t count);
/* Runs the step of the events that were added since the last one; there may be none. */
SPIKELOOM_API spikeloom_status spikeloom_session_end_step(spikeloom_session* session);
SPIKELOOM_API int64_t spikeloom_session_events_outside(const spikeloom_session* session);

/* Steps since the last reset. */
SPIKELOOM_API int64_t spikeloom_session_steps(const spikeloom_session* session);
/* Votes of each class [num_classes] over these steps; valid until the session's next call. */
SPIKELOOM_API const float* spikeloom_session_votes(const spikeloom_session* session);
/* The class with the highest vote, of equal ones the lowest; -1 where all votes are 0, so that no class has
 * said anything: before the first step, and as long as no voting neuron has fired. And the best of the
 * others, -1 where there is none or no best one. */
SPIKELOOM_API int spikeloom_session_best(const spikeloom_session* session);
SPIKELOOM_API int spikeloom_session_runner_up(const spikeloom_session* session);

#ifdef __cplusplus
}
#endif
