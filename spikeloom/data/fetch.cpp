#include "spikeloom/data/fetch.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/data/download.h"
#include "spikeloom/data/unpack.h"
#include "spikeloom/data/verify.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

std::string data_folder(const std::string& chosen) {
  if (!chosen.empty()) return chosen;
  const char* const variable = std::getenv("SPIKELOOM_DATA_DIR");
  return variable != nullptr && *variable != '\0' ? variable : "data";
}

bool is_archive(const std::string& name) {
  for (const char* ending : {".zip", ".tar.gz", ".tar.xz", ".tar"}) {
    const std::string text(ending);
    if (name.size() > text.size() && name.compare(name.size() - text.size(), text.size(), text) == 0)
      return true;
  }
  return false;
}

}  // namespace

FetchReport fetch_dataset(const FetchRequest& request, const FetchProgress& progress) {
  const DatasetInfo& info = dataset_info(request.name);
  if (info.downloads.empty()) {
    throw DataError(fmt::format("{} cannot be fetched by a program: {}", info.title, info.how_to_get));
  }
  FetchReport report;
  const fs::path folder = fs::path(data_folder(request.data_dir)) / info.folders.front();
  report.folder = folder.string();
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw DataError(fmt::format("{}: cannot create the folder: {}", folder.string(), error.message()));

  for (const DownloadFile& file : info.downloads) {
    Download wanted{file.url, (folder / file.name).string(), file.md5, -1};
    if (!request.from.empty()) {
      wanted.url = request.from + (request.from.back() == '/' ? "" : "/") + file.name;
    }
    const auto told = [&](const char* action) {
      return [&, action](std::int64_t done, std::int64_t total) {
        return !progress || progress(action, file.name, done, total);
      };
    };
    const DownloadOutcome outcome = download(wanted, told("downloading"));
    report.stopped = outcome == DownloadOutcome::kStopped;
    if (report.stopped) return report;
    std::string line = fmt::format("{}: {}{}", file.name,
                                   outcome == DownloadOutcome::kDownloaded ? "downloaded" : "already there",
                                   file.md5.empty() ? "" : ", MD5 as published");
    if (is_archive(file.name)) {
      const std::int64_t count = unpack_archive(wanted.path, folder.string(), told("unpacking"));
      report.stopped = count < 0;
      if (report.stopped) return report;
      line += fmt::format(", {} unpacked (the archive may be deleted)", counted(count, "file"));
    }
    report.files.push_back(line);
  }
  return report;
}

}  // namespace spikeloom::data
