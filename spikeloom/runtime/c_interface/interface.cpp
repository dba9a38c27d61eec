// The C interface: handles around Runnable and Runner; every exception becomes a status and a line of text.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "spikeloom/base/version.h"
#include "spikeloom/runtime/c_interface/failure.h"
#include "spikeloom/runtime/c_interface/runner.h"
#include "spikeloom/runtime/model_file.h"
#include "spikeloom/runtime/ranking.h"
#include "spikeloom/runtime/spikeloom.h"

struct spikeloom_model {
  std::unique_ptr<const spikeloom::runtime::Runnable> network;
};

struct spikeloom_session {
  explicit spikeloom_session(const spikeloom::runtime::Runnable& network)
      : runner(network.runner()),
        input(network.input),
        frame(static_cast<std::size_t>(input.size())),
        binary(network.is_binary) {}

  std::unique_ptr<spikeloom::runtime::Runner> runner;
  spikeloom::model::Shape input;
  std::vector<float> frame;  ///< events of the step that is being gathered
  bool binary;               ///< 1 where there was any event, instead of their number
  std::int64_t outside = 0;
};

namespace {

using spikeloom::exchange::NirOptions;
using spikeloom::runtime::empty_path;
using spikeloom::runtime::failed;
using spikeloom::runtime::guarded;
using spikeloom::runtime::last_error;
using spikeloom::runtime::null_argument;

// As the binning of the training counts: at most 255.
constexpr float kMostEvents = 255.0f;

constexpr const char* kPolarity = "the polarity of an event is 0 or 1";

bool takes_events(const spikeloom_session& session) { return session.input.channels <= 2; }

spikeloom_status no_events() noexcept {
  return failed(SPIKELOOM_ERROR_ARGUMENT, "the network takes colour images, not events");
}

void add_event(spikeloom_session& session, int x, int y, int polarity) noexcept {
  const auto& input = session.input;
  if (x < 0 || y < 0 || x >= input.width || y >= input.height) {
    ++session.outside;
    return;
  }
  const std::int64_t at = (y * input.width + x) * input.channels + (input.channels == 2 ? polarity : 0);
  float& cell = session.frame[static_cast<std::size_t>(at)];
  cell = std::min(cell + 1.0f, session.binary ? 1.0f : kMostEvents);
}

NirOptions graph_options(const spikeloom_graph_options& given) {
  if (given.size < sizeof(std::size_t)) {
    throw spikeloom::ConfigError("the options' size is not set: sizeof(spikeloom_graph_options)");
  }
  spikeloom_graph_options all{};
  if (given.size > sizeof(all)) {
    throw spikeloom::ConfigError("the options are of a later version than libspikeloom_runtime");
  }
  std::memcpy(&all, &given, given.size);
  NirOptions options;
  if (all.dt != 0.0) options.dt = all.dt;
  if (all.subtract != 0) options.reset = NirOptions::Reset::kSubtract;
  if (all.exponential != 0) options.method = NirOptions::Method::kExponential;
  options.several_spikes = all.several_spikes != 0;
  if (all.has_v_min != 0) {
    if (!std::isfinite(all.v_min)) throw spikeloom::ConfigError("v_min must be a finite number");
    options.v_min = all.v_min;
  }
  return options;
}

}  // namespace

extern "C" {

const char* spikeloom_version(void) { return spikeloom::kVersion; }
int spikeloom_abi_version(void) { return SPIKELOOM_ABI_VERSION; }
const char* spikeloom_last_error(void) { return last_error().c_str(); }

spikeloom_status spikeloom_model_load(const char* path, spikeloom_model** model) {
  if (model == nullptr) return null_argument();
  *model = nullptr;
  if (path == nullptr) return null_argument();
  if (*path == '\0') return empty_path();
  return guarded([&] {
    *model = new spikeloom_model{spikeloom::runtime::is_hdf5_file(path)
                                     ? spikeloom::runtime::runnable_graph(path, nullptr)
                                     : spikeloom::runtime::runnable_model(path)};
  });
}

spikeloom_status spikeloom_graph_load(const char* path, const spikeloom_graph_options* options,
                                      spikeloom_model** model) {
  if (model == nullptr) return null_argument();
  *model = nullptr;
  if (path == nullptr || options == nullptr) return null_argument();
  if (*path == '\0') return empty_path();
  return guarded([&] {
    const NirOptions how = graph_options(*options);
    std::error_code ignored;
    const bool is_there = std::filesystem::exists(path, ignored);
    if (is_there && !spikeloom::runtime::is_hdf5_file(path)) {
      throw spikeloom::DataError(std::string(path) +
                                 ": is no graph of NIR (an HDF5 file); how a graph is stepped is for graphs "
                                 "alone, a model file or a run is loaded without (spikeloom_model_load(), in "
                                 "Python without graph=)");
    }
    *model = new spikeloom_model{spikeloom::runtime::runnable_graph(path, &how)};
  });
}

void spikeloom_model_free(spikeloom_model* model) { delete model; }

int64_t spikeloom_model_channels(const spikeloom_model* model) {
  return model == nullptr ? 0 : model->network->input.channels;
}
int64_t spikeloom_model_height(const spikeloom_model* model) {
  return model == nullptr ? 0 : model->network->input.height;
}
int64_t spikeloom_model_width(const spikeloom_model* model) {
  return model == nullptr ? 0 : model->network->input.width;
}
int spikeloom_model_input_rank(const spikeloom_model* model) {
  return model == nullptr ? 0 : model->network->input_rank;
}
int spikeloom_model_num_classes(const spikeloom_model* model) {
  return model == nullptr ? 0 : model->network->num_classes;
}
int spikeloom_model_num_steps(const spikeloom_model* model) {
  return model == nullptr ? 0 : model->network->num_steps;
}
int64_t spikeloom_model_window_us(const spikeloom_model* model) {
  return model == nullptr ? 0 : model->network->window_us;
}

const char* spikeloom_model_class_name(const spikeloom_model* model, int index) {
  if (model == nullptr) return nullptr;
  const auto& names = model->network->class_names;
  if (index < 0 || index >= static_cast<int>(names.size())) return nullptr;
  return names[static_cast<std::size_t>(index)].c_str();
}

spikeloom_status spikeloom_session_new(const spikeloom_model* model, spikeloom_session** session) {
  if (session == nullptr) return null_argument();
  *session = nullptr;
  if (model == nullptr) return null_argument();
  return guarded([&] { *session = new spikeloom_session(*model->network); });
}

void spikeloom_session_free(spikeloom_session* session) { delete session; }

spikeloom_status spikeloom_session_reset(spikeloom_session* session) {
  if (session == nullptr) return null_argument();
  session->runner->reset();
  std::fill(session->frame.begin(), session->frame.end(), 0.0f);
  session->outside = 0;
  return SPIKELOOM_OK;
}

spikeloom_status spikeloom_session_step(spikeloom_session* session, const float* values, size_t count) {
  if (session == nullptr || values == nullptr) return null_argument();
  return guarded([&] { session->runner->step({values, count}); });
}

spikeloom_status spikeloom_session_run(spikeloom_session* session, const float* values, size_t count) {
  if (session == nullptr || values == nullptr) return null_argument();
  return guarded([&] { session->runner->run({values, count}); });
}

spikeloom_status spikeloom_session_add_event(spikeloom_session* session, int x, int y, int polarity) {
  if (session == nullptr) return null_argument();
  if (!takes_events(*session)) return no_events();
  if (polarity < 0 || polarity > 1) return failed(SPIKELOOM_ERROR_ARGUMENT, kPolarity);
  add_event(*session, x, y, polarity);
  return SPIKELOOM_OK;
}

spikeloom_status spikeloom_session_add_events(spikeloom_session* session, const spikeloom_event* events,
                                              size_t count) {
  if (session == nullptr || (events == nullptr && count > 0)) return null_argument();
  if (!takes_events(*session)) return no_events();
  const spikeloom_event* const end = events + count;
  if (std::any_of(events, end, [](const spikeloom_event& event) { return event.polarity > 1; })) {
    return failed(SPIKELOOM_ERROR_ARGUMENT, kPolarity);
  }
  std::for_each(events, end,
                [&](const spikeloom_event& event) { add_event(*session, event.x, event.y, event.polarity); });
  return SPIKELOOM_OK;
}

spikeloom_status spikeloom_session_end_step(spikeloom_session* session) {
  if (session == nullptr) return null_argument();
  const spikeloom_status status =
      spikeloom_session_step(session, session->frame.data(), session->frame.size());
  if (status == SPIKELOOM_OK) std::fill(session->frame.begin(), session->frame.end(), 0.0f);
  return status;
}

int64_t spikeloom_session_events_outside(const spikeloom_session* session) {
  return session == nullptr ? 0 : session->outside;
}
int64_t spikeloom_session_steps(const spikeloom_session* session) {
  return session == nullptr ? 0 : session->runner->steps();
}
const float* spikeloom_session_votes(const spikeloom_session* session) {
  return session == nullptr ? nullptr : session->runner->votes().data();
}
int spikeloom_session_best(const spikeloom_session* session) {
  return session == nullptr ? -1 : spikeloom::runtime::rank(session->runner->votes()).best;
}
int spikeloom_session_runner_up(const spikeloom_session* session) {
  return session == nullptr ? -1 : spikeloom::runtime::rank(session->runner->votes()).runner_up;
}

}  // extern "C"
