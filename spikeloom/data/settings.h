#pragma once
// The [data] table of a recipe as a struct: which set, which samples, how they are prepared.
#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom::data {

/// How a recording is cut into time steps.
enum class Slicing {
  kWindow,  ///< window_us each, from the first event on; what lies behind num_steps windows is not used (the
            ///< paper)
  kEqualTime,   ///< num_steps slices of equal duration over the whole recording
  kEqualCount,  ///< num_steps slices of equal event count
  kCount,       ///< events_per_step events each; what lies behind num_steps of them is not used
};

/// How a sensor is reduced by a whole factor.
enum class Downsampling {
  kPool,    ///< pixel (x, y) adds to (x / factor, y / factor)
  kStride,  ///< only pixels with x % factor == 0 and y % factor == 0 are kept
};

/// How an image of other proportions is brought to data.image_size.
enum class Resize {
  kCrop,     ///< scaled until it covers the size, and the middle of it cut out
  kPad,      ///< scaled until it fits in, in the middle of black
  kStretch,  ///< each side scaled by itself
};

/// Where the first window of a recording begins.
enum class TimeOrigin {
  kFirstEvent,  ///< at its earliest event
  kZero,        ///< at time 0 of its clock; what lies before is not used
};

/// How horizontal_flip decides which samples are mirrored.
enum class FlipOrder {
  kRandom,       ///< each epoch anew, with probability 1/2
  kAlternating,  ///< at random in the first epoch, then by turns: two epochs show a sample both ways
};

/// Beyond it all but black is white.
constexpr double kMaxColorChange = 255.0;

/// A setting that does not apply to the set (crop_padding to recordings, max_shift to still images,
/// saturation to grey ones) is refused unless it has its default; window_us, overlap_us, slicing,
/// time_origin, events_per_step, overlap_events, binary_bins, downsample and downsampling are not looked at
/// for still images.
struct DataSettings {
  /// Registered name (registry.h): "mnist", "n-mnist", "folder", ...
  std::string dataset = "fashion-mnist";
  /// Samples of the training part that are held out for validation, 0 = none.
  std::int64_t validation_samples = 0;
  /// Use only the first so many training / test samples of the split, in the set's order; 0 = all. Taken
  /// after the validation samples, which therefore stay the same.
  std::int64_t train_limit = 0;
  std::int64_t test_limit = 0;
  /// "default": the official parts, validation = the last samples of the training part. "random": validation
  /// drawn from the training part. "paper" (dvs-cifar10): 80 % / 20 % of each class drawn. See
  /// docs/datasets.md.
  std::string split = "default";
  /// "folds" (folder): fold `fold` of `folds` is for the test.
  /// What "random", "paper" and "folds" depend on, besides the files.
  std::uint64_t split_seed = 1;
  std::int64_t folds = 10;  ///< >= 2
  std::int64_t fold = 0;    ///< 0 .. folds - 1
  /// For the user's own sets: the folder ("image-array": or file), absolute, or in the data folder named, or,
  /// if none is, in one of the data folders or the working folder.
  std::string folder;

  // Still images of one's own: "image-folder" and "image-array".
  /// "32x32" (width, height): all images are brought to this size; "": they have one size, and keep it.
  std::string image_size;
  Resize resize = Resize::kCrop;
  /// 1: grey (0.299 R + 0.587 G + 0.114 B), 3: colour (grey in all three); 0: all images are one or the
  /// other.
  int channels = 0;

  // Still images.
  bool standardize =
      false;  ///< subtract mean, divide by standard deviation, per channel, of the official training part
  int crop_padding = 0;  ///< pad by so many zero pixels, crop back at a random place (training only)
  /// Side in pixels of a square that is set to 0 behind standardisation, its centre anywhere in the image, so
  /// that it may hang over the edge (DeVries & Taylor 2017); 0: none (training only).
  int cutout = 0;
  /// 0 .. kMaxColorChange: the image is blended with black / its mean grey / its grey image by a factor
  /// uniform in [max(0, 1 - s), 1 + s], in this order, as torchvision's ColorJitter does; 0: off (training
  /// only).
  double brightness = 0.0, contrast = 0.0, saturation = 0.0;

  // Both.
  bool horizontal_flip = false;  ///< mirror half of the samples left-right (training only)
  FlipOrder flip_order = FlipOrder::kRandom;

  // Event recordings.
  // How the files of the set "folder" are read, where they do not say it (formats/events/event_reader.h).
  std::string format = "auto";  ///< "auto": by its content; else one of formats::event_format_names()
  /// Size of the sensor in pixels: "304x240", or its two numbers; "" and 0: what its first recording says.
  std::string sensor;
  int sensor_width = 0, sensor_height = 0;
  std::string chip;       ///< chip of AEDAT 2.0 files: formats::event_chip_names()
  std::string camera;     ///< name or number of the camera in files that hold several
  std::string time_unit;  ///< of the times in text and arrays: "s", "ms", "us" or "ns"; "" = as the file says
  std::string columns;    ///< of text and of arrays without names: "t,x,y,p,_"; "" = as the file says
  // How the files of all sets of recordings are read.
  /// Events outside of the sensor are left out, and their number is said; false: they are an error.
  bool drop_outside = true;
  /// A recording that was cut off ends with its last whole event, and that is said; false: it is an error.
  bool partial = false;
  std::int64_t window_us = 5000;  ///< > 0, microseconds, for Slicing::kWindow
  std::int64_t overlap_us = 0;    ///< 0 .. window_us - 1: how much of a window the next one has too
  Slicing slicing = Slicing::kWindow;
  TimeOrigin time_origin = TimeOrigin::kFirstEvent;  ///< of the windows, for Slicing::kWindow
  std::int64_t events_per_step = 1000;               ///< > 0, for Slicing::kCount
  std::int64_t overlap_events = 0;                   ///< 0 .. events_per_step - 1, for Slicing::kCount
  bool binary_bins = false;  ///< false: event counts (at most 255); true: 1 where there was any event
  int downsample = 1;        ///< whole factor, 3 makes 128x128 into 42x42
  Downsampling downsampling = Downsampling::kPool;
  /// Transforms of the events, in this order, before they are binned: texts of events::parse_transform(). The
  /// random ones act in training only.
  std::vector<std::string> transforms;
  int max_shift = 0;  ///< random whole-recording shift by up to so many output pixels (training only)
};

}  // namespace spikeloom::data
