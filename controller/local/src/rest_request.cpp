#include "rest_request.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/text.hpp"

namespace codeexec::local {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

}  // namespace

std::optional<std::vector<std::string>> split_path(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    if (path.front() == '/') {
      path.remove_prefix(1);
      continue;
    }
    auto const slash = path.find('/');
    auto segment = base::percent_decode(path.substr(0, slash));
    if (!segment) {
      return std::nullopt;
    }
    out.push_back(std::move(*segment));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash);
  }
  return out;
}

std::optional<resource_path> parse_resource_path(std::string_view path) {
  auto const parts = split_path(path);
  if (!parts || parts->empty()) {
    return std::nullopt;
  }
  resource_path out;
  std::size_t i = 0;
  if ((*parts)[0] == "api" && parts->size() > 2) {
    out.version = (*parts)[1];
    i = 2;
  } else if ((*parts)[0] == "apis" && parts->size() > 3) {
    out.group = (*parts)[1];
    out.version = (*parts)[2];
    i = 3;
  } else {
    return std::nullopt;
  }
  std::size_t const left = parts->size() - i;
  // namespaces/x is an object itself, and so are its own subresources.
  bool const scoped =
      (*parts)[i] == "namespaces" && left > 2 && (*parts)[i + 2] != "status" && (*parts)[i + 2] != "finalize";
  if (scoped) {
    out.ns = (*parts)[i + 1];
    i += 2;
  }
  bool const proxy = parts->size() - i > 2 && (*parts)[i] == "pods" && (*parts)[i + 2] == "proxy";
  if (proxy) {
    constexpr std::string_view mark = "/proxy";
    out.rest = path.substr(path.find(mark, path.find("/pods/") + 6) + mark.size());
  } else if (parts->size() - i > 3) {
    return std::nullopt;
  }
  out.plural = (*parts)[i];
  if (i + 1 < parts->size()) {
    out.name = (*parts)[i + 1];
  }
  if (i + 2 < parts->size()) {
    out.subresource = (*parts)[i + 2];
  }
  return out;
}

query query::parse(std::string_view text) {
  query out;
  while (!text.empty()) {
    auto const end = text.find('&');
    std::string_view const pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    auto const sign = pair.find('=');
    auto const name = base::percent_decode(pair.substr(0, sign), true);
    auto const value =
        base::percent_decode(sign == std::string_view::npos ? std::string_view() : pair.substr(sign + 1), true);
    if (name && value && !name->empty()) {
      out.values_.emplace(*name, *value);
    }
  }
  return out;
}

std::string query::get(std::string_view name) const {
  auto const found = values_.find(name);
  return found == values_.end() ? std::string() : found->second;
}

bool query::flag(std::string_view name) const {
  std::string const value = base::to_lower(get(name));
  return value == "true" || value == "1" || value == "t" || (value.empty() && has(name) && name == "watch");
}

std::optional<std::int64_t> query::number(std::string_view name) const {
  std::string const text = get(name);
  std::int64_t out = 0;
  auto const done = std::from_chars(text.data(), text.data() + text.size(), out);
  return !text.empty() && done.ec == std::errc() && done.ptr == text.data() + text.size() ? std::optional(out)
                                                                                          : std::nullopt;
}

std::string media_type(std::string_view content_type) {
  return base::to_lower(trimmed(content_type.substr(0, content_type.find(';'))));
}

std::optional<answer_form> negotiate(std::string_view accept) {
  if (trimmed(accept).empty()) {
    return answer_form::json;
  }
  while (!accept.empty()) {
    auto const comma = accept.find(',');
    std::string_view clause = accept.substr(0, comma);
    accept = comma == std::string_view::npos ? std::string_view() : accept.substr(comma + 1);
    std::string const type = media_type(clause);
    std::map<std::string, std::string, std::less<>> parameters;
    for (auto at = clause.find(';'); at != std::string_view::npos; at = clause.find(';')) {
      clause = clause.substr(at + 1);
      std::string_view const one = trimmed(clause.substr(0, clause.find(';')));
      auto const sign = one.find('=');
      if (sign != std::string_view::npos) {
        parameters.emplace(std::string(one.substr(0, sign)), std::string(one.substr(sign + 1)));
      }
    }
    if (type == "application/yaml" || type == "application/x-yaml") {
      return answer_form::yaml;
    }
    if (type != "application/json" && type != "*/*" && type != "application/*") {
      continue;
    }
    auto const as = parameters.find("as");
    if (as == parameters.end()) {
      return answer_form::json;
    }
    std::string const version = parameters["v"];
    std::string const group = parameters["g"];
    if (group == "meta.k8s.io" && version == "v1") {
      if (as->second == "Table") {
        return answer_form::table;
      }
      if (as->second == "PartialObjectMetadata") {
        return answer_form::partial_object;
      }
      if (as->second == "PartialObjectMetadataList") {
        return answer_form::partial_list;
      }
    }
    if (group == "apidiscovery.k8s.io" && version == "v2" && as->second == "APIGroupDiscoveryList") {
      return answer_form::discovery;
    }
  }
  return std::nullopt;
}

}  // namespace codeexec::local
