#include "spikeloom/data/single_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

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

/// The options given, with what the training's settings and its set say where they say nothing.
formats::EventReaderOptions reader_options(const FileSampling& sampling) {
  formats::EventReaderOptions options = sampling.reader;
  const DatasetInfo& info = dataset_info(sampling.settings.dataset);
  const bool sensor_given = options.width > 0 && options.height > 0;
  const bool format_given = options.format != "auto";
  if (info.is_users_own) {
    const formats::EventReaderOptions own = options_of_folder(sampling.settings);
    if (!sensor_given) options.width = own.width, options.height = own.height;
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

FileSample recording_sample(const std::string& path, const FileSampling& sampling) {
  const DataSettings& settings = sampling.settings;
  const DatasetInfo& info = dataset_info(settings.dataset);
  if (!info.is_recordings) {
    if (::access(path.c_str(), R_OK) != 0) {
      throw DataError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
    }
    throw DataError(fmt::format("{}: is not a PNG or JPEG image; the network was trained on images of '{}'",
                                path, settings.dataset));
  }
  formats::EventReaderOptions options = reader_options(sampling);
  // Before the file is asked, which may say nothing of its sensor: what the set's cameras have.
  int width = options.width, height = options.height;
  if (width == 0 || height == 0) {
    const auto reader = formats::open_events(path, options);
    width = reader->width() > 0 ? reader->width() : info.sensor_width;
    height = reader->height() > 0 ? reader->height() : info.sensor_height;
  }
  if (width < 1 || height < 1) {
    throw DataError(path + ": does not say how large its sensor is: add --sensor, for example 304x240");
  }
  options.width = width;
  options.height = height;
  RecordingFormat format = recording_format(info, settings, sampling.num_steps, options, width, height);
  format.channels = static_cast<int>(sampling.channels);
  const SampleShape shape{sampling.num_steps, sampling.channels,
                          events::binned_width(format.sensor_height, format.binning),
                          events::binned_width(format.sensor_width, format.binning), false};
  if (shape.height != sampling.height || shape.width != sampling.width) {
    throw DataError(
        fmt::format("{}: its sensor of {} gives frames of {}, the network takes {}: a sensor of {} "
                    "would fit{}",
                    path, size_text(width, height), size_text(shape.width, shape.height),
                    size_text(sampling.width, sampling.height),
                    size_text(sampling.width * settings.downsample, sampling.height * settings.downsample),
                    settings.transforms.empty() ? "" : " after the transforms"));
  }
  FileSample sample;
  sample.shape = shape;
  Recording recording;
  recording.path = path;
  format.reader = [&](const Recording& one, ReadNotes& of_one) {
    events::EventStream stream = read_recording_file(one.path, options, of_one);
    sample.columns = of_one.columns;
    stream.width = width;
    stream.height = height;
    return stream;
  };
  const RecordingDataset dataset(path, {"unknown"}, {recording}, format, 0);
  sample.values.resize(static_cast<std::size_t>(shape.sample_size()));
  dataset.read(0, nullptr, sample.values.data());
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
