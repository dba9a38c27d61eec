#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/accuracy_curve.h"
#include "app/commands.h"
#include "app/event_file_options.h"
#include "app/output.h"
#include "app/output_check.h"
#include "app/recipe_search.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/data/datasets/recording_dataset.h"
#include "spikeloom/data/verify.h"
#include "spikeloom/events/transforms/chain.h"
#include "spikeloom/formats/images/image_encode.h"
#include "spikeloom/pictures/recording_page.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;
using pictures::RecordingSummary;

struct ShowOptions {
  std::string input, out, recipe;
  std::vector<std::string> transforms;
  EventFileOptions recording;
  int frames = 20;
  std::int64_t seed = 0;
  bool seed_given = false, frames_given = false, json = false;
};

enum class Kind { kNone, kPng, kGif, kHtml };

Kind kind_of(const std::string& out) {
  if (out.empty()) return Kind::kNone;
  std::string suffix = std::filesystem::path(out).extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (suffix == ".png") return Kind::kPng;
  if (suffix == ".gif") return Kind::kGif;
  if (suffix == ".html" || suffix == ".htm") return Kind::kHtml;
  throw ConfigError("--out must end in .png, .gif or .html, not '" + out + "'");
}

/// What is shown: the recording and, after a chain, what it becomes.
struct Shown {
  events::EventStream before;
  std::optional<events::EventStream> after;
  std::vector<std::string> transforms;
  events::Binning binning;
  std::string format, left_out, frames;
  double frame_ms = 0.0;
};

events::EventStream read_all(formats::EventReader& reader) {
  events::EventStream stream;
  std::vector<events::Event> piece(std::size_t{1} << 14);
  std::size_t count = 0;
  int width = 0, height = 0;
  while ((count = reader.read(piece.data(), piece.size())) > 0) {
    for (std::size_t i = 0; i < count; ++i) {
      width = std::max(width, piece[i].x + 1);
      height = std::max(height, piece[i].y + 1);
    }
    stream.events.insert(stream.events.end(), piece.begin(),
                         piece.begin() + static_cast<std::ptrdiff_t>(count));
  }
  const bool known = reader.width() > 0 && reader.height() > 0;
  stream.width = known ? reader.width() : width;
  stream.height = known ? reader.height() : height;
  return stream;
}

std::string describe(const events::Binning& binning, const std::string& recipe) {
  const std::string of = recipe.empty() ? "" : " of the recipe " + recipe;
  const std::string frames = counted(binning.num_steps, "frame");
  const char* const each = binning.num_steps == 1 ? "" : " each";
  switch (binning.slicing) {
    case events::Binning::kWindow:
      return fmt::format("{}{} of {} us{}", frames, of, binning.window_us, each);
    case events::Binning::kEqualCount:
      return frames + of + (binning.num_steps == 1 ? " of all events" : " of equally many events");
    case events::Binning::kCount:
      return fmt::format("{}{} of {}{}", frames, of, counted(binning.events_per_step, "event"), each);
    case events::Binning::kEqualTime:
      break;
  }
  return frames + of + (binning.num_steps == 1 ? " of the whole time" : " of equal time");
}

/// Warns where the recipe's set has recordings of another kind than this one: its network would not take it.
void warn_of_misfits(const train::Recipe& recipe, const std::string& file,
                     const events::EventStream& stream) {
  const auto& info = data::dataset_info(recipe.data.dataset);
  const int width = info.is_users_own ? recipe.data.sensor_width : info.sensor_width;
  const int height = info.is_users_own ? recipe.data.sensor_height : info.sensor_height;
  const std::string set = fmt::format("the data set '{}' of the recipe {}", recipe.data.dataset, recipe.name);
  if (width > 0 && height > 0 && (width != stream.width || height != stream.height)) {
    print_warning(fmt::format("{} has {}x{} pixels, {} has {}x{}: its network would refuse this recording",
                              set, width, height, file, stream.width, stream.height));
  }
  if (info.channels == 1) {
    print_warning(
        fmt::format("{} has one channel: its network adds up both polarities of {}, which are shown "
                    "apart here",
                    set, file));
  }
}

Shown prepare(const ShowOptions& options) {
  Shown shown;
  std::optional<train::Recipe> recipe;
  if (!options.recipe.empty()) recipe = train::load_recipe(find_recipe(options.recipe));
  if (recipe && !data::dataset_info(recipe->data.dataset).is_recordings) {
    throw ConfigError(
        fmt::format("--recipe {}: its data set '{}' has still images, so it says nothing about "
                    "recordings",
                    options.recipe, recipe->data.dataset));
  }
  if (recipe) shown.transforms = recipe->data.transforms;
  shown.transforms.insert(shown.transforms.end(), options.transforms.begin(), options.transforms.end());
  const events::TransformChain chain(shown.transforms);
  const auto reader = formats::open_events(options.input, options.recording.reader_options());
  print_columns(options.input, reader->columns_by_value());
  shown.before = read_all(*reader);
  shown.format = reader->format();
  shown.left_out = left_out_text(*reader);
  if (shown.before.events.empty())
    throw DataError(options.input + ": holds no event, so there is nothing to show");
  if (recipe) warn_of_misfits(*recipe, options.input, shown.before);
  if (!chain.empty()) {
    shown.after = shown.before;
    const events::TransformKey key{static_cast<std::uint64_t>(options.seed), 0, 0};
    chain.apply(*shown.after, options.seed_given ? &key : nullptr);
  }
  const events::EventStream& last = shown.after ? *shown.after : shown.before;
  if (recipe) {
    shown.binning = data::binning_of(recipe->data, recipe->network.num_steps);
    if (options.frames_given) shown.binning.num_steps = options.frames;
  } else {
    shown.binning = pictures::even_slices(last, options.frames);
  }
  shown.frames = describe(shown.binning, recipe ? recipe->name : "");
  if (shown.binning.num_steps > pictures::kMostFrames)
    shown.frames += fmt::format(", {} of them drawn", pictures::kMostFrames);
  return shown;
}

/// The recording itself has its own factor of downsampling where the chain changed the size.
std::vector<pictures::Shown> make_pictures(const Shown& shown,
                                           const std::vector<RecordingSummary>& summaries) {
  std::vector<pictures::Shown> result;
  events::Binning binning = shown.binning;
  if (shown.after && shown.before.width != shown.after->width) {
    binning.downsample = std::max(binning.downsample, pictures::even_slices(shown.before, 1).downsample);
  }
  result.push_back({pictures::make_frames(shown.before, binning), summaries.front()});
  if (shown.after) result.push_back({pictures::make_frames(*shown.after, shown.binning), summaries.back()});
  return result;
}

/// As fast as it happened, but neither too fast to see nor too slow to wait for.
int delay_ms(const RecordingSummary& summary, const events::Binning& binning) {
  const double ms = binning.slicing == events::Binning::kWindow
                        ? static_cast<double>(binning.window_us) / 1e3
                        : summary.duration_us / 1e3 / binning.num_steps;
  return static_cast<int>(std::clamp(ms, 50.0, 500.0));
}

void write_picture(const ShowOptions& options, Kind kind, const Shown& shown,
                   const std::vector<RecordingSummary>& summaries) {
  const auto recordings = make_pictures(shown, summaries);
  const int delay = delay_ms(summaries.front(), shown.binning);
  if (kind == Kind::kHtml) {
    pictures::PageText text;
    text.title = std::filesystem::path(options.input).filename().string();
    text.format = shown.format + (shown.left_out.empty() ? "" : "; " + shown.left_out);
    text.transforms = shown.transforms;
    text.frames = shown.frames;
    text.delay_ms = delay;
    std::vector<pictures::PageRecording> page{{shown.after ? "before" : "recording", recordings.front()}};
    if (shown.after) page.push_back({"after the transforms", recordings.back()});
    return write_text_file(options.out, pictures::recording_page(text, page));
  }
  const std::vector<std::uint8_t> bytes = kind == Kind::kPng
                                              ? formats::encode_png(pictures::contact_sheet(recordings))
                                              : formats::encode_gif(pictures::animation(recordings), delay);
  AtomicFile file(options.out);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

ordered_json to_json(const RecordingSummary& summary) {
  ordered_json pixels = ordered_json::array();
  for (const auto& pixel : summary.most_active) {
    pixels.push_back({{"x", pixel.x}, {"y", pixel.y}, {"events", pixel.events}});
  }
  return {{"width", summary.width},
          {"height", summary.height},
          {"events", summary.events},
          {"on", summary.on},
          {"off", summary.off()},
          {"t_first_us", summary.t_first_us},
          {"duration_us", summary.duration_us},
          {"events_per_s", summary.events_per_s()},
          {"active_pixels", summary.active_pixels},
          {"hot_pixels", summary.hot_pixels},
          {"hot_above", summary.hot_above},
          {"hot_events", summary.hot_events},
          {"most_active", pixels},
          {"on_counts", summary.on_counts},
          {"off_counts", summary.off_counts}};
}

std::string curve_of(const std::vector<std::int64_t>& counts) {
  if (std::all_of(counts.begin(), counts.end(), [](std::int64_t count) { return count == 0; })) return "none";
  std::vector<double> values(counts.begin(), counts.end());
  values.push_back(0.0);  // the scale begins at none
  std::string text = small_curve(values, values.size(), shows_blocks(stdout));
  const std::size_t last = small_curve({0.0, 1.0}, 1, shows_blocks(stdout)).size();
  return text.substr(0, text.size() - last);
}

void print_summary(const std::string& title, const RecordingSummary& summary) {
  const auto share = [&](std::int64_t part) {
    return summary.events > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(summary.events) : 0.0;
  };
  print_line(stdout, fmt::format("{}{} on {}x{} pixels in {:.3f} ms: {} events/s", title,
                                 counted(summary.events, "event"), summary.width, summary.height,
                                 summary.duration_us / 1e3, with_prefix(summary.events_per_s())));
  print_line(stdout,
             fmt::format("  polarity    {:.1f} % on, {:.1f} % off", share(summary.on), share(summary.off())));
  print_line(stdout, fmt::format("  pixels      {} with events, {:.1f} events each on average",
                                 with_separators(summary.active_pixels), summary.mean_count));
  print_line(
      stdout,
      fmt::format("  hot pixels  {} with more than {:.1f} events (mean + 5 standard deviations): {:.1f} % "
                  "of all events",
                  with_separators(summary.hot_pixels), summary.hot_above, share(summary.hot_events)));
  std::string most;
  for (const auto& pixel : summary.most_active) {
    most += fmt::format("{}({}, {}) {}", most.empty() ? "" : "  ", pixel.x, pixel.y,
                        with_separators(pixel.events));
  }
  if (!most.empty()) print_line(stdout, "  most active " + most);
  print_line(stdout, "  on          " + curve_of(summary.on_counts));
  print_line(stdout, "  off         " + curve_of(summary.off_counts));
}

int run_show(const ShowOptions& options) {
  const Kind kind = kind_of(options.out);
  if (kind != Kind::kNone) {
    check_output(options.out, std::filesystem::path(options.out).extension().string(), "--out");
    check_not_input(options.out, options.input, "--out");
  }
  const Shown shown = prepare(options);
  std::vector<RecordingSummary> summaries{pictures::summarise(shown.before)};
  if (shown.after) summaries.push_back(pictures::summarise(*shown.after));
  if (kind != Kind::kNone) write_picture(options, kind, shown, summaries);
  if (options.json) {
    ordered_json json = {{"file", options.input}, {"format", shown.format}, {"transforms", shown.transforms}};
    json["before"] = to_json(summaries.front());
    if (shown.after) json["after"] = to_json(summaries.back());
    if (kind != Kind::kNone) json["out"] = options.out;
    print_json(json);
    return kOk;
  }
  print_summary(fmt::format("{} ({}): ", one_line(options.input), shown.format), summaries.front());
  if (!shown.left_out.empty()) print_line(stdout, "  " + shown.left_out);
  if (shown.after) {
    std::string chain;
    for (const std::string& transform : shown.transforms) chain += (chain.empty() ? "" : ", ") + transform;
    print_summary("after " + chain + ": ", summaries.back());
  }
  if (kind != Kind::kNone) print_line(stdout, fmt::format("{}: {}", one_line(options.out), shown.frames));
  return kOk;
}

}  // namespace

void add_show(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<ShowOptions>();
  auto* command = program.add_subcommand(
      "show",
      "Show an event recording, and what transforms or a recipe make of it, as text, PNG, GIF or HTML");
  command->add_option("recording", options->input, "Recording to read")->type_name("RECORDING")->required();
  command
      ->add_option("--out", options->out, "File to write: .png (frames), .gif (animation) or .html (a page)")
      ->type_name("FILE")
      ->check(not_empty());
  command
      ->add_option("--transform", options->transforms,
                   "A transform to show the effect of (docs/transforms.md), e.g. "
                   "'drop_background(filter_us=10000)'; may be "
                   "repeated, acts in this order")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  command
      ->add_option(
          "--recipe", options->recipe,
          "Transforms and frames of this recipe: what its network sees. --transform comes after them")
      ->type_name("RECIPE")
      ->check(not_empty());
  auto* frames = command
                     ->add_option("--frames", options->frames,
                                  "Frames to show (default: 20 of equal time, or the recipe's)")
                     ->check(CLI::Range(1, 200));
  auto* seed =
      command
          ->add_option("--seed", options->seed,
                       "Random transforms act as in training, by this seed (default: they are left out)")
          ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()));
  add_event_file_options(*command, options->recording);
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, frames, seed, &chosen] {
    options->frames_given = frames->count() > 0;
    options->seed_given = seed->count() > 0;
    chosen = [options] { return run_show(*options); };
  });
}

}  // namespace spikeloom::app
