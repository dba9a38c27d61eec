#include "spikeloom/data/simulate.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <mutex>
#include <utility>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/version.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/events/saccade_simulator.h"
#include "spikeloom/formats/events/write_events.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxDigits = 99999;  // five digits in N-MNIST's file names

/// One kind of event set: how its recordings are made, named and stored.
struct Target {
  bool as_n_mnist = false;
  std::string format;
  events::SimulatorSettings simulator;
};

Target target_of(const SimulateSettings& settings) {
  Target target;
  if (settings.dataset == "mnist" || settings.dataset == "fashion-mnist") {
    target.as_n_mnist = true;
    target.format = "atis-bin";
    target.simulator = events::n_mnist_simulation();
  } else if (settings.dataset == "cifar10") {
    target.format = "aedat2";
    target.simulator = events::dvs_cifar10_simulation();
  } else {
    throw ConfigError(
        fmt::format("recordings are simulated from mnist, fashion-mnist or cifar10, not from '{}'",
                    settings.dataset),
        "", 0, "dataset");
  }
  target.simulator.sensor_per_recording = settings.sensor_per_recording;
  return target;
}

/// Light of a sample's pixels: grey as it is, colours by their luma (ITU-R BT.601).
events::GreyImage grey_image(const Dataset& images, std::int64_t index) {
  const SampleShape shape = images.shape();
  std::vector<float> sample(static_cast<std::size_t>(shape.sample_size()));
  images.read(index, nullptr, sample.data());
  events::GreyImage grey;
  grey.width = static_cast<int>(shape.width);
  grey.height = static_cast<int>(shape.height);
  grey.pixels.reserve(static_cast<std::size_t>(shape.width * shape.height));
  const auto channels = static_cast<std::size_t>(shape.channels);
  for (std::size_t i = 0; i < sample.size(); i += channels) {
    const float value =
        channels == 3 ? 0.299F * sample[i] + 0.587F * sample[i + 1] + 0.114F * sample[i + 2] : sample[i];
    grey.pixels.push_back(static_cast<std::uint8_t>(std::lround(255.0F * value)));
  }
  return grey;
}

constexpr const char* kNoteHead =
    "The recordings in this folder are SIMULATED: no event camera made them. Say so wherever results from "
    "them are shown.\n";

/// What one simulation says of itself in the note.
std::string note_block(const SimulateSettings& settings, std::int64_t first, std::int64_t last) {
  return fmt::format(
      "made by        spikeloom {} simulate --dataset {}{} --first {} --count {} --seed {}{}\n"
      "images         {}, {} part, {} to {} (number k shows image k - 1)\n"
      "like           {}\n",
      kVersion, settings.dataset, settings.test_part ? " --test" : "", first, last - first + 1, settings.seed,
      settings.sensor_per_recording ? " --sensor-per-recording" : "", settings.dataset,
      settings.test_part ? "test" : "training", first, last,
      settings.dataset == "cifar10" ? "DVS-CIFAR10 (not fitted to real recordings)"
                                    : "N-MNIST (fitted to real recordings 00001 to 00800)");
}

/// What a simulation and the one of the other part of the same set differ in.
std::string without_part(std::string block) {
  for (const char* line : {"made by", "images"}) {
    const std::size_t begin = block.find(line);
    if (begin == std::string::npos) continue;
    std::string text = block.substr(begin, block.find('\n', begin) - begin);
    const std::size_t length = text.size();
    const auto cut = [&](const std::string& from, const std::string& to) {
      const std::size_t at = text.find(from);
      if (at == std::string::npos) return;
      const std::size_t end = to.empty() ? at + from.size() : text.find(to, at);
      text.erase(at, (end == std::string::npos ? text.size() : end) - at);
    };
    cut(" --test", "");
    cut(" --first", " --seed");
    if (std::string(line) == "images") text.clear();
    block.replace(begin, length, text);
  }
  return block;
}

/// The note that goes into the folder: makes the folder, or checks that what is in it is this simulation, or
/// the other part of it where the parts have folders of their own.
std::string prepare_folder(const fs::path& folder, const std::string& block, bool parts_apart) {
  std::error_code error;
  const bool noted = fs::exists(folder / kSimulatedNote, error);
  if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
    throw DataError(fmt::format("{} is no folder: name one for the recordings", folder.string()));
  }
  if (!noted && fs::exists(folder, error) && !fs::is_empty(folder, error)) {
    throw DataError(
        fmt::format("{} is not empty and has no {}: simulated recordings are not written among "
                    "other files; name a new folder",
                    folder.string(), kSimulatedNote));
  }
  std::string note = kNoteHead + block;
  if (noted) {
    const std::string before = read_text_file((folder / kSimulatedNote).string());
    const std::size_t head = std::string(kNoteHead).size();
    const std::string blocks = before.rfind(kNoteHead, 0) == 0 ? before.substr(head) : before;
    const bool is_test = block.find(" --test") != std::string::npos;
    const bool one_part = blocks.find("made by") == blocks.rfind("made by");
    const bool other_part = parts_apart && one_part &&
                            is_test != (blocks.find(" --test") != std::string::npos) &&
                            without_part(blocks) == without_part(block);
    if (blocks.find(block) != std::string::npos) {
      note = before;  // the same simulation goes on
    } else if (other_part) {
      note = before + block;
    } else {
      const std::size_t begin = blocks.find("spikeloom ");
      throw DataError(
          fmt::format("{} holds another simulation ({}): two are not mixed in one folder; name a new "
                      "folder, or give the same options to resume this one",
                      folder.string(),
                      begin == std::string::npos ? std::string("see ") + kSimulatedNote
                                                 : blocks.substr(begin, blocks.find('\n') - begin)));
    }
  }
  fs::create_directories(folder, error);
  if (error) throw DataError(fmt::format("{}: cannot be made: {}", folder.string(), error.message()));
  return note;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw DataError(fmt::format("{}: cannot be made: {}", folder.string(), error.message()));
}

}  // namespace

SimulateResult simulate_dataset(const SimulateSettings& settings, const std::string& folder,
                                const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const Target target = target_of(settings);
  DataSettings data;
  data.dataset = settings.dataset;
  const DataSplits splits = open_dataset(data, 1, settings.data_dir);
  const Dataset& images = settings.test_part ? *splits.require_test() : *splits.train;
  const std::int64_t available = images.size();
  if (settings.first < 1 || settings.first > available) {
    throw ConfigError(fmt::format("must be from 1 to {}, not {}", available, settings.first), "", 0, "first");
  }
  const std::int64_t left = available - settings.first + 1;
  if (settings.count < 0 || settings.count > left) {
    throw ConfigError(fmt::format("must be from 0 to {} for recordings from {} on, not {}", left,
                                  settings.first, settings.count),
                      "", 0, "count");
  }
  const std::int64_t count = settings.count == 0 ? left : settings.count;
  const std::int64_t last = settings.first + count - 1;
  if (target.as_n_mnist && last > kMaxDigits) {
    throw ConfigError(fmt::format("numbers end at {}, the last would be {}", kMaxDigits, last), "", 0,
                      "count");
  }

  const fs::path root(folder);
  const std::string note =
      prepare_folder(root, note_block(settings, settings.first, last), target.as_n_mnist);
  write_text_file((root / kSimulatedNote).string(), note);
  std::vector<std::string> paths(static_cast<std::size_t>(count));
  const std::vector<std::string>& names = images.class_names();
  std::vector<std::int64_t> ranks(names.size(), 0);
  for (std::size_t label = 0; label < names.size(); ++label) {
    make_folder(target.as_n_mnist ? root / (settings.test_part ? "Test" : "Train") / std::to_string(label)
                                  : root / names[label]);
  }
  for (std::int64_t number = 1; number <= last; ++number) {
    const auto label = static_cast<std::size_t>(images.label(number - 1));
    const std::int64_t rank = ranks[label]++;
    if (number < settings.first) continue;
    paths[static_cast<std::size_t>(number - settings.first)] =
        (target.as_n_mnist ? root / (settings.test_part ? "Test" : "Train") / std::to_string(label) /
                                 fmt::format("{:05}.bin", number)
                           : root / names[label] / fmt::format("cifar10_{}_{}.aedat", names[label], rank))
            .string();
  }

  SimulateResult result;
  result.format = target.format;
  std::mutex mutex;
  const auto image = [&](std::int64_t number) { return grey_image(images, number - 1); };
  const auto done = [&](std::int64_t number, const events::EventStream& stream) {
    formats::write_events(paths[static_cast<std::size_t>(number - settings.first)], target.format, stream);
    std::int64_t on = 0;
    for (const events::Event& event : stream.events) on += event.polarity;
    const std::lock_guard<std::mutex> lock(mutex);
    ++result.recordings;
    result.events += static_cast<std::int64_t>(stream.events.size());
    result.on += on;
    if (progress) progress(result.recordings, count);
  };
  // Training and test images with the same number have streams of their own.
  const std::uint64_t seed = settings.test_part ? settings.seed ^ 0x7465737400000000u : settings.seed;
  events::simulate_recordings(target.simulator, seed, settings.first, count, image, done);
  return result;
}

}  // namespace spikeloom::data
