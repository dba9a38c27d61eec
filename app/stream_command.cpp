#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/event_file_options.h"
#include "app/nir_options.h"
#include "app/output.h"
#include "app/stop_signals.h"
#include "app/stoppable_output.h"
#include "app/votes.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/data/verify.h"
#include "spikeloom/events/binning.h"
#include "spikeloom/events/transforms/chain.h"
#include "spikeloom/formats/nir/read.h"
#include "spikeloom/runtime/model_file.h"
#include "spikeloom/stream/live_stream.h"

namespace spikeloom::app {
namespace {

constexpr int kNirWindowSteps = 100;

struct StreamOptions {
  std::string model, source, speed = "1", when_full;
  std::int64_t step_us = 0, window_steps = 0, every_steps = 0, gap_ms = 1000, idle_ms = 1000;
  std::int64_t queue_events = std::int64_t{1} << 18, decisions = 0;
  bool carry = false, json = false;
  EventFileOptions recording;
  NirStepOptions nir;
  std::vector<const CLI::Option*> of_nir, of_models;
  std::vector<const CLI::Option*> not_of_pipes, not_of_datagrams;  ///< what does not apply to them
};

/// A network, and what it was trained to see of events.
struct Trained {
  std::string path;
  std::unique_ptr<runtime::Classifier> network;
  std::vector<std::string> classes;
  stream::DeciderSettings settings;
  int sensor_width = 0, sensor_height = 0;  ///< of the training's set, else what fits the network
  std::string warning;                      ///< what was taken, as a graph does not say it
};

Trained open_graph(const StreamOptions& options) {
  const auto graph = formats::read_nir(options.model);
  const NirStepOptions how = options.nir.settled(graph, options.model);
  Trained trained;
  trained.path = options.model;
  exchange::NirSimulator simulator = how.simulator(graph, options.model);
  check_takes_events(options.model, graph, simulator.input_shape());
  trained.network = runtime::make_classifier(std::move(simulator));
  for (std::size_t k = 0; k < trained.network->sums().size(); ++k) {
    trained.classes.push_back(std::to_string(k));
  }
  trained.settings.step_us = how.bin_us;
  trained.settings.window_steps = how.trained_steps > 0 ? how.trained_steps : kNirWindowSteps;
  trained.warning = how.warning(graph);
  return trained;
}

Trained open_model(const StreamOptions& options) {
  const runtime::Model model = runtime::load_model(options.model);
  const auto& data = model.info.recipe.data;
  const data::DatasetInfo& info = data::dataset_info(data.dataset);
  if (!info.is_recordings) {
    throw ConfigError(fmt::format("{}: was trained on images of '{}', not on events: spikeloom predict",
                                  model.path, data.dataset));
  }
  if (const auto fixed = events::TransformChain(data.transforms).fixed_text(); !fixed.empty()) {
    throw ConfigError(
        fmt::format("{}: its recordings went through data.transforms ({}), which need whole recordings: "
                    "spikeloom predict",
                    model.path, fixed));
  }
  const bool has_step = data.slicing == data::Slicing::kWindow && data.overlap_us == 0;
  if (!has_step && options.step_us == 0) {
    throw ConfigError(fmt::format(
        "{}: its recordings were not cut into steps of a fixed time (data.slicing, data.overlap_us): say how "
        "long a step is with --step-us",
        model.path));
  }
  Trained trained;
  trained.path = model.path;
  trained.network = runtime::make_classifier(model.network);
  trained.classes = model.info.class_names;
  trained.settings.step_us = options.step_us > 0 ? options.step_us : data.window_us;
  trained.settings.window_steps = model.info.recipe.network.num_steps;
  trained.settings.downsample = data.downsample;
  trained.settings.stride_downsampling = data.downsampling == data::Downsampling::kStride;
  trained.settings.binary = data.binary_bins;
  trained.sensor_width = info.sensor_width;
  trained.sensor_height = info.sensor_height;
  return trained;
}

Trained open_network(const StreamOptions& options) {
  Trained trained = is_nir_file(options.model) ? open_graph(options) : open_model(options);
  stream::DeciderSettings& settings = trained.settings;
  if (options.window_steps > 0) settings.window_steps = options.window_steps;
  settings.every_steps = options.every_steps > 0 ? options.every_steps : settings.window_steps;
  settings.carries_state = options.carry;
  settings.gap_us = std::max(1000 * options.gap_ms, settings.window_steps * settings.step_us);
  if (trained.sensor_width == 0) {
    const model::Shape input = trained.network->input();
    trained.sensor_width = static_cast<int>(input.width * settings.downsample);
    trained.sensor_height = static_cast<int>(input.height * settings.downsample);
  }
  return trained;
}

/// Throws DataError, with the sensor that would fit, for one whose frames are not the network's.
stream::SensorCheck sensor_check(const Trained& trained, const std::string& source) {
  const model::Shape input = trained.network->input();
  events::Binning binning;
  binning.downsample = trained.settings.downsample;
  const std::string fitting = fmt::format("{} x {}", trained.sensor_width, trained.sensor_height);
  return [=](int width, int height) {
    const std::int64_t frame_width = events::binned_width(width, binning),
                       frame_height = events::binned_width(height, binning);
    if (frame_width == input.width && frame_height == input.height) return;
    throw DataError(fmt::format(
        "{}: its sensor of {} x {} pixels gives frames of {} x {}, the network takes {} x {}: a sensor of {} "
        "would fit",
        source, width, height, frame_width, frame_height, input.width, input.height, fitting));
  };
}

bool is_udp(const std::string& source) { return source.compare(0, 4, "udp:") == 0; }

bool is_pipe(const std::string& source) {
  if (source == "-") return true;
  struct stat status {};
  return ::stat(source.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

struct OpenedSource {
  std::unique_ptr<stream::LiveSource> source;
  bool waits = true;  ///< the source can be kept waiting
};

double speed_of(const std::string& text) {
  if (text == "max") return 0.0;
  char* end = nullptr;
  const double speed = std::strtod(text.c_str(), &end);
  if (*end != '\0' || text.empty() || !(speed >= 1e-3 && speed <= 1e6)) {
    throw ConfigError(fmt::format("--speed {}: a number of 0.001 to 1000000, or max", text));
  }
  return speed;
}

stream::PipeOptions pipe_options(const formats::EventReaderOptions& reader) {
  stream::PipeOptions pipe;
  if (reader.format == "packed") pipe.format = stream::PipeOptions::Format::kPacked;
  if (reader.format == "csv") pipe.format = stream::PipeOptions::Format::kCsv;
  if (pipe.format == stream::PipeOptions::Format::kAuto && reader.format != "auto") {
    throw ConfigError(fmt::format("--format {}: what comes through a pipe is packed or csv", reader.format));
  }
  if (!reader.columns.empty()) {
    if (pipe.format == stream::PipeOptions::Format::kPacked) {
      throw ConfigError("--columns does not apply to packed events; leave it out");
    }
    pipe.columns = reader.columns;
  }
  if (reader.time_unit != formats::TimeUnit::kFile && reader.time_unit != formats::TimeUnit::kMicroseconds) {
    throw ConfigError("--time-unit: times that come through a pipe are microseconds");
  }
  return pipe;
}

/// Before anything is read: options that are wrong, or that would be passed over.
void check_options(const StreamOptions& options) {
  const bool is_graph = is_nir_file(options.model);
  if (is_graph && options.step_us > 0) {
    throw ConfigError("--step-us does not apply to a NIR graph: --bin-us gives the length of its steps");
  }
  if (!is_graph && options.nir.bin_us > 0) {
    throw ConfigError(
        "--bin-us does not apply to a model of Spikeloom: --step-us gives the length of its steps");
  }
  if (options.nir.time_origin == "zero") {
    throw ConfigError(
        "--time-origin does not apply to live events, which have no clock of their own; leave it out");
  }
  if (is_graph) {
    refuse_given(options.of_models, "a NIR graph");
  } else {
    refuse_given(options.of_nir, "a model of Spikeloom");
  }
  const formats::EventReaderOptions reader = options.recording.reader_options();
  if (is_udp(options.source)) {
    refuse_given(options.not_of_datagrams, "datagrams");
  } else if (is_pipe(options.source)) {
    refuse_given(options.not_of_pipes, "what comes through a pipe");
    pipe_options(reader);
    if (options.source == "-" && ::isatty(STDIN_FILENO) == 1) {
      throw ConfigError("standard input is a terminal: pipe events into it (docs/stream.md has the formats)");
    }
  } else {
    speed_of(options.speed);
  }
}

OpenedSource open_source(const StreamOptions& options, const Trained& trained) {
  const stream::SensorCheck check =
      sensor_check(trained, options.source == "-" ? "standard input" : options.source);
  formats::EventReaderOptions reader = options.recording.reader_options();
  if (reader.width > 0 && reader.height > 0) check(reader.width, reader.height);
  if (is_udp(options.source)) return {stream::datagram_source(options.source.substr(4)), false};
  if (is_pipe(options.source))
    return {stream::pipe_source(options.source, pipe_options(reader), check), true};
  const double speed = speed_of(options.speed);
  if (reader.width == 0 || reader.height == 0) {
    // What a file says of its sensor counts; the training's stands in for files that say nothing.
    const events::SensorSize own = formats::stated_sensor(options.source, reader);
    if (own.width > 0 && own.height > 0) check(own.width, own.height);
    reader.width = own.width > 0 ? own.width : trained.sensor_width;
    reader.height = own.height > 0 ? own.height : trained.sensor_height;
  }
  reader.drop_outside = true;
  return {stream::recording_source(options.source, reader, speed, check), speed == 0.0};
}

std::string json_line(const nlohmann::ordered_json& json) {
  return json_text(json, -1, BadText::kReplace) + "\n";
}

nlohmann::ordered_json to_json(const stream::LiveDecision& live, const std::vector<std::string>& classes) {
  const stream::Decision& decision = *live.decision;
  nlohmann::ordered_json json = {{"start_us", decision.start_us}, {"end_us", decision.end_us}};
  json.update(ranked_json({decision.votes, decision.best, decision.runner_up}, classes));
  json["events"] = decision.events;
  json["latency_us"] = 1e-3 * static_cast<double>(live.latency_ns);
  json["late"] = live.late;
  json["dropped"] = live.dropped;
  return json;
}

std::string to_text(const stream::LiveDecision& live, const std::vector<std::string>& classes) {
  const stream::Decision& decision = *live.decision;
  const auto said = [&](int k) {
    return fmt::format("{} {}", classes[static_cast<std::size_t>(k)], vote_text(decision.votes, k));
  };
  std::string text = fmt::format("{:12.3f} ms  {}", 1e-3 * static_cast<double>(decision.end_us),
                                 decision.best < 0 ? kNoVotes : said(decision.best));
  if (decision.runner_up >= 0) text += fmt::format("  ({})", said(decision.runner_up));
  text += fmt::format("  {}  latency {:.3f} ms", counted(decision.events, "event"),
                      1e-6 * static_cast<double>(live.latency_ns));
  if (live.dropped > 0) text += fmt::format("  {} dropped so far", with_separators(live.dropped));
  return one_line(text);
}

/// Events that were read: those that a recording's reader left out are among them.
std::int64_t events_of(const stream::LiveSummary& summary, const stream::LiveSource& source) {
  return summary.received + source.left_out();
}

double rate_of(const stream::LiveSummary& summary, const stream::LiveSource& source) {
  return summary.seconds > 0.0 ? static_cast<double>(events_of(summary, source)) / summary.seconds : 0.0;
}

std::string summary_json(const stream::LiveSummary& summary, const stream::LiveSource& source) {
  nlohmann::ordered_json json = {{"source", source.name()},
                                 {"stopped", summary.was_stopped},
                                 {"seconds", summary.seconds},
                                 {"events", events_of(summary, source)},
                                 {"events_per_s", rate_of(summary, source)},
                                 {"binned", summary.binned},
                                 {"late", summary.late},
                                 {"dropped", summary.dropped},
                                 {"left_in_queue", summary.left_in_queue},
                                 {"outside", summary.outside + source.left_out()},
                                 {"out_of_range", summary.out_of_range},
                                 {"restarts", summary.restarts},
                                 {"steps", summary.steps},
                                 {"decisions", summary.decisions},
                                 {"latency_p50_us", summary.latency.quantile_us(0.5)},
                                 {"latency_p99_us", summary.latency.quantile_us(0.99)},
                                 {"synaptic_operations", summary.synaptic_operations}};
  if (const stream::DatagramCounts* datagrams = source.datagrams()) {
    json["datagrams"] = {{"received", datagrams->received}, {"malformed", datagrams->malformed},
                         {"lost", datagrams->lost},         {"out_of_order", datagrams->out_of_order},
                         {"repeated", datagrams->repeated}, {"restarts", datagrams->restarts},
                         {"senders", datagrams->senders}};
  }
  return json_line({{"summary", json}});
}

std::string summary_text(const stream::LiveSummary& summary, const stream::LiveSource& source) {
  const auto part = [](std::int64_t count, const char* what) {
    return count == 0 ? std::string() : fmt::format(", {} {}", with_separators(count), what);
  };
  std::string text =
      fmt::format("events     {} in {:.2f} s ({:.0f} a second)\n",
                  with_separators(events_of(summary, source)), summary.seconds, rate_of(summary, source));
  text += fmt::format("left out   {} late, {} dropped, {} outside of the frame{}{}; {}\n",
                      with_separators(summary.late), with_separators(summary.dropped),
                      with_separators(summary.outside + source.left_out()),
                      part(summary.out_of_range, "with a time out of range (beyond 2^61 us)"),
                      part(summary.left_in_queue, "left in the queue"),
                      counted(static_cast<std::int64_t>(summary.restarts), "new start"));
  if (const stream::DatagramCounts* datagrams = source.datagrams()) {
    text +=
        fmt::format("datagrams  {} received, {} malformed, {} lost, {} out of order, {} repeated; {}, {}\n",
                    with_separators(datagrams->received), with_separators(datagrams->malformed),
                    with_separators(datagrams->lost), with_separators(datagrams->out_of_order),
                    with_separators(datagrams->repeated), counted(datagrams->senders, "sender"),
                    counted(datagrams->restarts, "restart"));
  }
  text += fmt::format("network    {}, {} synaptic {}\n", counted(summary.steps, "step"),
                      with_prefix(static_cast<double>(summary.synaptic_operations)),
                      noun_for(summary.synaptic_operations, "operation"));
  text +=
      fmt::format("decisions  {}; latency p50 {:.3f} ms, p99 {:.3f} ms\n", with_separators(summary.decisions),
                  1e-3 * summary.latency.quantile_us(0.5), 1e-3 * summary.latency.quantile_us(0.99));
  return text;
}

std::string plan_text(const std::string& source, const stream::DeciderSettings& settings) {
  const bool tumbling = settings.every_steps == settings.window_steps;
  const char* const kind = settings.carries_state ? "one state through" : tumbling ? "tumbling" : "sliding";
  return one_line(
      fmt::format("{}: steps of {} us, {} windows of {}{}", source, settings.step_us, kind,
                  counted(settings.window_steps, "step"),
                  tumbling ? std::string() : fmt::format(", a decision every {}", settings.every_steps)));
}

int run_stream(const StreamOptions& options) {
  stop_on_signals();
  check_options(options);
  const Trained trained = open_network(options);
  stream::Decider decider(*trained.network, trained.settings);
  const OpenedSource opened = open_source(options, trained);
  print_columns(options.source, opened.source->columns_by_value());
  stream::LiveSettings live;
  live.queue_events = static_cast<std::size_t>(options.queue_events);
  live.waits_when_full = options.when_full.empty() ? opened.waits : options.when_full == "wait";
  live.idle = std::chrono::milliseconds(options.idle_ms);
  live.most_decisions = options.decisions;
  StoppableOutput output(stop_requested);
  if (!trained.warning.empty()) output.print_error("spikeloom: warning: " + one_line(trained.warning) + "\n");
  output.print_error(plan_text(opened.source->name(), trained.settings) + "\n");
  const stream::LiveSummary summary =
      stream::run_live(*opened.source, decider, live, stop_requested, [&](const auto& decision) {
        output.print(options.json ? json_line(to_json(decision, trained.classes))
                                  : to_text(decision, trained.classes) + "\n");
      });
  const bool nothing_came = summary.failure && summary.received == 0;  // then the failure says all
  if (!nothing_came) {
    if (options.json) output.print(summary_json(summary, *opened.source));
    if (output.gave_up()) {
      output.print_error(
          "spikeloom: warning: nobody read the output when the stream was stopped: its last lines are not "
          "written\n");
    }
    if (!options.json || output.gave_up()) output.print_error(summary_text(summary, *opened.source));
  }
  if (summary.failure) std::rethrow_exception(summary.failure);
  return kOk;
}

}  // namespace

void add_stream(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<StreamOptions>();
  auto* command = program.add_subcommand(
      "stream", "What a trained network says of events as they come, window after window (docs/stream.md)");
  command->add_option("model", options->model, "Run folder, model file, checkpoint or NIR graph")
      ->required()
      ->type_name("RUN_OR_MODEL")
      ->check(not_empty());
  command
      ->add_option(
          "source", options->source,
          "A recording, which is played; - (standard input) or a named pipe; udp:PORT, udp:HOST:PORT")
      ->required()
      ->type_name("SOURCE")
      ->check(not_empty());
  command
      ->add_option("--speed", options->speed,
                   "Of a recording: how many times as fast as it was recorded; max: as fast as it goes")
      ->type_name("FACTOR")
      ->capture_default_str();
  options->of_models.push_back(
      command->add_option("--step-us", options->step_us, "Microseconds a step (default: as the training's)")
          ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 30)));
  command
      ->add_option(
          "--window-steps", options->window_steps,
          fmt::format(
              "Steps that a decision is about (default: as many as a sample of the training; of a NIR "
              "graph whose metadata does not say them {})",
              kNirWindowSteps))
      ->check(CLI::Range(1, 1 << 20));
  command
      ->add_option("--every-steps", options->every_steps,
                   "Steps from one decision to the next: fewer than a window's let windows slide (default: a "
                   "window's)")
      ->check(CLI::Range(1, 1 << 20));
  command->add_flag("--carry", options->carry,
                    "Let one state go through all windows, instead of a reset before each");
  command
      ->add_option("--idle-ms", options->idle_ms,
                   "Milliseconds without events after which the window is finished; 0: wait forever")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
  command
      ->add_option(
          "--gap-ms", options->gap_ms,
          "Milliseconds: where the events' times jump by more than this, and than a window, all starts anew")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  command->add_option("--queue", options->queue_events, "Most events that wait for the network")
      ->check(CLI::Range(1, 1 << 28))
      ->capture_default_str();
  command
      ->add_option(
          "--when-full", options->when_full,
          "Where the network is too slow: wait (the source has to), drop (new events are left out and "
          "counted; default of udp and of recordings in real time)")
      ->check(CLI::IsMember({"wait", "drop"}));
  command->add_option("--decisions", options->decisions, "Stop after this many decisions (default: none)")
      ->check(CLI::Range(1, 1 << 30));
  add_event_file_options(*command, options->recording);
  options->of_nir = add_nir_options(*command, options->nir);
  options->not_of_pipes = {command->get_option("--speed")};
  for (const char* name : {"--partial", "--chip", "--camera", "--drop-outside"}) {
    options->not_of_pipes.push_back(command->get_option(name));
  }
  options->not_of_datagrams = options->not_of_pipes;
  for (const char* name : {"--format", "--columns", "--time-unit"}) {
    options->not_of_datagrams.push_back(command->get_option(name));
  }
  command->add_flag("--json", options->json, "Print a line of JSON a decision, and one with the summary");
  command->footer(
      "Pipes carry packed events (found by their first bytes; --format packed) or csv, t,x,y,p.\n"
      "Ctrl-C ends the stream with a summary and exit code 0.");
  command->callback([options, &chosen] { chosen = [options] { return run_stream(*options); }; });
}

}  // namespace spikeloom::app
