// The decisions of the URL source: what each response changes. Pure: no connection, no clock.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kubelet/source/source.h"

namespace kubelet::source {

class UrlSet {
 public:
  // `url` as configured, part of every uid; `shown_url` for people, without its password.
  UrlSet(std::string url, std::string shown_url, std::string node_name, References references)
      : url_(std::move(url)),
        shown_url_(std::move(shown_url)),
        node_name_(std::move(node_name)),
        references_(references) {}

  // What an earlier process served, out of PodList. Before the first Apply; counts as complete.
  // False: it cannot be read, nothing happens.
  bool Restore(const std::string& pod_list);
  std::string PodList() const;
  // A body that differs from the one before. A bad item keeps the last good pod of its name; while
  // an item cannot even be named, no pod is removed. A document that can not be read at all changes
  // nothing. The first of two items with one name or uid counts. True when the pods changed.
  bool Apply(const std::string& body, base::WallTime now);

  std::vector<api::PodPtr> Pods() const;
  const std::vector<Problem>& Problems() const { return problems_; }
  // Every item of some response so far was good or had a last good version: nothing unknown may be
  // running.
  bool complete() const { return complete_; }

 private:
  api::PodPtr Settled(const api::PodPtr& fresh) const;
  void AddProblem(const std::string& pod, const std::string& text, bool warning, base::WallTime now,
                  std::vector<Problem>& out) const;
  std::string url_, shown_url_, node_name_;
  References references_;
  std::map<std::string, api::PodPtr> pods_;  // by namespace/name
  std::vector<Problem> problems_;
  bool complete_ = false;
};

}  // namespace kubelet::source
