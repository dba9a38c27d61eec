/* replay MODEL RECORDING: a recording in any format that Spikeloom reads -> a decision for every step of the
 * model's window, from the votes of all steps so far. */
#include <inttypes.h>
#include <stdio.h>

#include "spikeloom/runtime/events/spikeloom_events.h"
#include "spikeloom/runtime/spikeloom.h"

static int fail(const char* text) {
  fprintf(stderr, "replay: %s\n", text);
  return 1;
}

/* Ends the step before `end` and prints what the network says now. */
static int decide(const spikeloom_model* model, spikeloom_session* session, int64_t end) {
  int best;
  if (spikeloom_session_end_step(session) != SPIKELOOM_OK) return fail(spikeloom_last_error());
  best = spikeloom_session_best(session);
  if (best < 0) {
    printf("%" PRId64 " no votes\n", end);
  } else {
    printf("%" PRId64 " %s %.4f\n", end, spikeloom_model_class_name(model, best),
           (double)spikeloom_session_votes(session)[best]);
  }
  return 0;
}

int main(int argc, char** argv) {
  static spikeloom_event events[4096];
  spikeloom_model* model = NULL;
  spikeloom_session* session = NULL;
  spikeloom_event_reader* reader = NULL;
  spikeloom_event_options options = {0};
  int64_t window = 0, end = -1;
  size_t count = 0, i = 0;
  int width = 0, height = 0;
  options.size = sizeof(options);
  if (argc != 3) {
    fprintf(stderr, "usage: replay MODEL RECORDING\n");
    return 2;
  }
  if (spikeloom_abi_version() != SPIKELOOM_ABI_VERSION ||
      spikeloom_events_abi_version() != SPIKELOOM_EVENTS_ABI_VERSION) {
    return fail("built for another version of the libraries");
  }
  if (spikeloom_model_load(argv[1], &model) != SPIKELOOM_OK) return fail(spikeloom_last_error());
  if (spikeloom_session_new(model, &session) != SPIKELOOM_OK) return fail(spikeloom_last_error());
  window = spikeloom_model_window_us(model);
  if (window == 0) return fail("the model was not trained on windows of time");
  width = (int)spikeloom_model_width(model);
  height = (int)spikeloom_model_height(model);
  options.drop_outside = 1;
  /* What the recording says of its sensor counts; a size in the options would stand before it. */
  if (spikeloom_events_open(argv[2], &options, &reader) == SPIKELOOM_OK &&
      spikeloom_events_width(reader) > 0) {
    if (spikeloom_events_width(reader) != width || spikeloom_events_height(reader) != height) {
      fprintf(stderr, "replay: %s: a sensor of %d x %d, the model takes %d x %d\n", argv[2],
              spikeloom_events_width(reader), spikeloom_events_height(reader), width, height);
      return 1;
    }
  } else { /* it says none, or can only be read with one */
    spikeloom_events_free(reader);
    options.width = width;
    options.height = height;
    if (spikeloom_events_open(argv[2], &options, &reader) != SPIKELOOM_OK) {
      return fail(spikeloom_events_last_error());
    }
  }
  do {
    if (spikeloom_events_read(reader, events, sizeof(events) / sizeof(events[0]), &count) != SPIKELOOM_OK) {
      return fail(spikeloom_events_last_error());
    }
    for (i = 0; i < count; ++i) {
      if (end < 0) end = events[i].t_us + window;
      for (; events[i].t_us >= end; end += window) {
        if (decide(model, session, end) != 0) return 1;
      }
      if (spikeloom_session_add_events(session, &events[i], 1) != SPIKELOOM_OK) {
        return fail(spikeloom_last_error());
      }
    }
  } while (count > 0);
  if (end >= 0 && decide(model, session, end) != 0) return 1;
  if (spikeloom_events_dropped(reader) > 0) {
    fprintf(stderr, "replay: %" PRId64 " events lay outside of the frame\n",
            spikeloom_events_dropped(reader));
  }
  spikeloom_events_free(reader);
  spikeloom_session_free(session);
  spikeloom_model_free(model);
  return 0;
}
