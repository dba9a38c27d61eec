// Whole streams: pipes, datagrams through the loopback, recordings; a consumer that is too slow; the end.
#include "spikeloom/stream/live_stream.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "spikeloom/base/errors.h"
#include "spikeloom/stream/sources/packed_events.h"
#include "tests/stream/small_network.h"

namespace spikeloom::stream {
namespace {

using std::chrono::milliseconds;
using namespace testing;

class Live : public ::testing::Test {
 protected:
  Live() {
    char name[] = "/tmp/spikeloom-live-XXXXXX";
    folder_ = ::mkdtemp(name);
    settings_.step_us = 1000;
    settings_.window_steps = settings_.every_steps = 4;
  }
  ~Live() override { std::filesystem::remove_all(folder_); }

  LiveSummary run(LiveSource& source, const LiveSettings& live,
                  const std::function<void(const LiveDecision&)>& also = {}) {
    Decider decider(*runtime::make_classifier(small_network()), settings_);
    votes_.clear();
    return run_live(source, decider, live, stop_, [&](const LiveDecision& one) {
      votes_.push_back(one.decision->votes);
      EXPECT_GE(one.latency_ns, 0);
      if (also) also(one);
    });
  }

  /// The votes of all windows, without a stream.
  std::vector<std::vector<float>> expected(const std::vector<events::Event>& list) const {
    Decider decider(*runtime::make_classifier(small_network()), settings_);
    std::vector<std::vector<float>> all;
    const Decider::Decided keep = [&](const Decision& one) { all.push_back(one.votes); };
    for (const auto& event : list) decider.take(event, keep);
    decider.flush(keep);
    return all;
  }

  std::string folder_;
  DeciderSettings settings_;
  std::atomic<bool> stop_{false};
  std::vector<std::vector<float>> votes_;
};

std::vector<std::uint8_t> packed(const std::vector<events::Event>& list, events::SensorSize sensor) {
  std::vector<std::uint8_t> bytes;
  append_packed_header(sensor, bytes);
  append_packed(list, bytes);
  return bytes;
}

TEST_F(Live, ANamedPipeLosesNothing) {
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const auto list = random_events(0, 400, 200, 1);
  const auto source = pipe_source(pipe, {}, [](int width, int height) {
    EXPECT_EQ(width, kWidth);
    EXPECT_EQ(height, kHeight);
  });
  std::thread writer([&] {
    std::ofstream file(pipe, std::ios::binary);
    const auto bytes = packed(list, {kWidth, kHeight});
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  });
  LiveSettings live;
  live.queue_events = 100;  // the writer is kept waiting
  live.waits_when_full = true;
  const LiveSummary summary = run(*source, live);
  writer.join();
  EXPECT_EQ(summary.failure, nullptr);
  EXPECT_EQ(summary.received, static_cast<std::int64_t>(list.size()));
  EXPECT_EQ(summary.binned, summary.received);
  EXPECT_EQ(summary.dropped, 0);
  EXPECT_EQ(summary.decisions, 100);
  EXPECT_EQ(summary.latency.total(), 100);
  EXPECT_EQ(votes_, expected(list));
}

TEST_F(Live, AConsumerThatIsTooSlowIsSaid) {
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const auto list = random_events(0, 200, 200, 1);
  const auto source = pipe_source(pipe, {}, [](int, int) {});
  std::thread writer([&] {
    std::ofstream file(pipe, std::ios::binary);
    const auto bytes = packed(list, {0, 0});
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  });
  LiveSettings live;
  live.queue_events = 500;
  std::int64_t dropped = 0;
  const LiveSummary summary = run(*source, live, [&](const LiveDecision& one) {
    std::this_thread::sleep_for(milliseconds(5));
    dropped = std::max(dropped, one.dropped);
  });
  writer.join();
  EXPECT_EQ(summary.received, static_cast<std::int64_t>(list.size()));
  EXPECT_GT(summary.dropped, 0);
  EXPECT_GT(dropped, 0);
  EXPECT_EQ(summary.binned + summary.late + summary.dropped, summary.received);
}

/// However it ends: each event that was read is somewhere.
void expect_sum(const LiveSummary& summary) {
  EXPECT_EQ(summary.received, summary.binned + summary.late + summary.outside + summary.out_of_range +
                                  summary.dropped + summary.left_in_queue);
}

TEST_F(Live, WhatWaitsWhenAStreamIsStoppedIsCounted) {
  const std::string file = folder_ + "/packed";
  const auto list = random_events(0, 400, 200, 1);
  const auto bytes = packed(list, {0, 0});
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  for (const bool waits : {true, false}) {
    const auto source = pipe_source(file, {}, [](int, int) {});
    LiveSettings live;
    live.queue_events = 2000;  // more than a window, less than what is read at once
    live.waits_when_full = waits;
    stop_ = false;
    const LiveSummary stopped = run(*source, live, [&](const LiveDecision&) {
      std::this_thread::sleep_for(milliseconds(20));  // the queue fills
      stop_ = true;
    });
    EXPECT_TRUE(stopped.was_stopped);
    EXPECT_EQ(stopped.decisions, 1);  // a stop does not wait for the rest of what was taken off the queue
    EXPECT_GT(stopped.left_in_queue, 0);
    EXPECT_EQ(stopped.dropped > 0, !waits);
    expect_sum(stopped);
    stop_ = false;
    const auto again = pipe_source(file, {}, [](int, int) {});
    live.most_decisions = 3;
    const LiveSummary enough = run(*again, live);
    EXPECT_TRUE(!waits || enough.left_in_queue > 0);
    expect_sum(enough);
  }
}

TEST_F(Live, DamageIsToldAfterWhatWasBefore) {
  const std::string file = folder_ + "/packed";
  const auto list = random_events(0, 12, 3, 1);
  auto bytes = packed(list, {0, 0});
  bytes.back() = 1;
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  const auto source = pipe_source(file, {}, [](int, int) {});
  const LiveSummary summary = run(*source, {});
  EXPECT_EQ(summary.received, static_cast<std::int64_t>(list.size()) - 1);
  EXPECT_EQ(summary.decisions, 3);
  ASSERT_NE(summary.failure, nullptr);
  EXPECT_THROW(std::rethrow_exception(summary.failure), FormatError);
}

TEST_F(Live, ASensorThatDoesNotFitEndsThePipe) {
  const std::string file = folder_ + "/packed";
  const auto bytes = packed(random_events(0, 4, 3, 1), {640, 480});
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  const auto source = pipe_source(file, {}, [](int width, int) { throw DataError(std::to_string(width)); });
  const LiveSummary summary = run(*source, {});
  ASSERT_NE(summary.failure, nullptr);
  EXPECT_THROW(std::rethrow_exception(summary.failure), DataError);
  EXPECT_EQ(summary.received, 0);  // nothing ran
  EXPECT_EQ(summary.decisions, 0);
}

TEST_F(Live, TextIsFoundByItsContent) {
  const std::string file = folder_ + "/text";
  const auto list = random_events(0, 9, 3, 1);
  std::ofstream text(file);
  for (const auto& event : list) {
    text << event.t_us << "," << event.x << "," << event.y << "," << int{event.polarity} << "\n";
  }
  text.close();
  const auto source = pipe_source(file, {}, [](int, int) {});
  run(*source, {});
  EXPECT_EQ(votes_, expected(list));
  EXPECT_THROW(pipe_source(folder_ + "/none", {}, [](int, int) {}), DataError);
}

TEST_F(Live, EndsAfterSoManyDecisions) {
  const std::string file = folder_ + "/gap";
  std::ofstream(file) << "1,0,0,1\n950000,0,0,1\n960000,0,0,1\n";  // hundreds of windows between two events
  for (const std::int64_t most : {1, 2, 7}) {
    const auto source = pipe_source(file, {}, [](int, int) {});
    LiveSettings live;
    live.most_decisions = most;
    EXPECT_EQ(run(*source, live).decisions, most);
    EXPECT_EQ(static_cast<std::int64_t>(votes_.size()), most);
  }
}

TEST_F(Live, ARecordingIsPlayedInItsTime) {
  const std::string file = folder_ + "/recording.csv";
  const auto list = random_events(0, 100, 3, 1);
  std::ofstream text(file);
  text << "t,x,y,p\n";
  for (const auto& event : list) {
    text << event.t_us << "," << event.x << "," << event.y << "," << int{event.polarity} << "\n";
  }
  text.close();
  const formats::EventReaderOptions options("csv", kWidth, kHeight);
  for (const double speed : {0.0, 2.0}) {
    const auto source = recording_source(file, options, speed, [](int, int) {});
    LiveSettings live;
    live.waits_when_full = true;
    const LiveSummary summary = run(*source, live);
    EXPECT_EQ(votes_, expected(list));
    const double shortest = speed > 0.0 ? 0.0996 / speed : 0.0;
    EXPECT_GE(summary.seconds, shortest * 0.99);
  }
  const auto check = [](int, int) { throw DataError("does not fit"); };
  EXPECT_THROW(recording_source(file, options, 0.0, check), DataError);
}

TEST_F(Live, BytesThatAreNoEventsAreSaidToBeWhatTheyAre) {
  const auto error_of = [&](const std::string& bytes, const PipeOptions& options = {}) {
    const std::string file = folder_ + "/bytes";
    std::ofstream(file, std::ios::binary) << bytes;
    const auto source = pipe_source(file, options, [](int, int) {});
    const LiveSummary summary = run(*source, {});
    EXPECT_EQ(summary.received, 0);
    if (!summary.failure) return std::string();
    try {
      std::rethrow_exception(summary.failure);
    } catch (const FormatError& error) {
      return std::string(error.what());
    }
  };
  std::string atis, noise = "x";
  for (int i = 0; i < 20; ++i) {
    const char record[] = {static_cast<char>(i), 5, 0, 0, static_cast<char>(3 * i)};
    atis.append(record, sizeof record);
  }
  noise += std::string("\x01\x02", 2);
  for (const char* part : {"ATIS bin", "packed events", "t,x,y,p", "convert"}) {
    EXPECT_NE(error_of(atis).find(part), std::string::npos) << error_of(atis);
  }
  EXPECT_NE(error_of("\x1f\x8b\x08 more").find("compressed"), std::string::npos);
  EXPECT_NE(error_of(noise).find("not text"), std::string::npos) << error_of(noise);
  PipeOptions csv;
  csv.format = PipeOptions::Format::kCsv;
  EXPECT_NE(error_of(atis, csv).find("line 1"), std::string::npos);
}

TEST_F(Live, TimesOutOfRangeAreCountedApart) {
  const std::string file = folder_ + "/far";
  std::ofstream(file) << "1,0,0,1\n9223372036854775807,0,0,1\n-9223372036854775808,0,0,1\n2,9,9,1\n";
  const auto source = pipe_source(file, {}, [](int, int) {});
  const LiveSummary summary = run(*source, {});
  EXPECT_EQ(summary.binned, 1);
  EXPECT_EQ(summary.out_of_range, 2);
  EXPECT_EQ(summary.outside, 1);
}

class Udp : public Live {
 protected:
  Udp() : source_(datagram_source("0")), socket_(::socket(AF_INET, SOCK_DGRAM, 0)) {
    to_.sin_family = AF_INET;
    to_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const std::string& name = source_->name();
    to_.sin_port = htons(static_cast<std::uint16_t>(std::stoi(name.substr(name.rfind(':') + 1))));
  }
  ~Udp() override { ::close(socket_); }

  void send(const std::vector<std::uint8_t>& bytes) const {
    ASSERT_EQ(
        ::sendto(socket_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to_), sizeof to_),
        static_cast<ssize_t>(bytes.size()));
  }
  /// What is there, until `count` events have come or a while has passed.
  std::vector<events::Event> receive(std::size_t count) const {
    std::vector<events::Event> all, some;
    for (int i = 0; i < 100 && all.size() < count; ++i) {
      source_->read(some, milliseconds(20));
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

  std::unique_ptr<LiveSource> source_;
  int socket_;
  sockaddr_in to_{};
};

TEST_F(Udp, DatagramsAreDecided) {
  const auto list = random_events(0, 12, 30, 1);
  for (std::size_t at = 0, number = 7; at < list.size(); at += 50, ++number) {
    send(packed_datagram(number, {list.data() + at, std::min<std::size_t>(50, list.size() - at)}));
  }
  LiveSettings live;
  live.idle = milliseconds(100);  // the third window is finished for want of events
  live.most_decisions = 3;
  const LiveSummary summary = run(*source_, live);
  EXPECT_EQ(votes_, expected(list));
  EXPECT_EQ(summary.received, static_cast<std::int64_t>(list.size()));
  EXPECT_EQ(source_->datagrams()->received, 8);
  EXPECT_EQ(source_->datagrams()->lost, 0);
}

TEST_F(Udp, LossesAndDamageAreCounted) {
  const auto list = random_events(0, 1, 9, 1);
  const auto datagram = [&](std::uint64_t number) {
    return packed_datagram(number, {list.data(), list.size()});
  };
  for (const std::uint64_t number : {10u, 11u, 15u, 13u, 16u})
    send(datagram(number));  // 12 and 14 never come
  send({});
  send({1, 2, 3});
  auto cut = datagram(17);
  cut.pop_back();
  send(cut);
  send(datagram(std::uint64_t{1} << 40));  // the sender begins anew
  send(datagram((std::uint64_t{1} << 40) + 1));
  EXPECT_EQ(receive(7 * list.size()).size(), 7 * list.size());
  const DatagramCounts& counts = *source_->datagrams();
  EXPECT_EQ(counts.received, 7);
  EXPECT_EQ(counts.malformed, 3);
  EXPECT_EQ(counts.lost, 2);
  EXPECT_EQ(counts.out_of_order, 1);
  EXPECT_EQ(counts.restarts, 1);
  EXPECT_EQ(counts.senders, 1);
}

TEST_F(Udp, RepeatedOnesAreLeftOutAndARestartLosesNothing) {
  const auto datagram = [](std::uint64_t number, std::int64_t t_us) {
    const events::Event event{t_us, 0, 0, 1};
    return packed_datagram(number, {&event, 1});
  };
  for (const std::uint64_t number : {0u, 1u, 1u, 3u})
    send(datagram(number, static_cast<std::int64_t>(number)));
  for (std::uint64_t number = 0; number < 5; ++number)
    send(datagram(number, 100 + static_cast<std::int64_t>(number)));
  std::vector<std::int64_t> times;
  for (const events::Event& event : receive(8)) times.push_back(event.t_us);
  EXPECT_EQ(times, (std::vector<std::int64_t>{0, 1, 3, 100, 101, 102, 103, 104}));
  const DatagramCounts& counts = *source_->datagrams();
  EXPECT_EQ(counts.received, 9);
  EXPECT_EQ(counts.lost, 1);
  EXPECT_EQ(counts.repeated, 1);
  EXPECT_EQ(counts.restarts, 1);
}

TEST_F(Udp, EachSenderCountsForItself) {
  const auto list = random_events(0, 1, 3, 1);
  const int other = ::socket(AF_INET, SOCK_DGRAM, 0);
  const int own = socket_;
  for (const std::uint64_t number : {0u, 1u, 2u}) {
    socket_ = own;
    send(packed_datagram(number, {list.data(), list.size()}));
    socket_ = other;
    send(packed_datagram(number, {list.data(), list.size()}));
  }
  socket_ = own;
  EXPECT_EQ(receive(6 * list.size()).size(), 6 * list.size());
  ::close(other);
  const DatagramCounts& counts = *source_->datagrams();
  EXPECT_EQ(counts.senders, 2);
  EXPECT_EQ(counts.lost + counts.out_of_order + counts.repeated + counts.restarts, 0);
}

TEST_F(Udp, IPv6IsListenedTo) {
  std::unique_ptr<LiveSource> source;
  try {
    source = datagram_source("[::1]:0");
  } catch (const DataError& error) {
    GTEST_SKIP() << error.what();
  }
  const std::string start = "udp:[::1]:";
  ASSERT_EQ(source->name().substr(0, start.size()), start);
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_addr = in6addr_loopback;
  to.sin6_port = htons(static_cast<std::uint16_t>(std::stoi(source->name().substr(start.size()))));
  const auto list = random_events(0, 1, 3, 1);
  const auto bytes = packed_datagram(0, {list.data(), list.size()});
  const int from = ::socket(AF_INET6, SOCK_DGRAM, 0);
  ASSERT_EQ(::sendto(from, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to),
            static_cast<ssize_t>(bytes.size()));
  ::close(from);
  source_ = std::move(source);
  EXPECT_EQ(receive(list.size()).size(), list.size());
}

TEST_F(Udp, StopEndsAStreamThatIsIdle) {
  std::thread stopper([&] {
    std::this_thread::sleep_for(milliseconds(30));
    stop_ = true;
  });
  const LiveSummary summary = run(*source_, {});
  stopper.join();
  EXPECT_TRUE(summary.was_stopped);
  EXPECT_EQ(summary.decisions, 0);
}

TEST(UdpAddress, IsChecked) {
  for (const char* address : {"", "x", "65536", "127.0.0.1:", ":5", "-1", "[::1:5", "::1]:5", "[::1]"}) {
    EXPECT_THROW(datagram_source(address), ConfigError) << address;
  }
  EXPECT_THROW(datagram_source("203.0.113.1:0"), DataError);  // not an address of this machine
  const auto first = datagram_source("127.0.0.1:0");
  EXPECT_THROW(datagram_source(first->name().substr(4)), DataError);  // taken
}

}  // namespace
}  // namespace spikeloom::stream
