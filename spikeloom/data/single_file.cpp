#include "spikeloom/data/single_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/base/text.h"
#include "spikeloom/data/datasets/image_dataset.h"
#include "spikeloom/data/datasets/recording_dataset.h"
#include "spikeloom/data/datasets/recording_reader.h"
#include "spikeloom/data/image_scaling.h"
#include "spikeloom/data/verify.h"
#include "spikeloom/events/transforms/chain.h"
#include "spikeloom/formats/images/image_file.h"

namespace spikeloom::data {
namespace {

std::string size_text(std::int64_t width, std::int64_t height) {
  return fmt::format("{} x {} pixels", width, height);
}

FileSample image_sample(const std::string& path, const FileSampling& sampling) {
  const DataSettings& settings = sampling.settings;
  if (dataset_info(settings.dataset).is_recordings) {
    throw DataError(fmt::format("{}: is an image; the network was trained on recordings of '{}'", path,
                                settings.dataset));
  }
  formats::Image image = formats::read_image(path);
  const bool converts = settings.channels != 0;
  if (image.channels != sampling.channels && !converts) {
    throw DataError(fmt::format("{}: is {}, the network takes {} images", path,
                                image.channels == 1 ? "grey" : "in colour",
                                sampling.channels == 1 ? "grey" : "colour"));
  }
  if (sampling.channels == 1) image = with_channels(std::move(image), 1);
  if (image.width != sampling.width || image.height != sampling.height) {
    if (!sampling.resize && settings.image_size.empty()) {
      throw DataError(fmt::format(
          "{}: has {}, the network takes {}: scale it, or let it be scaled with "
          "--resize crop, pad or stretch",
          path, size_text(image.width, image.height), size_text(sampling.width, sampling.height)));
    }
    image = with_size(image, static_cast<int>(sampling.width), static_cast<int>(sampling.height),
                      sampling.resize.value_or(settings.resize));
  }
  image = with_channels(std::move(image), static_cast<int>(sampling.channels));
  FileSample sample;
  sample.shape = {1, sampling.channels, sampling.height, sampling.width, true};
  sample.values.reserve(image.pixels.size());
  const PixelTable table =
      sampling.standardization != nullptr ? standardizing_table(*sampling.standardization) : PixelTable();
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const std::size_t channel = i % static_cast<std::size_t>(sampling.channels);
    sample.values.push_back(!table.empty() ? table[channel][image.pixels[i]]
                                           : static_cast<float>(image.pixels[i]) / 255.0f);
  }
  return sample;
}

/// The options given, with what the training's settings and its set say where they say nothing; but for the
/// sensor.
formats::EventReaderOptions reader_options(const FileSampling& sampling) {
  formats::EventReaderOptions options = sampling.reader;
  const DatasetInfo& info = dataset_info(sampling.settings.dataset);
  const bool format_given = options.format != "auto";
  if (info.is_users_own) {
    const formats::EventReaderOptions own = options_of_folder(sampling.settings);
    if (!format_given) options.format = own.format;
    // A chip is for other formats than columns and a unit of time: those that the training's files were of
    // say nothing of a file of which something is said by hand.
    const bool table_given = !options.columns.empty() || options.time_unit != formats::TimeUnit::kFile;
    const bool chip_given = !options.chip.empty();
    if (!format_given && !table_given && !chip_given) options.chip = own.chip;
    if (!format_given && !chip_given) {
      if (options.columns.empty()) options.columns = own.columns;
      if (options.time_unit == formats::TimeUnit::kFile) options.time_unit = own.time_unit;
    }
    options.pass_over_unused = !table_given && !chip_given && options.camera.empty();
    if (options.camera.empty()) options.camera = own.camera;
  }
  options.drop_outside = options.drop_outside || sampling.settings.drop_outside;
  options.partial = options.partial || sampling.settings.partial;
  return options;
}

/// The sensor that the recipe gives all files, whatever they say (data.sensor); 0 x 0: none.
events::SensorSize sensor_of_recipe(const DataSettings& settings) {
  if (!dataset_info(settings.dataset).is_users_own) return {};
  const formats::EventReaderOptions own = options_of_folder(settings);
  return {own.width, own.height};
}

/// The sensor of the training's files, for those that do not say theirs; 0 x 0: not known.
events::SensorSize sensor_of_training(const FileSampling& sampling) {
  const DatasetInfo& info = dataset_info(sampling.settings.dataset);
  const events::SensorSize own = sensor_of_recipe(sampling.settings);
  if (own.width > 0 && own.height > 0) return own;
  if (info.sensor_width > 0 && info.sensor_height > 0) return {info.sensor_width, info.sensor_height};
  return sampling.usual_sensor;
}

/// What the user says counts, then what the file says, then what the training's files had.
events::SensorSize sensor_of(const std::string& path, const FileSampling& sampling,
                             const formats::EventReaderOptions& options) {
  if (options.width > 0 && options.height > 0) return {options.width, options.height};
  const events::SensorSize stated = formats::stated_sensor(path, options);
  if (stated.width > 0 && stated.height > 0) return stated;
  const events::SensorSize usual = sensor_of_training(sampling);
  if (usual.width > 0 && usual.height > 0) return usual;
  formats::open_events(path, options);  // where it cannot be opened, that is what is wrong
  throw DataError(path + ": does not say how large its sensor is: add --sensor, for example 304x240");
}

/// Throws DataError, with the sensor that would fit, for one whose frames are not the network's.
void check_fit(const std::string& path, const FileSampling& sampling, events::SensorSize sensor,
               const SampleShape& shape) {
  if (shape.height == sampling.height && shape.width == sampling.width) return;
  const DataSettings& settings = sampling.settings;
  std::string text =
      fmt::format("{}: its sensor of {} gives frames of {}, the network takes {}: a sensor of {} would fit{}",
                  path, size_text(sensor.width, sensor.height), size_text(shape.width, shape.height),
                  size_text(sampling.width, sampling.height),
                  size_text(sampling.width * settings.downsample, sampling.height * settings.downsample),
                  settings.transforms.empty() ? "" : " after the transforms");
  const events::SensorSize own = sensor_of_recipe(settings);
  if (own.width > 0 && own.height > 0 && !(own == sensor)) {
    text += fmt::format("; --sensor {}x{} reads it as the training read its files, whatever they said",
                        own.width, own.height);
  }
  throw DataError(text);
}

RecordingFormat format_of(const std::string& path, const FileSampling& sampling,
                          const formats::EventReaderOptions& options) {
  const DatasetInfo& info = dataset_info(sampling.settings.dataset);
  try {
    return recording_format(info, sampling.settings, sampling.num_steps, options, options.width,
                            options.height);
  } catch (const ConfigError& error) {  // settings that the training's sensor has passed
    throw DataError(
        fmt::format("{}: its sensor of {} does not go through what the training does to recordings: {}", path,
                    size_text(options.width, options.height), error.what()));
  }
}

/// What was left out of a recording, for the user.
void tell(const std::string& path, const ReadNotes& notes, events::SensorSize sensor) {
  if (notes.dropped_events > 0) {
    log(LogLevel::kWarning,
        fmt::format("{}: {} outside of its sensor of {} left out", path,
                    counted(notes.dropped_events, "event"), size_text(sensor.width, sensor.height)));
  }
  if (notes.unread_bytes > 0) {
    log(LogLevel::kWarning, fmt::format("{}: is cut off: {} after its last whole event not read", path,
                                        counted(notes.unread_bytes, "byte")));
  }
}

FileSample recording_sample(const std::string& path, const FileSampling& sampling) {
  const DataSettings& settings = sampling.settings;
  if (!dataset_info(settings.dataset).is_recordings) {
    if (::access(path.c_str(), R_OK) != 0) {
      throw DataError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
    }
    throw DataError(fmt::format("{}: is not a PNG or JPEG image; the network was trained on images of '{}'",
                                path, settings.dataset));
  }
  formats::EventReaderOptions options = reader_options(sampling);
  const events::SensorSize sensor = sensor_of(path, sampling, options);
  options.width = sensor.width;
  options.height = sensor.height;
  RecordingFormat format = format_of(path, sampling, options);
  format.channels = static_cast<int>(sampling.channels);
  const SampleShape shape{sampling.num_steps, sampling.channels,
                          events::binned_width(format.sensor_height, format.binning),
                          events::binned_width(format.sensor_width, format.binning), false};
  check_fit(path, sampling, sensor, shape);
  FileSample sample;
  sample.shape = shape;
  Recording recording;
  recording.path = path;
  ReadNotes notes;  // told here: the set's words are those of a recipe
  format.reader = [&](const Recording& one, ReadNotes&) {
    events::EventStream stream = read_recording_file(
        one.path, options, notes, "give the right sensor (--sensor) and format (--format)");
    sample.columns = notes.columns;
    stream.width = sensor.width;
    stream.height = sensor.height;
    return stream;
  };
  const RecordingDataset dataset(path, {"unknown"}, {recording}, format, 0);
  sample.values.resize(static_cast<std::size_t>(shape.sample_size()));
  dataset.read(0, nullptr, sample.values.data());
  tell(path, notes, sensor);
  return sample;
}

}  // namespace

bool holds_image(const std::string& path) {
  std::array<std::uint8_t, 16> head{};
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(head.data()), static_cast<std::streamsize>(head.size()));
  return formats::is_image({head.data(), static_cast<std::size_t>(file.gcount())});
}

FileSample read_file_sample(const std::string& path, const FileSampling& sampling) {
  return holds_image(path) ? image_sample(path, sampling) : recording_sample(path, sampling);
}

}  // namespace spikeloom::data
