// What SQLite's group commit allows durable C2D: the life of one message is an insert (enqueue), an
// update (lock) and a delete (complete). Three shapes:
//   three  each phase in its own transaction of `batch` messages (3 commits a batch)
//   one    all three phases of a batch in one transaction (pipelined best case)
//   two    insert is committed; lock is in memory only, delete is committed (2 commits)
// and the latency of fdatasync.
//   sqlite_ceiling DIR SECONDS_PER_CELL
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
static double cpu() {
  rusage r;
  getrusage(RUSAGE_SELF, &r);
  return double(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
         double(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}
static void ok(int rc, sqlite3* db) {
  if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db)), exit(1);
}

static void fsync_latency(const std::string& dir) {
  const std::string f = dir + "/fsync.bin";
  int fd = open(f.c_str(), O_CREAT | O_RDWR | O_TRUNC, 0600);
  std::string b(4096, 'x');
  for (int pre = 0; pre < 2; ++pre) {
    if (pre) {  // overwrite in place: no size change, so fdatasync writes no metadata
      for (int i = 0; i < 512; ++i) (void)!pwrite(fd, b.data(), b.size(), i * 4096);
      fsync(fd);
    }
    std::vector<double> t;
    for (int i = 0; i < 500; ++i) {
      (void)!pwrite(fd, b.data(), b.size(), i * 4096);
      double a = now();
      fdatasync(fd);
      t.push_back((now() - a) * 1e6);
    }
    std::sort(t.begin(), t.end());
    printf("fdatasync %s p50_us=%.0f p99_us=%.0f per_s=%.0f\n", pre ? "overwrite" : "append",
           t[250], t[495], 1e6 / t[250]);
  }
  close(fd);
  unlink(f.c_str());
}

int main(int argc, char** argv) {
  const std::string dir = argc > 1 ? argv[1] : ".";
  const double secs = argc > 2 ? atof(argv[2]) : 2;
  fsync_latency(dir);
  for (const char* sync : {"OFF", "NORMAL", "FULL"})
    for (const char* shape : {"three", "two", "one"})
      for (int batch : {1, 10, 100, 1000}) {
        const std::string f = dir + "/ceiling.db";
        for (const char* s : {"", "-wal", "-shm"}) unlink((f + s).c_str());
        sqlite3* db;
        ok(sqlite3_open(f.c_str(), &db), db);
        auto run = [&](const std::string& q) {
          ok(sqlite3_exec(db, q.c_str(), nullptr, nullptr, nullptr), db);
        };
        run("pragma journal_mode=wal;pragma synchronous=" + std::string(sync) +
            ";pragma wal_autocheckpoint=4000;create table m(id integer primary key, device int not "
            "null, state int not null, locktoken blob, expiry int, delivery int, props text, body "
            "blob);create index md on m(device,id);");
        sqlite3_stmt *ins, *upd, *del, *beg, *com;
        auto prep = [&](const char* q, sqlite3_stmt** s) {
          ok(sqlite3_prepare_v3(db, q, -1, SQLITE_PREPARE_PERSISTENT, s, nullptr), db);
        };
        prep("insert into m values(?1,?2,0,null,?3,0,?4,?5)", &ins);
        prep("update m set state=1,locktoken=?2,delivery=delivery+1 where id=?1", &upd);
        prep("delete from m where id=?1", &del);
        prep("begin", &beg);
        prep("commit", &com);
        auto step = [&](sqlite3_stmt* s) { ok(sqlite3_step(s), db), sqlite3_reset(s); };
        const std::string
            props = "{\"messageId\":\"0000-0000\",\"ack\":\"full\",\"to\":\"/devices/dev1\"}",
            body(256, 'x'), token(16, 't');
        long id = 0, msgs = 0, commits = 0;
        const double t0 = now(), c0 = cpu();
        while (now() - t0 < secs) {
          const long first = id;
          const bool three = shape[1] == 'h', one = shape[0] == 'o';
          step(beg);
          for (int i = 0; i < batch; ++i) {
            sqlite3_bind_int64(ins, 1, ++id);
            sqlite3_bind_int(ins, 2, int(id % 100));
            sqlite3_bind_int64(ins, 3, 1700000000);
            sqlite3_bind_text(ins, 4, props.data(), int(props.size()), SQLITE_STATIC);
            sqlite3_bind_blob(ins, 5, body.data(), int(body.size()), SQLITE_STATIC);
            step(ins);
          }
          if (!one) step(com), step(beg), ++commits;
          if (one || three)
            for (int i = 0; i < batch; ++i) {
              sqlite3_bind_int64(upd, 1, first + 1 + i);
              sqlite3_bind_blob(upd, 2, token.data(), int(token.size()), SQLITE_STATIC);
              step(upd);
            }
          if (three) step(com), step(beg), ++commits;
          for (int i = 0; i < batch; ++i) {
            sqlite3_bind_int64(del, 1, first + 1 + i);
            step(del);
          }
          step(com), ++commits;
          msgs += batch;
        }
        const double dt = now() - t0, dc = cpu() - c0;
        printf(
            "sqlite sync=%s shape=%s batch=%d msgs_per_s=%.0f commits_per_s=%.0f "
            "cpu_us_per_msg=%.2f\n",
            sync, shape, batch, double(msgs) / dt, double(commits) / dt, dc * 1e6 / double(msgs));
        fflush(stdout);
        for (auto* s : {ins, upd, del, beg, com}) sqlite3_finalize(s);
        sqlite3_close(db);
        for (const char* s : {"", "-wal", "-shm"}) unlink((f + s).c_str());
      }
}
