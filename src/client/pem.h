// PEM blocks without a look at what is in them. Pure; thread safe.
#pragma once

#include <string>
#include <vector>

namespace kubelet::client {

// The contents of all well-formed blocks in order, whatever their type; text between them, their
// headers, and blocks that are damaged are passed over.
std::vector<std::string> PemBlocks(const std::string& text);
// One block, in lines of 64 characters.
std::string PemText(const std::string& type, const std::string& bytes);

}  // namespace kubelet::client
