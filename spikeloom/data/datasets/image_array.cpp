#include "spikeloom/formats/images/image_array.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/data/datasets/class_folders.h"
#include "spikeloom/data/datasets/own_images.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/formats/archive.h"
#include "spikeloom/formats/byte_source.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kImageArraySuffix = ".npy";
constexpr std::int64_t kMostClasses = 65536;

/// The names in use for images and labels: of one part, or of training and test.
struct Names {
  const char *images, *labels, *test_images, *test_labels;
};
constexpr Names kNames[] = {{"train_images", "train_labels", "test_images", "test_labels"},
                            {"x_train", "y_train", "x_test", "y_test"},
                            {"images", "labels", "", ""},
                            {"x", "y", "", ""}};
constexpr const char* kExpected =
    "images, labels (or x, y), or train_images, train_labels, test_images, test_labels (or x_train, y_train, "
    "x_test, "
    "y_test): images unsigned bytes [N, H, W] or [N, H, W, C], labels integers [N] from 0 on";

/// The arrays of an .npz file, or the .npy files of a folder, by name.
class Arrays {
 public:
  explicit Arrays(fs::path root) : root_(std::move(root)) {
    std::error_code error;
    is_folder_ = fs::is_directory(root_, error);
    if (is_folder_) {
      for (fs::directory_iterator entry(root_, error), end; !error && entry != end; entry.increment(error)) {
        add(entry->path().filename().string());
      }
    } else {
      for (const formats::ArchiveMember& member : formats::list_archive(root_.string())) add(member.name);
    }
    std::sort(names_.begin(), names_.end());
  }

  bool has(const std::string& name) const {
    return !name.empty() && std::find(names_.begin(), names_.end(), name) != names_.end();
  }
  const std::vector<std::string>& names() const { return names_; }
  std::unique_ptr<formats::ByteSource> open(const std::string& name) const {
    return is_folder_ ? formats::open_file_source((root_ / (name + kImageArraySuffix)).string())
                      : formats::open_archive_member(root_.string(), name + kImageArraySuffix);
  }
  std::string path(const std::string& name) const {
    return is_folder_ ? (root_ / (name + kImageArraySuffix)).string()
                      : root_.string() + ":" + name + kImageArraySuffix;
  }

 private:
  void add(const std::string& file) {
    const std::size_t length = std::string(kImageArraySuffix).size();
    if (file.size() > length && file.compare(file.size() - length, length, kImageArraySuffix) == 0) {
      names_.push_back(file.substr(0, file.size() - length));
    }
  }

  fs::path root_;
  bool is_folder_ = false;
  std::vector<std::string> names_;
};

/// Which names are there. With `test_only` the test part alone will do.
Names find_names(const Arrays& arrays, const fs::path& root, bool test_only) {
  for (const Names& names : kNames) {
    const bool training = arrays.has(names.images) && arrays.has(names.labels);
    const bool test = arrays.has(names.test_images) && arrays.has(names.test_labels);
    if (training || (test_only && test)) {
      return {training ? names.images : "", training ? names.labels : "", test ? names.test_images : "",
              test ? names.test_labels : ""};
    }
  }
  throw DataError(fmt::format(
      "{}: has the arrays {}, but not those that are expected: {}", root.string(),
      arrays.names().empty() ? "none" : fmt::format("{}", fmt::join(arrays.names(), ", ")), kExpected));
}

/// Images as the target wants them, with labels; empty names give none.
ImageStore load(const Arrays& arrays, const std::string& images_name, const std::string& labels_name,
                const DataSettings& settings, ImageTarget& target) {
  if (images_name.empty()) return store_of(target);
  formats::ImageArray images = formats::read_image_array(arrays.open(images_name));
  const std::vector<std::int64_t> labels = formats::read_label_array(arrays.open(labels_name));
  if (static_cast<std::int64_t>(labels.size()) != images.count) {
    throw FormatError(
        fmt::format("{} for the {} of {}", counted(static_cast<std::int64_t>(labels.size()), "label"),
                    counted(images.count, "image"), images_name),
        arrays.path(labels_name));
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= kMostClasses) {
      throw FormatError(
          fmt::format("label {} of image {} is outside 0 .. {}", labels[i], i, kMostClasses - 1),
          arrays.path(labels_name));
    }
  }
  settle(target, static_cast<int>(images.width), static_cast<int>(images.height),
         static_cast<int>(images.channels));
  ImageStore store = store_of(target);
  store.labels.assign(labels.begin(), labels.end());
  if (images.width == target.width && images.height == target.height && images.channels == target.channels) {
    store.pixels = std::move(images.pixels);
    return store;
  }
  check_memory(target, images.count, arrays.path(images_name));
  const auto bytes = static_cast<std::ptrdiff_t>(images.width * images.height * images.channels);
  for (std::int64_t i = 0; i < images.count; ++i) {
    formats::Image image{static_cast<int>(images.width),
                         static_cast<int>(images.height),
                         static_cast<int>(images.channels),
                         {}};
    const auto begin = images.pixels.begin() + static_cast<std::ptrdiff_t>(i) * bytes;
    image.pixels.assign(begin, begin + bytes);
    image = brought_to(target, settings, std::move(image), arrays.path(images_name));
    store.pixels.insert(store.pixels.end(), image.pixels.begin(), image.pixels.end());
  }
  return store;
}

/// Takes the images at `indices` out of a store.
ImageStore chosen(const ImageStore& all, const std::vector<std::int64_t>& indices) {
  ImageStore store{all.height, all.width, all.channels, {}, {}, {}};
  const auto bytes = static_cast<std::ptrdiff_t>(all.height * all.width * all.channels);
  store.pixels.reserve(indices.size() * static_cast<std::size_t>(bytes));
  for (const std::int64_t i : indices) {
    const auto begin = all.pixels.begin() + static_cast<std::ptrdiff_t>(i) * bytes;
    store.pixels.insert(store.pixels.end(), begin, begin + bytes);
    store.labels.push_back(all.labels[static_cast<std::size_t>(i)]);
  }
  return store;
}

/// "0", "1", ... up to the largest label.
std::vector<std::string> class_names(const ImageStore& training, const ImageStore& test) {
  std::int32_t last = -1;
  for (const ImageStore* store : {&training, &test}) {
    for (const std::int32_t label : store->labels) last = std::max(last, label);
  }
  std::vector<std::string> names;
  for (std::int32_t label = 0; label <= last; ++label) names.push_back(std::to_string(label));
  return names;
}

/// Both parts as the files have them; one array that is not divided is all training.
struct Loaded {
  ImageStore training, test;
  bool divided = false;
  ImageTarget target;
};

Loaded load_all(const DatasetInfo& info, const DataSettings& settings, const fs::path& root, Parts wanted) {
  const Arrays arrays(root);
  const Names names = find_names(arrays, root, wanted == Parts::kTest);
  Loaded loaded;
  loaded.target = image_target(info, settings);
  loaded.divided = *names.test_images != '\0';
  const bool training_needed = wanted == Parts::kAll || !loaded.divided || settings.standardize;
  if (training_needed) loaded.training = load(arrays, names.images, names.labels, settings, loaded.target);
  if (loaded.divided)
    loaded.test = load(arrays, names.test_images, names.test_labels, settings, loaded.target);
  return loaded;
}

DataSplits open_image_array(const Source& source, const DataSettings& settings, int /*num_steps*/,
                            const fs::path& root, Parts wanted) {
  const DatasetInfo& info = source.info;
  Loaded loaded = load_all(info, settings, root, wanted);
  ImageParts parts;
  parts.name = info.name;
  parts.class_names = class_names(loaded.training, loaded.test);
  parts.title = fmt::format("{} ({} classes)", root.string(), parts.class_names.size());
  if (loaded.divided) {
    check_split_name(settings, "a set of arrays with a test part", {"default", "random"});
    parts.how_tested = "its test arrays";
    parts.training = std::move(loaded.training);
    parts.test = std::move(loaded.test);
  } else {
    // A class' images in the order of the array; "default" draws as "random" does, and each class is in both
    // parts.
    ClassFolders one;
    one.classes = parts.class_names;
    for (std::size_t i = 0; i < loaded.training.labels.size(); ++i) {
      one.train.push_back({"", static_cast<std::int64_t>(i), loaded.training.labels[i], ""});
    }
    DataSettings drawn = settings;
    if (drawn.split == "default") drawn.split = "random";
    const OwnParts own = divide_own(one, drawn, info.name);
    const auto numbers = [](const std::vector<Recording>& part) {
      std::vector<std::int64_t> indices;
      for (const Recording& image : part) indices.push_back(image.number);
      return indices;
    };
    parts.how_tested = own.how_tested;
    parts.test = chosen(loaded.training, numbers(own.test));
    parts.training = chosen(loaded.training, numbers(own.train));
  }
  if (parts.training.size() == 0 && wanted == Parts::kAll) {
    throw DataError(root.string() + ": no image is left for training");
  }
  parts.test_missing = fmt::format("{}: no image is left for the test ({})", root.string(), parts.how_tested);
  parts.random_validation = true;
  parts.validation_item = kOwnValidationItem;
  parts.tell_missing_classes = true;
  parts.test_only = wanted == Parts::kTest;
  return make_image_splits(std::move(parts), settings);
}

void verify_image_array(const Source& source, const VerifyRequest& request, const fs::path& root,
                        VerifyReport& report) {
  try {
    const Loaded loaded = load_all(source.info, request.settings, root, Parts::kAll);
    report.class_names = class_names(loaded.training, loaded.test);
    const auto count = [&](const char* name, const ImageStore& store) {
      SplitCount counts{name, store.size(), store.size(), {}};
      counts.per_class.resize(report.class_names.size());
      for (const std::int32_t label : store.labels) ++counts.per_class[static_cast<std::size_t>(label)];
      report.counts.push_back(counts);
    };
    count(loaded.divided ? "train" : "all", loaded.training);
    if (loaded.divided) count("test", loaded.test);
    report.checks.push_back(
        {root.string(), true,
         fmt::format("{} of {} x {} x {}",
                     counted(static_cast<std::int64_t>(loaded.training.size() + loaded.test.size()), "image"),
                     loaded.target.width, loaded.target.height, loaded.target.channels)});
  } catch (const ConfigError&) {
    throw;
  } catch (const Error& error) {
    report.checks.push_back({root.string(), false, error.what()});
  }
}

bool recognizes_image_array(const fs::path& root) {
  std::error_code ignored;
  if (fs::is_regular_file(root, ignored)) return true;  // what is wrong with it is said when it is opened
  for (const Names& names : kNames) {
    if (fs::is_regular_file(root / (std::string(names.images) + kImageArraySuffix), ignored)) return true;
    const std::string test = names.test_images;
    if (!test.empty() && fs::is_regular_file(root / (test + kImageArraySuffix), ignored)) return true;
  }
  return false;
}

}  // namespace

ImageFacts read_image_array_facts(const DataSettings& settings, const fs::path& root) {
  const Loaded loaded = load_all(image_array_source().info, settings, root, Parts::kAll);
  return {class_names(loaded.training, loaded.test), loaded.target.height, loaded.target.width,
          loaded.target.channels};
}

const Source& image_array_source() {
  static const Source source = [] {
    Source arrays{};
    DatasetInfo& info = arrays.info;
    info.name = "image-array";
    info.title = "Arrays of images";
    info.description =
        "your own still images in NumPy arrays (.npz, or a folder of .npy), named by data.folder";
    info.home_page = "docs/datasets.md";
    info.how_to_get =
        "save your images as numpy.savez(\"PATH\", images=..., labels=...) and name the file: data.folder = "
        "\"PATH\", "
        "absolute, in the data folder or in the working folder";
    info.citation = "none: the images are yours";
    info.licence = "yours";
    info.layout = std::string("an .npz file or a folder of .npy files with the arrays ") + kExpected;
    info.is_users_own = true;
    arrays.recognizes = recognizes_image_array;
    arrays.open = open_image_array;
    arrays.verify = verify_image_array;
    return arrays;
  }();
  return source;
}

}  // namespace spikeloom::data
