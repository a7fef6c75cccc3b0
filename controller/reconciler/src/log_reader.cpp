#include "codeexec/reconciler/log_reader.hpp"

#include "codeexec/execution/build.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::reconciler {
namespace {

/// The runner writes 9 MiB at most; the node keeps 10.
constexpr std::int64_t longest_log = 16 * 1024 * 1024;
constexpr std::chrono::seconds open_timeout{30};
/// What is read after the end lies there whole: a server that sends nothing for so long is not heard any more.
constexpr std::chrono::seconds pause_limit{10};
/// The kubelet ends a followed log within a second of the container's end.
constexpr std::chrono::seconds end_timeout{5};
constexpr std::size_t longest_end = 64 * 1024;

}  // namespace

kube::task<log_reading> read_log(kube::client& client, log_request what) {
  log_reading reading;
  auto const by = base::deadline::after(what.time_limit);

  kube::log_options options;
  options.container = execution::container_name;
  options.follow = what.follow;
  if (!what.follow) options.limit_bytes = longest_log;
  auto request = kube::make_pod_log(what.ns, what.pod, options);
  request.about = what.about;
  auto opening = client.open_stream(std::move(request), by.min(base::deadline::after(open_timeout)));
  auto opened = co_await std::move(opening);
  if (!opened) {
    auto const& e = opened.error();
    // "container "code" in pod "x" is waiting to start: ContainerCreating"
    bool const waiting = e.http_status() == 400 && e.message().find("waiting to start") != std::string::npos;
    reading.end = waiting            ? log_reading::ending::not_yet
                  : e.is_retryable() ? log_reading::ending::broken
                                     : log_reading::ending::refused;
    reading.problem = e.describe();
    co_return reading;
  }
  auto stream = std::move(*opened);
  std::int64_t bytes = 0;
  for (;;) {
    auto reading_some = stream->read_some(what.follow ? by : by.min(base::deadline::after(pause_limit)));
    auto chunk = co_await std::move(reading_some);
    if (!chunk) {
      reading.problem = chunk.error().describe();
      co_return reading;
    }
    if (chunk->empty()) break;
    bytes += static_cast<std::int64_t>(chunk->size());
    what.frames->feed(*chunk);
    if (what.frames->result()) {
      reading.rest = std::move(stream);
      break;
    }
    if (bytes > longest_log) {
      reading.problem = "the log is longer than any that the runner writes";
      co_return reading;
    }
  }
  what.frames->end();
  reading.end = log_reading::ending::complete;
  // A followed log may also end because the node rotated it or lost the container; without the last frame it is not
  // whole.
  if (what.follow && !what.frames->result()) {
    reading.end = log_reading::ending::broken;
    reading.problem = "the followed log ended without the result";
  } else if (!what.frames->result()) {
    reading.problem = "the log ended before the runner's report";
  }
  co_return reading;
}

kube::task<void> read_to_end(std::unique_ptr<kube::byte_stream> rest) {
  auto const by = base::deadline::after(end_timeout);
  for (std::size_t bytes = 0; bytes < longest_end;) {
    auto reading = rest->read_some(by);
    auto const chunk = co_await std::move(reading);
    if (!chunk || chunk->empty()) co_return;
    bytes += chunk->size();
  }
}

}  // namespace codeexec::reconciler
