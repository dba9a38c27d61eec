/* decide MODEL < EVENTS: lines "t x y polarity" (microseconds, pixels), in the order of time -> a decision
 * for every step of the model's window, from the votes of all steps so far. */
#include <inttypes.h>
#include <stdio.h>

#include "spikeloom/runtime/spikeloom.h"

static int fail(void) {
  fprintf(stderr, "decide: %s\n", spikeloom_last_error());
  return 1;
}

int main(int argc, char** argv) {
  spikeloom_model* model = NULL;
  spikeloom_session* session = NULL;
  int64_t t = 0, window = 0, end = -1;
  int x = 0, y = 0, polarity = 0, more = 1;
  if (argc != 2) {
    fprintf(stderr, "usage: decide MODEL < EVENTS\n");
    return 2;
  }
  if (spikeloom_abi_version() != SPIKELOOM_ABI_VERSION) {
    fprintf(stderr, "decide: built for another version of the library\n");
    return 2;
  }
  if (spikeloom_model_load(argv[1], &model) != SPIKELOOM_OK) return fail();
  if (spikeloom_session_new(model, &session) != SPIKELOOM_OK) return fail();
  window = spikeloom_model_window_us(model);
  if (window == 0) {
    fprintf(stderr, "decide: %s was not trained on windows of time\n", argv[1]);
    return 1;
  }
  while (more) {
    more = scanf("%" SCNd64 " %d %d %d", &t, &x, &y, &polarity) == 4;
    if (end < 0) end = t + window;
    while (!more || t >= end) {
      int best;
      if (spikeloom_session_end_step(session) != SPIKELOOM_OK) return fail();
      best = spikeloom_session_best(session);
      if (best < 0) {
        printf("%" PRId64 " no votes\n", end);
      } else {
        printf("%" PRId64 " %s %.4f\n", end, spikeloom_model_class_name(model, best),
               (double)spikeloom_session_votes(session)[best]);
      }
      end += window;
      if (!more) break;
    }
    if (more && spikeloom_session_add_event(session, x, y, polarity) != SPIKELOOM_OK) return fail();
  }
  spikeloom_session_free(session);
  spikeloom_model_free(model);
  return 0;
}
