#include "spikeloom/formats/detect.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

#include "spikeloom/formats/safetensors.h"
#include "support.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::operator+;

const Bytes kIdx = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 11, 12, 20, 21, 22};

Bytes atis_events(int count) {
  Bytes bytes;
  for (int i = 0; i < count; ++i) {
    const Bytes event = {static_cast<std::uint8_t>(i % 34), 3, static_cast<std::uint8_t>(i % 2 * 128),
                         static_cast<std::uint8_t>(i * 50 >> 8), static_cast<std::uint8_t>(i * 50)};
    bytes = std::move(bytes) + event;
  }
  return bytes;
}

TEST(Detect, KnowsEveryFormatByContent) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(detect_file(folder.write(kIdx)), FileKind::kIdx);
  EXPECT_EQ(detect_file(folder.write(testing::gzipped(kIdx))), FileKind::kIdx);
  EXPECT_EQ(detect_file(folder.write(Bytes(2 * 3073, 9))), FileKind::kCifar10);
  EXPECT_EQ(detect_file(folder.write(atis_events(100))), FileKind::kEvents);
  EXPECT_EQ(detect_file(folder.write(bytes_of("#!AER-DAT2.0\r\n") + Bytes(8, 0))), FileKind::kEvents);
  EXPECT_EQ(detect_file(folder.write(bytes_of("#!AER-DAT1.0\r\n"))), FileKind::kEvents);
  EXPECT_EQ(detect_file(folder.write(bytes_of("#!AER-DAT3.1\r\n"))), FileKind::kEvents);
  EXPECT_EQ(detect_file(folder.write(bytes_of("Event Stream"))), FileKind::kEvents);
  EXPECT_EQ(detect_file(folder.write(bytes_of("t,x,y,p\n"))), FileKind::kEvents);
  const std::string path = folder.path() + "/model";
  const float value = 1.0f;
  write_safetensors(path, {{"a", DType::kF32, {1}, &value}}, {});
  EXPECT_EQ(detect_file(path), FileKind::kSafetensors);
}

TEST(Detect, WhatFitsNoFormatIsUnknown) {
  const testing::TemporaryFolder folder;
  for (const Bytes& bytes :
       {Bytes{}, Bytes{0}, bytes_of("hello"), bytes_of("a text of forty characters, no more..ok"),
        bytes_of("#!AER-DAT1.1\r\n"), Bytes(4000, 0), testing::gzipped(bytes_of("text")), Bytes{0x1f, 0x8b},
        Bytes(3073, 10), atis_events(7), Bytes(3072, 0)}) {
    EXPECT_EQ(detect_file(folder.write(bytes)), FileKind::kUnknown) << bytes.size();
  }
  Bytes counted(200);
  for (std::size_t i = 0; i < counted.size(); ++i) counted[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(detect_file(folder.write(counted)), FileKind::kUnknown) << "in order, but 0.3 s an event";
  Bytes unsorted = atis_events(100);
  unsorted[5 * 50 + 3] = 0;
  EXPECT_EQ(detect_file(folder.write(unsorted)), FileKind::kUnknown);
  Bytes outside = atis_events(100);
  outside[5 * 50 + 1] = 241;
  EXPECT_EQ(detect_file(folder.write(outside)), FileKind::kUnknown);
  Bytes label = Bytes(3 * 3073, 0);
  label[2 * 3073] = 10;
  EXPECT_EQ(detect_file(folder.write(label)), FileKind::kUnknown);
}

TEST(Detect, ACifarBatchThatBeginsLikeAnIdxHeaderIsABatch) {
  const testing::TemporaryFolder folder;
  Bytes bytes(5 * 3073, 0);
  bytes[2] = 8;
  bytes[3] = 1;
  EXPECT_EQ(detect_file(folder.write(bytes)), FileKind::kCifar10);
}

TEST(Detect, AnOverflowEventMayTurnTheClockBack) {
  const testing::TemporaryFolder folder;
  Bytes bytes = atis_events(10) + Bytes{0, 240, 0, 0, 0} + atis_events(10);
  EXPECT_EQ(detect_file(folder.write(bytes)), FileKind::kEvents);
}

TEST(Detect, ADamagedFileWithASoundHeaderIsStillNamed) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(detect_file(folder.write(Bytes(kIdx.begin(), kIdx.end() - 1))), FileKind::kIdx);
  const Bytes packed = testing::gzipped(kIdx + Bytes(5000, 7));
  EXPECT_EQ(detect_file(folder.write(Bytes(packed.begin(), packed.end() - 9))), FileKind::kIdx);
  EXPECT_EQ(detect_file(folder.write(bytes_of("#!AER-DAT2.0"))), FileKind::kEvents);
}

TEST(Detect, MutationsAreSurvived) {
  // Never a FormatError, whatever the content; the harness counts refusals, so the reader refuses what is
  // unknown.
  const testing::Reader reader = [](const std::string& path) {
    FileKind kind = FileKind::kUnknown;
    try {
      kind = detect_file(path);
    } catch (const FormatError&) {
      ADD_FAILURE() << "detect_file threw FormatError";
    }
    if (kind == FileKind::kUnknown) throw FormatError("unknown", path);
  };
  testing::expect_mutations_survived(reader, kIdx, 1000);
  testing::expect_mutations_survived(reader, testing::gzipped(kIdx), 1000);
  testing::expect_mutations_survived(reader, atis_events(30), 1000);
}

TEST(Detect, MissingFileAndFolderAreDataErrors) {
  testing::expect_missing_refused([](const std::string& path) { detect_file(path); });
}

TEST(Detect, EveryKindHasItsName) {
  EXPECT_STREQ(file_kind_name(FileKind::kUnknown), "unknown");
  EXPECT_STREQ(file_kind_name(FileKind::kIdx), "IDX");
  EXPECT_STREQ(file_kind_name(FileKind::kCifar10), "CIFAR-10");
  EXPECT_STREQ(file_kind_name(FileKind::kEvents), "event recording");
  EXPECT_STREQ(file_kind_name(FileKind::kSafetensors), "safetensors");
}

TEST(Detect, KnowsRealDataSets) {
  SPIKELOOM_REAL_FILE(mnist, "SPIKELOOM_DATA_DIR", "mnist/train-images-idx3-ubyte.gz");
  SPIKELOOM_REAL_FILE(cifar, "SPIKELOOM_DATA_DIR", "cifar10/data_batch_1.bin");
  SPIKELOOM_REAL_FILE(nmnist, "SPIKELOOM_DATA_DIR", "nmnist/Train/5/00001.bin");
  SPIKELOOM_REAL_FILE(poker, "SPIKELOOM_DATA_DIR", "poker_dvs/he_77.aedat");
  EXPECT_EQ(detect_file(mnist), FileKind::kIdx);
  EXPECT_EQ(detect_file(cifar), FileKind::kCifar10);
  EXPECT_EQ(detect_file(nmnist), FileKind::kEvents);
  EXPECT_EQ(detect_file(poker), FileKind::kEvents);
}

TEST(Detect, KnowsRealRecordings) {
  for (const char* name : {"dat/sample_ncars.dat", "evt/evt3_sample.raw", "aedat2/jAERdata.aedat"}) {
    SPIKELOOM_REAL_FILE(path, "SPIKELOOM_EVENT_FILES", name);
    EXPECT_EQ(detect_file(path), FileKind::kEvents) << name;
  }
}

}  // namespace
}  // namespace spikeloom::formats
