// What lists cost: bytes per cached object, and time and memory for a hundred thousand of them. hack/bench lists runs
// it.
//
// The API server is a function in this process that makes pages and watch lines out of recorded objects, so that what
// is measured is the reading: reflector, decoders and store as the operator has them. Memory is what operator new gave
// out, by malloc's own account of its blocks. Times are of the processor. Prints; fails only where the store ends with
// other objects than were sent.
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <malloc.h>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "codeexec/api/names.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/kube_core/job.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/pod.hpp"
#include "codeexec/reconciler/cached_objects.hpp"
#include "codeexec/reconciler/code_execution_reconciler.hpp"
#include "codeexec/runtime/informer.hpp"

namespace {
std::size_t live = 0;
std::size_t peak = 0;

void* counted(void* block) {
  if (block == nullptr) throw std::bad_alloc();
  live += malloc_usable_size(block) + sizeof(void*);  // and malloc's own word for each block
  peak = std::max(peak, live);
  return block;
}
void uncounted(void* block) {
  if (block == nullptr) return;
  live -= malloc_usable_size(block) + sizeof(void*);
  std::free(block);
}
}  // namespace

// One thread, so that plain counters do.
void* operator new(std::size_t size) {
  return counted(std::malloc(size));
}
void* operator new(std::size_t size, std::align_val_t align) {
  return counted(std::aligned_alloc(static_cast<std::size_t>(align), size));
}
void operator delete(void* block) noexcept {
  uncounted(block);
}
void operator delete(void* block, std::size_t) noexcept {
  uncounted(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  uncounted(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  uncounted(block);
}

namespace codeexec {
namespace {

using nlohmann::json;
/// Of this program's processor time, so that a busy machine does not count.
double ms_now() {
  return static_cast<double>(std::clock()) * 1000.0 / CLOCKS_PER_SEC;
}
double mib(std::size_t bytes) {
  return static_cast<double>(bytes) / (1024.0 * 1024.0);
}

/// An object as text, with a number in it that makes each copy another object.
class mold {
 public:
  explicit mold(json object) {
    auto& metadata = object["metadata"];
    metadata["name"] = "object-" + mark;
    metadata["uid"] = "5b1f3c5e-7d0a-4d57-9f0e-0000" + mark;
    metadata["resourceVersion"] = mark;
    metadata["namespace"] = "agents";
    metadata["managedFields"] = managed_fields(object);
    text_ = object.dump();
    for (auto at = text_.find(mark); at != std::string::npos; at = text_.find(mark, at + 1))
      marks_.push_back(at);
  }
  void append_to(std::string& out, std::size_t number) const {
    auto const from = out.size();
    out += text_;
    char digits[16];
    std::snprintf(digits, sizeof digits, "%08zu", number % 100'000'000);
    for (auto const at : marks_)
      std::memcpy(out.data() + from + at, digits, mark.size());
  }
  std::size_t size() const { return text_.size(); }

 private:
  inline static std::string const mark = "99999999";

  /// As a server writes them: every field that somebody set, once more.
  static json managed_fields(json const& object) {
    std::function<json(json const&)> const names = [&names](json const& of) {
      auto out = json::object();
      if (of.is_object()) {
        for (auto const& [key, value] : of.items())
          out["f:" + key] = names(value);
      }
      return out;
    };
    json entry{{"manager", "kube-controller-manager"},
               {"operation", "Update"},
               {"apiVersion", "v1"},
               {"fieldsType", "FieldsV1"},
               {"time", "2026-11-20T10:00:00Z"}};
    auto all = names(object);
    all.erase("f:apiVersion");
    all.erase("f:kind");
    entry["fieldsV1"] = std::move(all);
    return json::array({entry});
  }

  std::string text_;
  std::vector<std::size_t> marks_;
};

std::string page_of(mold const& of, std::size_t from, std::size_t to, bool more) {
  std::string out = R"({"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"100")";
  if (more) out += R"(,"continue":")" + std::to_string(to) + '"';
  out += R"(},"items":[)";
  out.reserve(out.size() + (to - from) * (of.size() + 1) + 8);
  for (auto i = from; i < to; ++i) {
    if (i > from) out += ',';
    of.append_to(out, i);
  }
  return out += "]}";
}

class endless_stream final : public kube::byte_stream {
 public:
  endless_stream(mold const& of, std::size_t objects, bool listed)
      : of_(of), left_(listed ? objects : 0), to_(objects) {
    ends_ = listed;
  }
  kube::task<kube::result<std::string>> read_some(base::deadline by) override {
    std::string out;
    while (left_ > 0 && out.size() < 64 * 1024) {
      out += R"({"type":"ADDED","object":)";
      of_.append_to(out, to_ - left_--);
      out += "}\n";
    }
    if (left_ == 0 && std::exchange(ends_, false)) {
      out += R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"100","annotations":)"
             R"({"k8s.io/initial-events-end":"true"}}}})"
             "\n";
    }
    if (!out.empty()) co_return out;
    co_await async::sleep_until(by);
    co_return kube::error(kube::error_kind::cancelled, "cancelled");
  }

 private:
  mold const& of_;
  std::size_t left_;
  std::size_t to_;
  bool ends_ = false;
};

class page_server final : public kube::client {
 public:
  page_server(mold const& of, std::size_t objects) : of_(of), objects_(objects) {}

  kube::task<kube::result<std::string>> send(kube::request r, base::deadline) override {
    auto const at = r.target.find("continue=");
    auto const from = at == std::string::npos ? 0 : std::strtoull(r.target.c_str() + at + 9, nullptr, 10);
    auto const limit = std::strtoull(r.target.c_str() + r.target.find("limit=") + 6, nullptr, 10);
    auto const to = std::min<std::size_t>(from + limit, objects_);
    double const start = ms_now();
    auto page = page_of(of_, from, to, to < objects_);
    making_ms += (ms_now() - start);
    ++pages;
    co_return page;
  }
  kube::task<kube::result<std::unique_ptr<kube::byte_stream>>> open_stream(kube::request r, base::deadline) override {
    bool const listed = r.target.find("sendInitialEvents") != std::string::npos;
    std::unique_ptr<kube::byte_stream> stream = std::make_unique<endless_stream>(of_, objects_, listed);
    co_return stream;
  }

  double making_ms = 0;
  int pages = 0;

 private:
  mold const& of_;
  std::size_t objects_;
};

struct cost {
  double ms = 0;
  std::size_t kept = 0;       ///< bytes, once all is listed
  std::size_t transient = 0;  ///< bytes above that while it was listed
};

/// Fills a store as the operator has it.
template <class T>
cost fill(kube::resource const& type, mold const& of, std::size_t objects, kube::projection const& keep,
          typename runtime::informer<T>::decode_function decode, bool streamed) {
  boost::asio::io_context io(1);
  page_server server(of, objects);
  auto const before = live;
  runtime::informer_options options;
  options.type = type;
  options.keep = keep;
  options.policy.streaming_lists = streamed;
  runtime::informer<T> things(io.get_executor(), server, std::move(options), std::move(decode), base::system_clock(),
                              base::rng(1));
  runtime::store<api::CodeExecution> executions;
  runtime::store<kube::Job> jobs;
  runtime::store<kube::Pod> pods;
  if constexpr (std::is_same_v<T, api::CodeExecution>) {
    reconciler::stores{things.objects(), jobs, pods}.add_indices();
  } else if constexpr (std::is_same_v<T, kube::Job>) {
    reconciler::stores{executions, things.objects(), pods}.add_indices();
  } else {
    reconciler::stores{executions, jobs, things.objects()}.add_indices();
  }
  async::task_group group(io.get_executor());
  peak = live;
  double const start = ms_now();
  things.start(group);
  while (!things.has_synced())
    io.run_one();
  cost c;
  c.ms = (ms_now() - start) - server.making_ms;
  c.kept = live - before;
  c.transient = peak - live;
  if (things.objects().size() != objects) {
    std::cerr << "bench: " << things.objects().size() << " objects in the store, not " << objects << '\n';
    std::exit(1);
  }
  group.stop();
  io.restart();
  io.run();
  return c;
}

std::vector<json> recorded(std::string const& name) {
  std::ifstream in(std::string(CODEEXEC_SOURCE_DIR) + "/tests/data/transcripts/" + name);
  std::vector<json> out;
  for (std::string line; std::getline(in, line);)
    out.push_back(json::parse(line));
  return out;
}
/// The last recorded state of the object that succeeded, as one of ours.
json succeeded(std::string const& file) {
  json last;
  for (auto const& line : recorded(file)) {
    std::string const name = line["object"]["metadata"]["name"];
    if (name.starts_with("ok")) last = line["object"];
  }
  last["metadata"]["labels"][std::string(api::labels::execution_uid)] = "0b0e4c1e-3c3b-4c39-8b9e-1c6a54b3d299";
  return last;
}

json execution(bool finished, std::size_t code, std::size_t output) {
  json e = {{"apiVersion", "codeexec.dev/v1alpha1"}, {"kind", "CodeExecution"}};
  e["metadata"] = {{"creationTimestamp", "2026-11-20T10:00:00Z"}, {"generation", 1}};
  e["metadata"]["finalizers"] = json::array({"codeexec.dev/cleanup"});
  e["spec"] = {{"language", "python"},  {"code", std::string(code, 'x')},
               {"timeoutSeconds", 300}, {"startupTimeoutSeconds", 300},
               {"network", "Deny"},     {"cleanupPolicy", "Delete"}};
  e["spec"]["resources"]["requests"] = {{"cpu", "200m"}, {"memory", "256Mi"}};
  e["spec"]["resources"]["limits"] = {{"cpu", "500m"}, {"memory", "512Mi"}, {"ephemeral-storage", "1Gi"}};
  e["spec"]["output"] = {{"maxBytes", 65536}};
  e["status"] = {{"observedGeneration", 1}, {"phase", finished ? "Succeeded" : "Running"}};
  e["status"]["reason"] = finished ? "Completed" : "Running";
  e["status"]["jobName"] = "object-5b1f3c5e7d";
  if (!finished) return e;
  auto& status = e["status"];
  status["exitCode"] = 0;
  status["stdout"] = std::string(output, 'o');
  status["stderr"] = "";
  status["output"] = {
      {"stdoutBytes", output}, {"stderrBytes", 0}, {"stdoutTruncated", false}, {"stderrTruncated", false}};
  status["startTime"] = status["completionTime"] = "2026-11-20T10:00:01Z";
  status["duration"] = "35ms";
  for (auto const* const step : {"accepted", "jobCreated", "podScheduled", "codeStarted", "codeFinished", "captured"})
    status["timeline"][step] = "2026-11-20T10:00:01.123456Z";
  status["usage"] = {{"wallMillis", 35}, {"cpuMillis", 30}, {"maxRSSBytes", 9437184}};
  status["podName"] = "object-5b1f3c5e7d-abcde";
  status["nodeName"] = "node-1";
  status["image"] = "python:3.11-slim";
  status["imageID"] = "docker.io/library/python@sha256:" + std::string(64, 'a');
  status["codeSHA256"] = std::string(64, 'b');
  status["sandbox"] = {{"runtimeClassName", "gvisor"}, {"verified", true}};
  for (auto const* const type : {"Ready", "Complete"}) {
    status["conditions"].push_back({{"type", type},
                                    {"status", "True"},
                                    {"observedGeneration", 1},
                                    {"lastTransitionTime", "2026-11-20T10:00:01Z"},
                                    {"reason", "Completed"},
                                    {"message", "The code ended with exit code 0."}});
  }
  return e;
}

/// Reads everything and keeps nothing: what no decoder on top of this lexer can beat.
struct sink_of_nothing : nlohmann::json_sax<json> {
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, string_t const&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, std::string const&, nlohmann::detail::exception const&) override { return false; }
};

template <class Read>
void time_page(char const* what, Read read) {
  double best = 1e9;
  std::size_t most = 0;
  for (int i = 0; i < 5; ++i) {
    auto const before = live;
    peak = live;
    double const start = ms_now();
    read();
    best = std::min(best, (ms_now() - start));
    most = std::max(most, peak - before);
  }
  std::printf("  %-46s %8.1f ms %10.0f KiB\n", what, best, static_cast<double>(most) / 1024);
}

int run(std::size_t objects) {
  mold const pod(succeeded("watch-pods.jsonl"));
  mold const job(succeeded("watch-jobs.jsonl"));
  std::size_t const kib = 1024;
  mold const running(execution(false, 2 * kib, 0));
  mold const finished(execution(true, 2 * kib, 4 * kib));
  mold const large(execution(true, 64 * kib, 64 * kib));

  std::printf("One cached object, with its place in the store and the indices\n");
  auto const row = [](char const* what, mold const& of, cost const& c, std::size_t n) {
    std::printf("  %-46s %8zu B, %zu B as JSON\n", what, c.kept / n, of.size());
  };
  constexpr std::size_t n = 10'000;
  auto const executions = [&](mold const& of, std::size_t count) {
    return fill<api::CodeExecution>(kube::code_executions, of, count, reconciler::execution_fields(),
                                    reconciler::decode_cached_execution, false);
  };
  row("CodeExecution, running, 2 KiB of code", running, executions(running, n), n);
  row("CodeExecution, finished, 4 KiB of output", finished, executions(finished, n), n);
  row("CodeExecution, finished, 64 KiB of each", large, executions(large, n / 10), n / 10);
  row("Job", job, fill<kube::Job>(kube::jobs, job, n, reconciler::job_fields(), kube::decode_job, false), n);
  row("Pod", pod, fill<kube::Pod>(kube::pods, pod, n, reconciler::pod_fields(), kube::decode_pod, false), n);

  auto const page = page_of(pod, 0, 500, false);
  std::printf("\nA page of 500 Pods, %.1f MiB                               time  memory beside the page\n",
              mib(page.size()));
  time_page("lexed by nlohmann, nothing kept", [&] {
    sink_of_nothing nothing;
    json::sax_parse(page, &nothing);
  });
  time_page("pruned, and decoded one by one", [&] {
    auto const keep = kube::list_projection(reconciler::pod_fields());
    auto const got = kube::decode_list(page, keep, [](json&& item) { kube::decode_pod(item); });
    if (!got) std::exit(1);
  });
  time_page("as a whole document, then decoded", [&] {
    auto const document = json::parse(page, nullptr, false);
    for (auto const& item : document["items"])
      kube::decode_pod(item);
  });

  std::printf("\n%zu Pods, %.0f MiB of JSON, into an empty store              time      kept  beside it at most\n",
              objects, mib(objects * pod.size()));
  auto const whole = [](char const* what, cost const& c) {
    std::printf("  %-46s %8.0f ms %6.0f MiB %6.1f MiB\n", what, c.ms, mib(c.kept), mib(c.transient));
  };
  whole("in pages of 500",
        fill<kube::Pod>(kube::pods, pod, objects, reconciler::pod_fields(), kube::decode_pod, false));
  whole("as a streaming list",
        fill<kube::Pod>(kube::pods, pod, objects, reconciler::pod_fields(), kube::decode_pod, true));
  whole("in pages, nothing pruned", fill<kube::Pod>(kube::pods, pod, objects, {}, kube::decode_pod, false));
  return 0;
}

}  // namespace
}  // namespace codeexec

int main(int count, char** arguments) {
  std::size_t const objects = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 100'000;
  if (count > 2 || objects == 0) {
    std::cerr << "usage: bench_lists [OBJECTS]\n";
    return 2;
  }
  return codeexec::run(objects);
}
