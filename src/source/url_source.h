// The moving half of the URL source: a GET every period around a UrlSet. Core loop only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/source/source.h"
#include "source/http_get.h"
#include "source/url_set.h"

namespace kubelet::source {

class UrlSource : public PodSource {
 public:
  UrlSource(UrlSourceOptions options, SourceDeps deps);
  void Start() override;
  base::Task<void> Stop() override;
  const std::string& name() const override { return name_; }
  std::vector<Problem> problems() const override;

  // For tests: fetches finished so far.
  uint64_t fetches() const { return fetches_; }

 private:
  base::Task<void> Run();
  base::Task<void> Fetch();
  base::Task<void> Restore();
  base::Task<void> DeliverRestored(base::MonoTime when);
  base::Task<void> Save();
  void Deliver();
  base::Task<absl::StatusOr<std::string>> GetBody();
  base::Task<absl::Status> LoadRoots();
  void Report(const absl::Status& status);

  UrlSourceOptions options_;
  SourceDeps deps_;
  std::string name_ = kUrlSource;
  std::string shown_url_;  // without user info
  UrlSet set_;
  client::TlsContext tls_;
  std::optional<std::string> body_id_;  // of the last body that was taken
  std::optional<Problem> fetch_problem_;
  int failures_ = 0;  // in a row
  bool delivered_ = false;
  bool restored_ = false;  // not yet delivered
  uint64_t fetches_ = 0;
  base::TaskScope scope_;
};

}  // namespace kubelet::source
