#include "spikeloom/data/verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/data/md5.h"
#include "spikeloom/data/registry.h"

namespace spikeloom::data {
namespace {

std::string md5_of(const std::string& text) {
  Md5 sum;
  sum.add(text.data(), text.size());
  return sum.hex();
}

TEST(Md5, Rfc1321Vectors) {
  EXPECT_EQ(md5_of(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5_of("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST(DatasetInfo, IsCompleteForEverySet) {
  for (const std::string& name : dataset_names()) {
    const DatasetInfo& info = dataset_info(name);
    EXPECT_EQ(info.name, name);
    for (const std::string* text : {&info.title, &info.description, &info.how_to_get, &info.home_page,
                                    &info.citation, &info.licence, &info.layout}) {
      EXPECT_FALSE(text->empty()) << name;
      EXPECT_FALSE(contains(*text, "\n")) << name;
    }
    if (info.is_users_own) continue;
    const std::map<std::string, std::size_t> classes = {
        {"n-caltech101", 101}, {"dvs128-gesture", 11}, {"shd", 20}, {"ssc", 35}};
    EXPECT_EQ(info.class_names.size(), classes.count(name) != 0 ? classes.at(name) : 10u);
    EXPECT_FALSE(info.folders.empty());
    std::int64_t samples = 0;
    for (const SplitInfo& split : info.splits) {
      EXPECT_TRUE(split.per_class.empty() || split.per_class.size() == info.class_names.size());
      samples += split.samples();
    }
    const std::map<std::string, std::int64_t> published = {{"dvs-cifar10", 10000}, {"cifar10", 60000},
                                                           {"n-caltech101", 8709}, {"dvs128-gesture", 1464},
                                                           {"shd", 10420},         {"ssc", 105829}};
    EXPECT_EQ(samples, published.count(name) != 0 ? published.at(name) : 70000) << name;
  }
  EXPECT_TRUE(contains(message_of<ConfigError>([] { dataset_info("imagenet"); }), "fashion-mnist"));
  EXPECT_THROW(verify_dataset("imagenet", ""), ConfigError);
}

TEST(Verify, CountsAndReportsWrongContent) {
  const TemporaryFolder folder;
  write_idx_set(folder / "mnist", 30, 12);
  std::filesystem::remove(folder / "mnist/t10k-labels-idx1-ubyte");
  const VerifyReport report = verify_dataset("mnist", folder.path().string());
  EXPECT_TRUE(report.found);
  EXPECT_FALSE(report.complete);
  EXPECT_EQ(report.root, folder / "mnist");
  ASSERT_EQ(report.checks.size(), 4u);
  EXPECT_TRUE(contains(report.checks[0].message, "not the published one"));
  EXPECT_EQ(report.checks[3].message, "missing (also as .gz)");
  ASSERT_EQ(report.counts.size(), 2u);
  EXPECT_EQ(report.counts[0].name, "train");
  EXPECT_EQ(report.counts[0].found, 30);
  EXPECT_EQ(report.counts[0].expected, 60000);
  EXPECT_EQ(report.counts[0].per_class[4], 3);
  EXPECT_EQ(report.counts[1].found, 0);
  EXPECT_EQ(report.counts[1].expected, 10000);
}

TEST(Verify, DamageIsReportedNotThrown) {
  const TemporaryFolder folder;
  write_cifar10_set(folder / "cifar10", 2, 2);
  write_bytes(folder / "cifar10/data_batch_2.bin", {1, 2, 3});
  const VerifyReport images = verify_dataset("cifar10", folder.path().string());
  ASSERT_EQ(images.checks.size(), 6u);
  EXPECT_TRUE(contains(images.checks[0].message, "2 images, expected 10000"));
  EXPECT_FALSE(images.checks[1].ok);
  EXPECT_TRUE(contains(images.checks[1].message, "3073")) << images.checks[1].message;
  EXPECT_EQ(images.counts[0].found, 8);

  for (int i = 1; i <= 3; ++i) {
    write_bytes(nmnist_path(folder / "nmnist", "Train", 6, i), atis_bytes({{0, 1, 1, 1}}));
  }
  const std::string damaged = nmnist_path(folder / "nmnist", "Train", 6, 2);
  write_bytes(damaged, {1, 2, 3});
  const VerifyReport recordings = verify_dataset("n-mnist", folder.path().string());
  EXPECT_FALSE(recordings.complete);
  EXPECT_EQ(recordings.counts[0].per_class[6], 3);
  EXPECT_EQ(recordings.counts[1].expected, 10000);
  const auto bad = std::find_if(recordings.checks.begin(), recordings.checks.end(),
                                [&](const FileCheck& check) { return check.path == damaged; });
  ASSERT_NE(bad, recordings.checks.end());
  EXPECT_FALSE(bad->ok);
  EXPECT_TRUE(std::any_of(recordings.checks.begin(), recordings.checks.end(), [](const FileCheck& check) {
    return check.message == "3 of 5,918 recordings, 1 damaged";
  }));
}

TEST(Verify, APartThatIsMissingIsNoDamage) {
  const TemporaryFolder folder;
  for (int i = 1; i <= 3; ++i) {
    write_bytes(nmnist_path(folder / "nmnist", "Train", 6, i), atis_bytes({{0, 1, 1, 1}}));
  }
  const VerifyReport report = verify_dataset("n-mnist", folder.path().string());
  EXPECT_FALSE(report.complete);
  EXPECT_FALSE(report.damaged());
  EXPECT_EQ(report.missing_text(),
            "59,997 of 60,000 train samples missing, 10,000 of 10,000 test samples missing");
  write_cifar10_set(folder / "cifar10", 1, 1);
  for (const char* file : {"data_batch_2.bin", "test_batch.bin"}) {
    std::filesystem::remove(folder / ("cifar10/" + std::string(file)));
  }
  const VerifyReport images = verify_dataset("cifar10", folder.path().string());
  EXPECT_TRUE(images.checks[1].missing);
  EXPECT_FALSE(images.checks[0].missing) << "a batch of one image is not the published one";
  EXPECT_TRUE(images.damaged());
}

TEST(Verify, ClassesMustBeAsFrequentAsPublished) {
  const TemporaryFolder folder;
  for (const ExpectedFile& file : dataset_info("cifar10").files) {
    // Zeros of the right size: 10,000 black images of class 0.
    write_bytes(folder / ("cifar10/" + file.name), {});
    std::filesystem::resize_file(folder / ("cifar10/" + file.name),
                                 static_cast<std::uintmax_t>(file.content_size));
  }
  const VerifyReport report = verify_dataset("cifar10", folder.path().string());
  for (const FileCheck& check : report.checks) EXPECT_TRUE(check.ok) << check.message;
  EXPECT_EQ(report.counts[0].found, 50000);
  EXPECT_EQ(report.counts[0].per_class[0], 50000);
  EXPECT_FALSE(report.complete);
}

TEST(Verify, DvsCifar10CountsByClass) {
  const TemporaryFolder folder;
  write_bytes(folder / "dvs-cifar10/frog/cifar10_frog_0.aedat", aedat2_bytes({{0, 1, 1, 1}}));
  write_bytes(folder / "dvs-cifar10/frog/cifar10_frog_999.aedat", aedat2_bytes({{0, 1, 1, 1}}));
  write_bytes(folder / "dvs-cifar10/frog/cifar10_toad_1.aedat", aedat2_bytes({{0, 1, 1, 1}}));
  const VerifyReport report = verify_dataset("dvs-cifar10", folder.path().string());
  ASSERT_EQ(report.counts.size(), 1u);
  EXPECT_EQ(report.counts[0].found, 2);
  EXPECT_EQ(report.counts[0].per_class[6], 2);
  EXPECT_EQ(report.counts[0].expected, 10000);
  EXPECT_FALSE(report.complete);
}

}  // namespace
}  // namespace spikeloom::data
