//===- Compile.cpp - device code through the host's compiler ---------------===//
// Writes the text and its headers to a folder, runs the compiler there, keeps what came out.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "stand-ins/nvrtc/Compile.h"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace standin {

namespace fs = std::filesystem;

namespace {

/// A folder that goes away with its owner.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::error_code error;
    std::string pattern = (fs::temp_directory_path(error) / "ftc-stand-in-XXXXXX").string();
    if (mkdtemp(pattern.data()))
      path = pattern;
  }
  ~TemporaryFolder() {
    std::error_code error;
    if (!path.empty())
      fs::remove_all(path, error);
  }
  TemporaryFolder(const TemporaryFolder &) = delete;

  fs::path path; // empty where there is none
};

bool readFile(const fs::path &path, std::string &text) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  text = bytes.str();
  return file.good();
}

bool writeFile(const fs::path &path, const std::string &text) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return !file.fail();
}

/// Two 64-bit FNV-1a hashes from different starts.
class Key {
public:
  void add(const std::string &text) {
    addByte(text.size() & 0xff); // so that two texts are not one long one
    for (unsigned char byte : text)
      addByte(byte);
  }
  std::string hex() const {
    char digits[33];
    std::snprintf(digits, sizeof digits, "%016llx%016llx", static_cast<unsigned long long>(first),
                  static_cast<unsigned long long>(second));
    return digits;
  }

private:
  void addByte(unsigned char byte) {
    first = (first ^ byte) * 0x100000001b3u;
    second = (second ^ byte ^ 0x55) * 0x100000001b3u;
  }
  uint64_t first = 0xcbf29ce484222325u, second = 0x84222325cbf29ce4u;
};

const char *compiler() {
  const char *named = std::getenv("FTC_STANDIN_CXX");
  return named ? named : FTC_STANDIN_DEFAULT_CXX;
}

/// Everything but the paths of this compilation.
std::vector<std::string> flags(const Source &source) {
  std::vector<std::string> words = {"-x",
                                    "c++",
                                    "-std=c++17",
                                    "-O1",
                                    "-g1",
                                    "-ffp-contract=off",
                                    "-fPIC",
                                    "-fno-exceptions",
                                    "-D__CUDACC_RTC__=1"};
  for (const char *sanitizer : {FTC_STANDIN_SANITIZER_FLAGS})
    if (*sanitizer)
      words.push_back(sanitizer);
  const char *check = std::getenv("FTC_STANDIN_CHECK");
  if (check && std::string(check) == "1")
    for (const char *word : {FTC_STANDIN_CHECK_FLAGS})
      if (*word)
        words.push_back(word);
  words.insert(words.end(), source.defines.begin(), source.defines.end());
  return words;
}

int run(const std::vector<std::string> &words, const fs::path &log) {
  std::vector<char *> arguments;
  for (const std::string &word : words)
    arguments.push_back(const_cast<char *>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child;
  int error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error) {
    std::ofstream(log, std::ios::app) << words[0] << ": cannot be run; FTC_STANDIN_CXX names one\n";
    return -1;
  }
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      return -1;
  return status;
}

/// What NVRTC would not find is an error here too, though CudaOnCpu.h includes standard headers.
bool includesResolve(const Source &source, const fs::path &folder, const fs::path &log) {
  std::vector<std::string> words = {
      compiler(), "-E", "-nostdinc", "-DFTC_ON_CPU=1", "-I" + folder.string(), "-o", "/dev/null"};
  std::vector<std::string> rest = flags(source);
  words.insert(words.end(), rest.begin(), rest.end());
  words.push_back((folder / "source.cu").string());
  return run(words, log) == 0;
}

bool build(const Source &source, const fs::path &folder, const fs::path &log,
           const fs::path &image) {
  std::vector<std::string> words = {compiler()};
  std::vector<std::string> rest = flags(source);
  words.insert(words.end(), rest.begin(), rest.end());
  words.insert(words.end(),
               {"-include", FTC_STANDIN_HEADER, "-I" + folder.string(),
                "-ffile-prefix-map=" + folder.string() + "/=", (folder / "source.cu").string(),
                "-x", "none", "-shared", FTC_STANDIN_ENGINE,
                std::string("-Wl,-rpath,") + fs::path(FTC_STANDIN_ENGINE).parent_path().string(),
                "-o", image.string()});
  return run(words, log) == 0;
}

std::string unit(const Source &source) {
  return "extern \"C\" const int ftc_standin_arch;\nconst int ftc_standin_arch = " +
         std::to_string(source.arch) + ";\n#line 1 \"" + source.name + "\"\n" + source.text;
}

std::string keyOf(const Source &source) {
  Key key;
  key.add(compiler());
  for (const std::string &word : flags(source))
    key.add(word);
  std::string header;
  readFile(FTC_STANDIN_HEADER, header);
  key.add(header);
  key.add(FTC_STANDIN_ENGINE);
  key.add(unit(source));
  for (const auto &header : source.headers) {
    key.add(header.first);
    key.add(header.second);
  }
  return key.hex();
}

fs::path cacheFolder() {
  if (const char *named = std::getenv("FTC_STANDIN_CACHE"))
    return named;
  static TemporaryFolder folder;
  return folder.path;
}

} // namespace

bool isPlainPath(const std::string &path) {
  if (path.empty() || path[0] == '/')
    return false;
  for (const fs::path &part : fs::path(path))
    if (part == "..")
      return false;
  return true;
}

std::string readOptions(Source &source, int count, const char *const *options) {
  source.defines.clear();
  source.arch = 75;
  source.isVirtual = true;
  static const char *const silent[] = {"--std=c++17",
                                       "-std=c++17",
                                       "-default-device",
                                       "--device-as-default-execution-space",
                                       "-lineinfo",
                                       "--generate-line-info",
                                       "-w",
                                       "--disable-warnings",
                                       "--minimal",
                                       "-minimal"};
  static const char *const silentStarts[] = {
      "--fmad=",          "-fmad=",           "--ptxas-options=",
      "--split-compile=", "-split-compile=",  "--Ofast-compile=",
      "--maxrregcount=",  "--diag-suppress=", "-diag-suppress="};
  for (int i = 0; i < count; ++i) {
    std::string option = options[i] ? options[i] : "";
    auto startsWith = [&](const std::string &start) { return option.rfind(start, 0) == 0; };
    bool known = startsWith("-D");
    if (known)
      source.defines.push_back(option);
    for (const char *arch : {"--gpu-architecture=", "-arch="}) {
      if (!startsWith(arch))
        continue;
      std::string value = option.substr(std::string(arch).size());
      size_t digits = value.find('_') + 1;
      source.isVirtual = value.rfind("compute_", 0) == 0;
      source.arch = static_cast<unsigned>(std::atoi(value.c_str() + digits));
      if ((!source.isVirtual && value.rfind("sm_", 0) != 0) || source.arch < 75)
        return "invalid value for --gpu-architecture: " + value;
      known = true;
    }
    for (const char *word : silent)
      known |= option == word;
    for (const char *start : silentStarts)
      known |= startsWith(start);
    if (!known)
      return "unrecognized option " + option;
  }
  return "";
}

bool compile(const Source &source, Binary &binary) {
  fs::path cache = cacheFolder();
  std::error_code error;
  fs::create_directories(cache, error);
  fs::path kept = cache / (keyOf(source) + ".so");
  if (readFile(kept, binary.image) && !binary.image.empty())
    return true;
  TemporaryFolder folder;
  if (folder.path.empty() || cache.empty()) {
    binary.log = "no temporary folder can be made\n";
    return false;
  }
  fs::path sources = folder.path / "sources", log = folder.path / "log",
           image = folder.path / "image.so";
  bool written = writeFile(sources / "source.cu", unit(source));
  for (const auto &header : source.headers)
    written = written && writeFile(sources / header.first, header.second);
  if (!written) {
    binary.log = "the source cannot be written to " + sources.string() + "\n";
    return false;
  }
  bool built = includesResolve(source, sources, log) && build(source, sources, log, image);
  readFile(log, binary.log);
  if (!built || !readFile(image, binary.image))
    return false;
  // Under its final name at once, since other processes look for it too.
  fs::path fresh = cache / (kept.filename().string() + "." + std::to_string(getpid()));
  if (writeFile(fresh, binary.image))
    fs::rename(fresh, kept, error);
  return true;
}

} // namespace standin
