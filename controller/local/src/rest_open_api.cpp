// OpenAPI as the real server sends it: documents that clients may keep, since their address holds their hash.
#include <chrono>
#include <ctime>

#include "codeexec/base/encoding.hpp"

#include "rest_state.hpp"

namespace codeexec::local {
namespace {

/// A date as HTTP has it.
std::string http_date(base::wall_time time) {
  std::time_t const seconds =
      std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(time));
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  std::size_t const size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return std::string(text, size);
}

reply with_hash(server_request const& request, open_api_document const& document, std::string content_type) {
  std::string const tag = '"' + document.hash + '"';
  reply out(200, std::move(content_type), document.text);
  if (request.header("if-none-match").find(tag) != std::string::npos) {
    out = reply();
    out.status = 304;
  }
  out.headers.emplace_back("Etag", tag);
  out.headers.emplace_back("Vary", "Accept");
  return out;
}

open_api_document empty_v2(bool binary) {
  open_api_document out;
  if (binary) {
    // swagger: "2.0", info: {title: "codeexec-local", version: "0.1"}
    out.text = std::string(
        "\x0a\x03"
        "2.0"
        "\x12\x15\x0a\x0e"
        "codeexec-local"
        "\x12\x03"
        "0.1",
        28);
  } else {
    out.text = dump({{"swagger", "2.0"},
                     {"info", {{"title", "codeexec-local"}, {"version", "0.1"}}},
                     {"paths", json::object()},
                     {"definitions", json::object()}});
  }
  out.hash = base::sha256_hex(out.text);
  return out;
}

}  // namespace

reply api_server::state::open_api_page(std::vector<std::string> const& parts, query const& options,
                                       server_request const& request) {
  if (parts.size() == 2 && parts[1] == "v3") {
    // The real server's content type here, too, is that of text.
    return with_hash(request, documents.index(), "text/plain; charset=utf-8");
  }
  if (parts.size() > 2 && parts[1] == "v3") {
    std::string path;
    for (std::size_t i = 2; i < parts.size(); ++i) {
      path += (i == 2 ? "" : "/") + parts[i];
    }
    auto const* const document = documents.find(path);
    if (!document) {
      return reply::no_such_page();
    }
    std::string const hash = options.get("hash");
    if (!hash.empty() && hash != document->hash) {
      reply moved(301, "text/html; charset=utf-8", {});
      moved.headers.emplace_back("Location", "/openapi/v3/" + path + "?hash=" + document->hash);
      return moved;
    }
    reply out = with_hash(request, *document, "application/json");
    if (!hash.empty()) {
      out.headers.emplace_back("Cache-Control", "public, immutable");
      out.headers.emplace_back("Expires", http_date(objects.clock().wall_now() + std::chrono::hours(24 * 365)));
    }
    return out;
  }
  if (parts.size() == 2 && parts[1] == "v2") {
    // Superseded by v3, and asked for by clients that then do without. An empty document, in either form.
    if (request.header("accept").find("protobuf") != std::string::npos) {
      return with_hash(request, empty_v2(true), "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    }
    return with_hash(request, empty_v2(false), "application/json");
  }
  return reply::no_such_page();
}

}  // namespace codeexec::local
