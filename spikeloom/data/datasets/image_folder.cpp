#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/base/text.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/data/datasets/class_folders.h"
#include "spikeloom/data/datasets/own_images.h"
#include "spikeloom/data/datasets/source.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kImageNoun = "images";

bool is_image_name(const std::string& name) {
  std::string extension = fs::path(name).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

ClassFolders list_images(const fs::path& root, Parts parts) {
  return list_class_folders(root, is_image_name, kImageNoun, parts);
}

/// The target, with what the first image settles.
ImageTarget settled_target(const DatasetInfo& info, const DataSettings& settings,
                           const ClassFolders& folders) {
  ImageTarget target = image_target(info, settings);
  if (target.width > 0 && target.channels > 0) return target;
  const formats::Image first =
      formats::read_image((folders.train.empty() ? folders.test : folders.train).front().path);
  settle(target, first.width, first.height, first.channels);
  return target;
}

/// Decodes all files with all threads. Throws what the first of them that fails does.
ImageStore load(const std::vector<Recording>& files, const ImageTarget& target,
                const DataSettings& settings) {
  ImageStore store = store_of(target);
  const std::size_t bytes = static_cast<std::size_t>(target.width) * static_cast<std::size_t>(target.height) *
                            static_cast<std::size_t>(target.channels);
  store.pixels.resize(files.size() * bytes);
  store.labels.reserve(files.size());
  for (const Recording& file : files) {
    store.labels.push_back(file.label);
    std::error_code ignored;
    const auto size = fs::file_size(file.path, ignored);
    // Without the folder, which may be moved; the class is in the label.
    store.origins.push_back(
        {fs::path(file.path).filename().string(), ignored ? 0 : static_cast<std::int64_t>(size), ""});
  }
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  std::size_t failed = files.size();
  const auto decode = [&] {
    for (std::size_t i = next++; i < files.size(); i = next++) {
      try {
        const formats::Image image =
            brought_to(target, settings, formats::read_image(files[i].path), files[i].path);
        std::copy(image.pixels.begin(), image.pixels.end(),
                  store.pixels.begin() + static_cast<std::ptrdiff_t>(i * bytes));
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (i < failed) {
          failed = i;
          failure = std::current_exception();
        }
        next = files.size();  // those before it are being decoded already
      }
    }
  };
  std::vector<std::thread> helpers;
  const std::size_t wanted = std::min<std::size_t>(static_cast<std::size_t>(num_threads()), files.size());
  for (std::size_t i = 1; i < wanted; ++i) helpers.emplace_back(decode);
  decode();
  for (std::thread& helper : helpers) helper.join();
  if (failure != nullptr) std::rethrow_exception(failure);
  return store;
}

DataSplits open_image_folder(const Source& source, const DataSettings& settings, int /*num_steps*/,
                             const fs::path& root, Parts wanted) {
  const DatasetInfo& info = source.info;
  const bool test_only = wanted == Parts::kTest;
  const ClassFolders folders = list_images(root, wanted);
  const ImageTarget target = settled_target(info, settings, folders);
  OwnParts own = divide_own(folders, settings, info.name);
  if (own.train.empty() && !test_only) throw DataError(root.string() + ": no image is left for training");
  // What is subtracted and divided by is of the training images.
  if (test_only && !settings.standardize) own.train.clear();
  check_memory(target, static_cast<std::int64_t>(own.train.size() + own.test.size()), root.string());

  ImageParts parts;
  parts.name = info.name;
  parts.title = fmt::format("{} ({} classes)", root.string(), folders.classes.size());
  parts.class_names = folders.classes;
  parts.training = load(own.train, target, settings);
  parts.test = load(own.test, target, settings);
  parts.how_tested = own.how_tested;
  parts.test_missing = fmt::format("{}: no image is left for the test ({})", root.string(), own.how_tested);
  parts.remark = own.remark;
  parts.random_validation = true;  // as in the set "folder"
  parts.validation_item = kOwnValidationItem;
  parts.tell_missing_classes = true;
  parts.test_only = test_only;
  DataSplits splits = make_image_splits(std::move(parts), settings);
  if (!folders.skipped.empty()) {
    log(LogLevel::kWarning, fmt::format("{}: {}", root.string(), skipped_text(folders.skipped, kImageNoun)));
  }
  return splits;
}

void verify_image_folder(const Source& source, const VerifyRequest& request, const fs::path& root,
                         VerifyReport& report) {
  ClassFolders folders;
  ImageTarget target;
  try {
    folders = list_images(root, Parts::kAll);
    target = settled_target(source.info, request.settings, folders);
  } catch (const ConfigError&) {
    throw;
  } catch (const Error& error) {
    report.checks.push_back({root.string(), false, error.what()});
    return;
  }
  report_own(folders, root, report);
  const auto total = static_cast<std::int64_t>(folders.train.size() + folders.test.size());
  std::int64_t done = 0, damaged = 0;
  for (const std::vector<Recording>* part : {&folders.train, &folders.test}) {
    for (const Recording& file : *part) {
      if (request.depth == VerifyDepth::kQuick) break;
      try {
        brought_to(target, request.settings, formats::read_image(file.path), file.path);
      } catch (const Error& error) {
        report.checks.push_back({file.path, false, error.what()});
        ++damaged;
      }
      if (request.progress) request.progress(root.string(), ++done, total);
    }
  }
  report.checks.push_back({root.string(), damaged == 0,
                           request.depth == VerifyDepth::kQuick
                               ? counted(total, "image") + ", not read"
                               : fmt::format("{} of {} x {} x {}, {} damaged", counted(total, "image"),
                                             target.width, target.height, target.channels, damaged)});
}

}  // namespace

ImageFacts read_image_folder_facts(const DataSettings& settings, const fs::path& root) {
  const ClassFolders folders = list_images(root, Parts::kAll);
  const ImageTarget target = settled_target(image_folder_source().info, settings, folders);
  return {folders.classes, target.height, target.width, target.channels};
}

const Source& image_folder_source() {
  static const Source source = [] {
    Source images{};
    DatasetInfo& info = images.info;
    info.name = "image-folder";
    info.title = "A folder of images";
    info.description = "your own still images (PNG, JPEG): one sub-folder a class, named by data.folder";
    info.home_page = "docs/datasets.md";
    info.how_to_get =
        "put your images into one sub-folder a class and name their folder: data.folder = \"PATH\", "
        "absolute, in "
        "the data folder or in the working folder";
    info.citation = "none: the images are yours";
    info.licence = "yours";
    info.layout = "<class>/<any name>.png, .jpg or .jpeg, or the same below train and test";
    info.is_users_own = true;
    images.recognizes = has_class_folders;
    images.open = open_image_folder;
    images.verify = verify_image_folder;
    return images;
  }();
  return source;
}

}  // namespace spikeloom::data
