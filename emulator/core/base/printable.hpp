#pragma once
// Whatever bytes a peer or a file has sent, as one line of UTF-8 that moves no terminal.
#include <string>
#include <string_view>

namespace hub {

// Controls become \n or \u0085, a byte that is no UTF-8 becomes \xNN. `for_json`: quotes and
// backslashes are escaped, too, so that it may stand in a JSON string.
void append_printable(std::string& out, std::string_view text, bool for_json);
std::string printable(std::string_view text);  // not for JSON

// What people paste whole where a name belongs, with the key in it: a connection string or a token.
bool holds_secret(std::string_view text);
// What of a peer's text is shown in the log: its beginning, and of a secret nothing. The log
// escapes it.
std::string_view shown(std::string_view text);

}  // namespace hub
