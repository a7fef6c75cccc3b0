// What an image's name stands for on this machine: configuration, matching, and the sentences of a pull that fails.
// Pure, but for the check whether a program is there, which is passed in.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/base/result.hpp"

namespace codeexec::local {

/// "python:3.11-slim" taken apart as the reference grammar of container images has it.
struct image_reference {
  std::string domain;      ///< "docker.io"
  std::string repository;  ///< "library/python"
  std::string tag;         ///< "3.11-slim"; "latest" where neither tag nor digest is named
  std::string digest;      ///< "sha256:..." or empty

  /// "docker.io/library/python:3.11-slim": what a container's status shows.
  std::string canonical() const;
  /// "python:3.11-slim": what people write, and what the configuration's patterns are compared to.
  std::string familiar() const;
};

/// The failure is the sentence that follows "couldn't parse image name" ("invalid reference format", ...).
base::result<image_reference> parse_image_reference(std::string_view text);

/// What an image brings along besides files.
struct image_config {
  std::vector<std::string> match;      ///< patterns over the familiar name; '*' is any run of characters
  std::vector<std::string> requires_;  ///< programs of the host without which the image is not there ("requires")
  /// Programs of this machine that are in the image, in /usr/local/bin ("programs"): beside codeexec-local, or in PATH.
  /// Such an image is trusted with what is in it, and with nothing else: see kubelet.
  std::vector<std::string> programs;
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::map<std::string, std::string> env;
  std::string working_dir = "/";
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

/// Which parts of the host an image's root shows.
struct host_view {
  std::vector<std::string> folders;  ///< mounted read-only where they are folders, copied where they are links
  std::vector<std::string> copies;   ///< files, links and folders of /etc that are copied once
};

struct image_catalogue {
  host_view view;
  std::vector<image_config> images;

  /// From YAML (config/local/images.yaml). Unknown keys and wrong types are failures that name line and column.
  static base::result<image_catalogue> parse(std::string const& yaml, std::string const& source_name);

  using program_check = std::function<bool(std::string const& program)>;
  /// The first image whose pattern matches and whose required programs are there.
  image_config const* find(image_reference const& name, program_check const& has_program) const;
  /// The programs for want of which the first image whose pattern matches is not there.
  std::vector<std::string> missing_programs(image_reference const& name, program_check const& has_program) const;

 private:
  image_config const* named(image_reference const& name) const;
};

/// '*' stands for any run of characters, also none; nothing else is special.
bool matches_pattern(std::string_view pattern, std::string_view text);

/// "sha256:...": the same for the same image on the same machine, for status.imageID.
std::string image_id(image_config const& image, std::string_view host_identity);

/// What follows from missing_programs(), for people: no registry says it.
std::string missing_sentence(std::vector<std::string> const& programs);

/// What containerd says when it cannot get an image.
std::string pull_failure(image_reference const& name);

/// The copy of config/local/images.yaml that is built into the program.
std::string_view default_images_yaml();

}  // namespace codeexec::local
