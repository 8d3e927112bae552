#include "emulator/app/dev_ca.hpp"

#include "emulator/app/file_io.hpp"
#include "emulator/app/host_names.hpp"
#include "emulator/app/x509.hpp"
#include "emulator/core/base/encoding.hpp"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace app {
namespace {

namespace fs = std::filesystem;
using std::runtime_error;

constexpr auto renew_before = std::chrono::days{30};
constexpr const char* start_anew =
    "; put the right file there, or remove ca.pem and ca-key.pem: new ones are made, and each "
    "client has to "
    "be given the new ca.pem";

std::string day(hub::TimePoint time) { return hub::to_iso8601(time).substr(0, 10); }

// Held while the folder is looked at and written: tests start several emulators at once. A folder
// that is read-only needs none: what is missing in it cannot be written anyway.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder)
      : fd_(::open((folder / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (fd_ >= 0) ::flock(fd_, LOCK_EX);
  }
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

// A file that may be missing; one that is there and cannot be read is an error.
std::optional<std::string> read_if_there(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 && errno == ENOENT) return std::nullopt;
  errno = 0;
  auto text = read_file(path);
  if (!text) {
    throw runtime_error(path.string() + " cannot be read: " + std::strerror(errno) +
                        "; let this user read it");
  }
  return text;
}

bool others_may_read(const fs::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH)) != 0;
}

void warn_of_readers(const fs::path& key, std::vector<std::string>& warnings) {
  if (!others_may_read(key)) return;
  warnings.push_back("the private key " + key.string() +
                     " can be read by every user of this machine: chmod 600 " + key.string());
}

void warn_of_dates(const fs::path& path, X509* certificate, hub::TimePoint now,
                   const std::string& remedy, std::vector<std::string>& warnings) {
  const hub::TimePoint begin = begin_of(certificate), end = end_of(certificate);
  if (now < begin) {
    warnings.push_back("the certificate " + path.string() + " is valid from " + day(begin) +
                       ", and this machine's clock says " + day(now) + ": set the clock");
  } else if (now >= end) {
    warnings.push_back("the certificate " + path.string() + " has ended on " + day(end) +
                       ", clients refuse it: " + remedy);
  } else if (now + renew_before >= end) {
    warnings.push_back("the certificate " + path.string() + " ends on " + day(end) + ": " + remedy);
  }
}

struct Ca {
  fs::path path;
  CertificatePtr certificate;
  KeyPtr key;          // null: what needs a signature cannot be made,
  std::string no_key;  // since
};

// Null: neither is there.
std::optional<Ca> load_ca(const fs::path& folder, hub::TimePoint now) {
  const fs::path key_path = folder / "ca-key.pem";
  Ca ca{folder / "ca.pem", nullptr, nullptr, {}};
  const auto pem = read_if_there(ca.path);
  if (!pem) {
    if (!fs::exists(key_path)) return std::nullopt;
    throw runtime_error(key_path.string() + " is there, and its ca.pem is not" + start_anew);
  }
  const std::string path = ca.path.string();
  ca.certificate = read_certificate(*pem);
  if (!ca.certificate) throw runtime_error(path + " holds no certificate in PEM" + start_anew);
  if (!is_ca(ca.certificate.get()))
    throw runtime_error(path + " is not the certificate of a CA" + start_anew);
  if (end_of(ca.certificate.get()) <= now) {
    throw runtime_error(path + " has ended on " + day(end_of(ca.certificate.get())) +
                        ": no client accepts what it has signed" + start_anew);
  }
  try {
    const auto key_pem = read_if_there(key_path);
    if (!key_pem) {
      ca.no_key = key_path.string() + " is missing";
    } else if (ca.key = read_key(*key_pem); !ca.key) {
      ca.no_key =
          key_path.string() + " holds no private key in PEM that can be read without a passphrase";
    }
  } catch (const runtime_error& unreadable) {
    ca.no_key = unreadable.what();
  }
  if (ca.key && !belongs_to(ca.key.get(), ca.certificate.get())) {
    throw runtime_error(key_path.string() + " is not the key of ca.pem" + start_anew);
  }
  return ca;
}

Ca make_ca(const fs::path& folder, hub::TimePoint now) {
  Ca ca{folder / "ca.pem", nullptr, make_ec_key(), {}};
  ca.certificate = make_ca_certificate(ca.key.get(), now);
  write_file_atomically(folder / "ca-key.pem", to_pem(ca.key.get()), 0600);
  write_file_atomically(ca.path, to_pem(ca.certificate.get()), 0644);
  return ca;
}

// A server's certificate and key, as far as they are there.
struct Pair {
  fs::path path, key_path;
  std::string pem, key_pem;
  std::vector<CertificatePtr> chain;
  KeyPtr key;

  X509* leaf() const { return chain.empty() ? nullptr : chain.front().get(); }
  bool is_own() const { return leaf() != nullptr && !made_here(leaf()); }
};

Pair load_pair(const fs::path& certificate, const fs::path& key) {
  Pair pair{certificate, key, {}, {}, {}, nullptr};
  const auto remedy = [&] {
    return "; put a PEM file there, or remove " + certificate.string() + " and " + key.string();
  };
  if (auto pem = read_if_there(certificate)) {
    pair.chain = read_certificates(*pem);
    if (pair.chain.empty()) {
      throw runtime_error(certificate.string() + " holds no certificate in PEM" + remedy());
    }
    pair.pem = std::move(*pem);
  }
  if (auto pem = read_if_there(key)) {
    pair.key = read_key(*pem);
    if (!pair.key) {
      throw runtime_error(key.string() +
                          " holds no private key in PEM that can be read without a passphrase" +
                          remedy());
    }
    pair.key_pem = std::move(*pem);
  }
  return pair;
}

void check_own(const Pair& own, hub::TimePoint now, std::vector<std::string>& warnings) {
  if (!own.leaf()) throw runtime_error(own.path.string() + " is not there");
  if (!own.key)
    throw runtime_error(own.key_path.string() + ", the key of " + own.path.string() +
                        ", is not there");
  if (!belongs_to(own.key.get(), own.leaf())) {
    throw runtime_error(own.key_path.string() + " is not the key of " + own.path.string() +
                        ", whose first certificate has to be the server's");
  }
  warn_of_dates(own.path, own.leaf(), now, "put a newer one there", warnings);
  warn_of_readers(own.key_path, warnings);
}

// Why it has to be signed anew; empty: it is good. `ended`: it is of no use as it is.
std::string why_renew(const Pair& pair, const Ca& from, const std::set<std::string>& wanted,
                      hub::TimePoint now, bool& ended) {
  X509 *const leaf = pair.leaf(), *const ca = from.certificate.get();
  ended = true;
  if (!leaf) return "it is not there";
  if (!pair.key) return "its key is not there";
  if (!belongs_to(pair.key.get(), leaf)) return "its key is another one";
  if (!signed_by(leaf, ca)) return "another CA has signed it";
  const auto names = names_in(leaf);
  for (const auto& name : wanted) {
    if (!names.contains(name)) return "names have to be added";
  }
  if (end_of(leaf) <= now) return "it has ended on " + day(end_of(leaf));
  ended = false;
  if (end_of(leaf) <= now + renew_before) return "it ends on " + day(end_of(leaf));
  if (begin_of(leaf) > now && begin_of(ca) <= now)
    return "it is valid from " + day(begin_of(leaf)) + " only";
  return names == wanted || !from.key ? "" : "names are no longer asked for";
}

void ensure_pair(Pair& pair, bool is_rsa, const Ca& ca, const std::vector<std::string>& names,
                 hub::TimePoint now, DevCertificates& out) {
  std::set<std::string> wanted;
  for (const auto& name : names) wanted.insert(canonical_name(name));
  bool ended = false;
  const std::string why = why_renew(pair, ca, wanted, now, ended);
  if (why.empty()) return;
  if (!ca.key) {
    const std::string what =
        pair.path.string() + " must be signed anew, since " + why +
        ", and cannot be: " + ca.no_key +
        "; put the key back, or give a server certificate with --tls-cert and --tls-key, or "
        "remove ca.pem and ca-key.pem: a new CA is made, and each client has to be given it";
    if (ended) throw runtime_error(what);
    out.warnings.push_back(what);
    return;
  }
  if (!pair.key) pair.key = is_rsa ? make_rsa_key() : make_ec_key();
  const auto certificate =
      make_server_certificate(pair.key.get(), ca.certificate.get(), ca.key.get(), names, now);
  pair.key_pem = to_pem(pair.key.get());
  pair.pem = to_pem(certificate.get());
  write_file_atomically(pair.key_path, pair.key_pem, 0600);
  write_file_atomically(pair.path, pair.pem, 0644);
  out.renewed = true;
  out.why = why;
}

void serve(const Pair& rsa, const Pair& ecdsa, DevCertificates& out) {
  out.rsa_chain = rsa.pem;
  out.rsa_key = rsa.key_pem;
  out.ecdsa_chain = ecdsa.pem;
  out.ecdsa_key = ecdsa.key_pem;
}

// `ca`: what clients trust; null: they have it from elsewhere.
void serve_own(const Pair& rsa, const Pair& ecdsa, const std::optional<Ca>& ca, hub::TimePoint now,
               DevCertificates& out) {
  for (const Pair* own : {&rsa, &ecdsa}) {
    check_own(*own, now, out.warnings);
    if (ca && !leads_to(own->chain, ca->certificate.get())) {
      out.warnings.push_back(
          own->path.string() + " does not lead to " + ca->path.string() +
          ", which clients are told to trust: put its CA there, or remove that ca.pem");
    }
    if (&rsa == &ecdsa) break;
  }
  serve(rsa, ecdsa, out);
  out.own = true;
  out.ca_path = fs::absolute(ca ? ca->path : rsa.path);
  out.ca = ca ? to_pem(ca->certificate.get()) : rsa.pem;
}

// To take certificates and keys apart and to check them against each other is half of a start's
// work. So what was found good is noted, as a digest over all of it and the day it was looked at:
// the same files, for the same names, on the same day, need no second look.
constexpr const char* checked_file = ".checked";
constexpr std::array checked_files{"ca.pem",           "ca-key.pem",
                                   "server-rsa.pem",   "server-rsa-key.pem",
                                   "server-ecdsa.pem", "server-ecdsa-key.pem"};

std::string checked_line(const fs::path& folder, const std::vector<std::string>& names,
                         hub::TimePoint now) {
  std::string text;
  for (const char* name : checked_files) {
    const std::string part = read_file(folder / name).value_or("");
    text += std::to_string(part.size()) + (others_may_read(folder / name) ? "+" : " ") + part;
  }
  for (const auto& name : names) text += canonical_name(name) + "\n";
  text += std::to_string(std::chrono::floor<std::chrono::days>(now).time_since_epoch().count());
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  std::size_t size = 0;
  if (EVP_Q_digest(nullptr, "SHA256", nullptr, text.data(), text.size(),
                   reinterpret_cast<unsigned char*>(digest.data()), &size) != 1) {
    return {};
  }
  digest.resize(size);
  return hub::hex_encode(digest) + "\n";
}

std::optional<DevCertificates> read_checked(const fs::path& folder,
                                            const std::vector<std::string>& names,
                                            hub::TimePoint now) {
  const auto noted = read_file(folder / checked_file);
  if (!noted || *noted != checked_line(folder, names, now)) return std::nullopt;
  const auto text = [&](const char* name) { return read_file(folder / name).value_or(""); };
  DevCertificates all;
  all.ca = text("ca.pem");
  all.rsa_chain = text("server-rsa.pem");
  all.rsa_key = text("server-rsa-key.pem");
  all.ecdsa_chain = text("server-ecdsa.pem");
  all.ecdsa_key = text("server-ecdsa-key.pem");
  all.ca_path = fs::absolute(folder / "ca.pem");
  return all;
}

void note_checked(const fs::path& folder, const std::vector<std::string>& names,
                  hub::TimePoint now) {
  try {
    write_file_atomically(folder / checked_file, checked_line(folder, names, now), 0600);
  } catch (const std::system_error&) {  // a read-only folder: it is looked at each time
  }
}

DevCertificates look_into(const fs::path& folder, const std::vector<std::string>& names,
                          hub::TimePoint now) {
  if (auto checked = read_checked(folder, names, now)) return *checked;
  DevCertificates out;
  Pair rsa = load_pair(folder / "server-rsa.pem", folder / "server-rsa-key.pem");
  Pair ecdsa = load_pair(folder / "server-ecdsa.pem", folder / "server-ecdsa-key.pem");
  std::optional<Ca> ca = load_ca(folder, now);
  if (rsa.is_own() || ecdsa.is_own()) {  // the other one may be of a CA that nobody was told of
    serve_own(rsa.is_own() ? rsa : ecdsa, ecdsa.is_own() ? ecdsa : rsa, ca, now, out);
    return out;
  }
  if (!ca) {
    ca = make_ca(folder, now);
    out.renewed = true;
  }
  ensure_pair(rsa, true, *ca, names, now, out);
  ensure_pair(ecdsa, false, *ca, names, now, out);
  serve(rsa, ecdsa, out);
  out.ca_path = fs::absolute(ca->path);
  out.ca = read_file(ca->path).value_or("");
  warn_of_dates(ca->path, ca->certificate.get(), now,
                "remove ca.pem and ca-key.pem to have a new CA made, and give it to the clients",
                out.warnings);
  for (const char* key : {"ca-key.pem", "server-rsa-key.pem", "server-ecdsa-key.pem"}) {
    warn_of_readers(folder / key, out.warnings);
  }
  if (out.warnings.empty()) note_checked(folder, names, now);
  return out;
}

}  // namespace

DevCertificates ensure_dev_certificates(const fs::path& folder,
                                        const std::vector<std::string>& names, hub::TimePoint now) {
  try {
    if (!fs::exists(folder)) {
      fs::create_directories(folder);
      fs::permissions(folder, fs::perms{0755});
    }
    const FolderLock lock(folder);
    return look_into(folder, names, now);
  } catch (const std::system_error& error) {
    throw runtime_error(
        std::string(error.what()) +
        ": the folder for certificates cannot be used; give another with --tls-dir");
  }
}

DevCertificates own_certificates(const fs::path& certificate, const fs::path& key,
                                 hub::TimePoint now) {
  DevCertificates out;
  const Pair own = load_pair(certificate, key);
  serve_own(own, own, std::nullopt, now, out);
  return out;
}

}  // namespace app
