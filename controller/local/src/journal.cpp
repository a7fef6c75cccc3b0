#include "codeexec/local/journal.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <sys/file.h>
#include <unistd.h>

#include "codeexec/base/log.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

std::string line_of(std::string const& resource, std::uint64_t version, std::string const& object_text) {
  return "{\"resource\":" + json(resource).dump() + ",\"version\":" + std::to_string(version) +
         ",\"put\":" + object_text + "}\n";
}

std::string place_of(std::string const& ns, std::string const& name) {
  return ns.empty() ? name : ns + "/" + name;
}

base::error because(std::string const& what, std::filesystem::path const& file) {
  return base::error(what + " " + file.string() + ": " + std::strerror(errno));
}

}  // namespace

journal::journal(std::filesystem::path file, content read, std::FILE* out, int lock)
    : file_(std::move(file)), content_(std::move(read)), out_(out), lock_(lock) {}

journal::~journal() {
  if (out_ != nullptr) {
    std::fclose(out_);
  }
  ::close(lock_);
}

base::result<std::unique_ptr<journal>> journal::open(std::filesystem::path const& file) {
  std::string const lock_file = file.string() + ".lock";
  int const lock = ::open(lock_file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (lock < 0) {
    return because("cannot open", lock_file);
  }
  struct closer {
    int fd;
    ~closer() {
      if (fd >= 0) {
        ::close(fd);
      }
    }
  } guard{lock};
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    return base::error(file.string() + " is in use by another codeexec-local");
  }

  content read;
  std::map<std::pair<std::string, std::string>, json> latest;
  std::ifstream in(file, std::ios::binary);
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    json const entry = json::parse(line, nullptr, false);
    bool const whole =
        entry.is_object() && at_path(entry, "resource").is_string() && at_path(entry, "version").is_number_unsigned();
    if (!whole) {
      if (in.peek() == std::ifstream::traits_type::eof()) {
        base::log::warn("journal ends in the middle of a line; the line is dropped",
                        {base::log::kv("file", file.string()), base::log::kv("line", number)});
        break;
      }
      return base::error(file.string() + ":" + std::to_string(number) + ": not a journal line");
    }
    std::string const resource = entry.at("resource").get<std::string>();
    read.resource_version = std::max(read.resource_version, entry.at("version").get<std::uint64_t>());
    if (json const& gone = at_path(entry, "remove"); gone.is_string()) {
      latest.erase({resource, gone.get<std::string>()});
    } else if (json const& put = at_path(entry, "put"); put.is_object()) {
      latest[{resource, place_of(string_at(put, "metadata.namespace"), string_at(put, "metadata.name"))}] = put;
    }
  }
  in.close();

  // The file is replaced whole or not at all: a crash here costs nothing.
  std::filesystem::path const fresh = file.string() + ".new";
  std::FILE* out = std::fopen(fresh.c_str(), "wbe");
  if (out == nullptr) {
    return because("cannot write", fresh);
  }
  bool good = true;
  for (auto& [where, value] : latest) {
    std::string const line =
        line_of(where.first, read.resource_version, value.dump(-1, ' ', false, json::error_handler_t::replace));
    good = good && std::fwrite(line.data(), 1, line.size(), out) == line.size();
    read.objects.push_back(record{where.first, std::move(value)});
  }
  good = std::fflush(out) == 0 && ::fsync(::fileno(out)) == 0 && good;
  std::fclose(out);
  if (!good || std::rename(fresh.c_str(), file.c_str()) != 0) {
    return because("cannot write", file);
  }
  out = std::fopen(file.c_str(), "abe");
  if (out == nullptr) {
    return because("cannot append to", file);
  }
  guard.fd = -1;
  return std::unique_ptr<journal>(new journal(file, std::move(read), out, lock));
}

void journal::record_writes(store& objects) {
  objects.add_observer([this](resource_type const& type, event const& what) { append(type, what); });
}

void journal::append(resource_type const& type, event const& what) {
  if (out_ == nullptr) {
    return;
  }
  std::string line;
  if (what.type == event_type::deleted) {
    line = json{{"resource", type.group_resource()},
                {"version", what.resource_version},
                {"remove", place_of(what.current.ns(), what.current.name())}}
               .dump() +
           "\n";
  } else {
    line = line_of(type.group_resource(), what.resource_version, what.current.text());
  }
  if (std::fwrite(line.data(), 1, line.size(), out_) != line.size() || std::fflush(out_) != 0) {
    base::log::error("journal cannot be written; what happens from now on will not survive a restart",
                     {base::log::kv("file", file_.string()), base::log::kv("error", std::strerror(errno))});
    std::fclose(out_);
    out_ = nullptr;
  }
}

}  // namespace codeexec::local
