// The file that lets the store's objects survive a restart: one JSON line a write, compacted at each start.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "codeexec/base/result.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

/// A line is {"resource": "widgets.example.dev", "put": OBJECT} or {..., "remove": "ns/name"}, each with "version", the
/// resourceVersion of the write. A last line cut short by a crash is dropped; any other that cannot be read is an
/// error.
///
/// Written lines reach the kernel at once (they outlive the process, not a power cut).
/// Thread: the store's. Lifetime: must outlive the store's last write.
class journal {
 public:
  struct record {
    std::string resource;
    nlohmann::json value;
  };
  struct content {
    std::vector<record> objects;
    std::uint64_t resource_version = 0;
  };

  /// Reads and compacts the file, makes it where there is none, and locks it against a second program.
  static base::result<std::unique_ptr<journal>> open(std::filesystem::path const& file);

  journal(journal const&) = delete;
  journal& operator=(journal const&) = delete;
  ~journal();

  /// What the file held. Moved out.
  content take_content() { return std::move(content_); }
  /// Appends each write from now on. A write that fails is logged once and ends the recording.
  void record_writes(store& objects);

 private:
  journal(std::filesystem::path file, content read, std::FILE* out, int lock);

  void append(resource_type const& type, event const& what);

  std::filesystem::path file_;
  content content_;
  std::FILE* out_;
  int lock_;
};

}  // namespace codeexec::local
